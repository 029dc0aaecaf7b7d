// One request over ZeroMQ, its tensors as raw frames (npm install zeromq):
//
//   node client.mjs tcp://127.0.0.1:5555
//
// Asks seed-simple, one of the models that `make run` serves, and prints its output.
import { Request } from "zeromq";

const endpoint = process.argv[2] ?? "tcp://127.0.0.1:5555";
const x = Float32Array.from({ length: 10 }, (_, i) => (i + 1) / 10);

// Without the timeout a server that is not there would be waited for for ever.
const socket = new Request({ receiveTimeout: 5000, linger: 0 });
socket.connect(endpoint);
await socket.send([
  JSON.stringify({
    id: "1",
    model_name: "seed-simple",
    parameters: { binary_data_output: true },
    inputs: [{ name: "input", shape: [1, 1, 10], datatype: "FP32", parameters: { binary_data_size: x.byteLength } }],
    outputs: [{ name: "output" }],
  }),
  Buffer.from(x.buffer),
]);
const [header, ...tensors] = await socket.receive();
const answer = JSON.parse(header);
if (answer.error) throw new Error(`${answer.status}: ${answer.error}`);
answer.outputs.forEach((output, i) => {
  const bytes = Uint8Array.from(tensors[i]); // a copy of its own, so that it is aligned
  console.log(output.name, output.shape, Array.from(new Float32Array(bytes.buffer)));
});

// One request over HTTP, its tensors binary behind the JSON (nothing to install):
//
//   node http_client.mjs http://127.0.0.1:8080
//
// Asks seed-simple, one of the models that `make run` serves, and prints its output.
const server = process.argv[2] ?? "http://127.0.0.1:8080";
const x = Float32Array.from({ length: 10 }, (_, i) => (i + 1) / 10);

const header = Buffer.from(
  JSON.stringify({
    id: "1",
    parameters: { binary_data_output: true },
    inputs: [{ name: "input", shape: [1, 1, 10], datatype: "FP32", parameters: { binary_data_size: x.byteLength } }],
    outputs: [{ name: "output" }],
  }),
);
const response = await fetch(`${server}/v2/models/seed-simple/infer`, {
  method: "POST",
  headers: { "Content-Type": "application/octet-stream", "Inference-Header-Content-Length": String(header.length) },
  body: Buffer.concat([header, Buffer.from(x.buffer)]),
  signal: AbortSignal.timeout(5000),
});
if (!response.ok) throw new Error(`${response.status}: ${(await response.json()).error}`);
const body = await response.arrayBuffer();
let offset = Number(response.headers.get("Inference-Header-Content-Length"));
const answer = JSON.parse(Buffer.from(body, 0, offset));
for (const output of answer.outputs) {
  const end = offset + output.parameters.binary_data_size;
  console.log(output.name, output.shape, Array.from(new Float32Array(body.slice(offset, end))));
  offset = end;
}

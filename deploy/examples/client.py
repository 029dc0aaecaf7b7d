"""One request over ZeroMQ, its tensors as raw frames (pyzmq, numpy):

    python3 client.py tcp://127.0.0.1:5555

Asks seed-simple, one of the models that `make run` serves, and prints its output."""
import json
import sys

import numpy as np
import zmq

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5555"
x = np.linspace(0.1, 1, 10, dtype="<f4").reshape(1, 1, 10)

socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.RCVTIMEO, 5000)  # without it a server that is not there is waited for for ever
socket.setsockopt(zmq.LINGER, 0)
socket.connect(endpoint)

header = {
    "id": "1",
    "model_name": "seed-simple",
    "parameters": {"binary_data_output": True},
    "inputs": [{"name": "input", "shape": x.shape, "datatype": "FP32",
                "parameters": {"binary_data_size": x.nbytes}}],
    "outputs": [{"name": "output"}],
}
socket.send_multipart([json.dumps(header).encode(), x.tobytes()])
answer, *tensors = socket.recv_multipart()
answer = json.loads(answer)
if "error" in answer:
    sys.exit(f"{answer['status']}: {answer['error']}")
for output, data in zip(answer["outputs"], tensors):
    print(output["name"], np.frombuffer(data, "<f4").reshape(output["shape"]))

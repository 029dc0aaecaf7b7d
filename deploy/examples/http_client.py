"""One request over HTTP, its tensors binary behind the JSON (numpy):

    python3 http_client.py http://127.0.0.1:8080

Asks seed-simple, one of the models that `make run` serves, and prints its output."""
import json
import sys
import urllib.error
import urllib.request

import numpy as np

server = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
x = np.linspace(0.1, 1, 10, dtype="<f4").reshape(1, 1, 10)

header = json.dumps({
    "id": "1",
    "parameters": {"binary_data_output": True},
    "inputs": [{"name": "input", "shape": x.shape, "datatype": "FP32",
                "parameters": {"binary_data_size": x.nbytes}}],
    "outputs": [{"name": "output"}],
}).encode()
request = urllib.request.Request(
    f"{server}/v2/models/seed-simple/infer", data=header + x.tobytes(),
    headers={"Content-Type": "application/octet-stream",
             "Inference-Header-Content-Length": str(len(header))})
try:
    with urllib.request.urlopen(request, timeout=5) as response:
        body = response.read()
        json_size = int(response.headers["Inference-Header-Content-Length"])
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code}: {json.load(error)['error']}")
offset = json_size
for output in json.loads(body[:json_size])["outputs"]:
    count = int(np.prod(output["shape"]))
    values = np.frombuffer(body, "<f4", count, offset)
    offset += values.nbytes
    print(output["name"], values.reshape(output["shape"]))

"""Requests as people write them by hand, with python-requests: TensorFlow Serving's REST habits,
and scraping of /metrics."""

import gzip
import json
import unittest

import numpy
import requests

from daemon import DaemonCase
from lstm_reference import INPUT_SIZE, NAME, TOLERANCE, lstm, random_input


def close(found, wanted):
    numpy.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)


class PlainHttp(DaemonCase):
    def get(self, path, status=200):
        response = requests.get(self.url + path, timeout=30)
        self.assertEqual(response.status_code, status, response.text)
        return response

    def test_tensorflow_serving_status(self):
        (version,) = self.get(f"/v1/models/{NAME}").json()["model_version_status"]
        self.assertEqual(version["version"], "1")
        self.assertEqual(version["state"], "AVAILABLE")
        self.assertEqual(version["status"], {"error_code": "OK", "error_message": ""})
        self.get(f"/v1/models/{NAME}/versions/1")
        self.get(f"/v1/models/{NAME}/labels/stable")
        self.assertIn("error", self.get("/v1/models/nobody", 404).json())

    def test_tensorflow_serving_metadata(self):
        metadata = self.get(f"/v1/models/{NAME}/metadata").json()
        self.assertEqual(metadata["model_spec"]["name"], NAME)
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        tensor = signatures["serving_default"]["inputs"]["input"]
        self.assertEqual(tensor["dtype"], "DT_FLOAT")
        sizes = [dim["size"] for dim in tensor["tensor_shape"]["dim"]]
        self.assertEqual(sizes, ["-1", "-1", str(INPUT_SIZE)])

    def predict(self, path, body, status=200):
        response = requests.post(f"{self.url}/v1/models/{path}:predict", json=body, timeout=30)
        self.assertEqual(response.status_code, status, response.text)
        return response.json()

    def test_tensorflow_serving_rows(self):
        rows = [random_input(steps, 1, seed=steps)[:, 0] for steps in (4, 4, 9)]
        instances = [row.tolist() for row in rows]
        body = {"signature_name": "serving_default", "instances": instances}
        for path in (NAME, f"{NAME}/versions/1", f"{NAME}/labels/stable"):
            predictions = self.predict(path, body)["predictions"]
            for row, found in zip(rows, predictions, strict=True):
                output, h_n, c_n = lstm(row[:, None])
                for name, wanted in (("output", output), ("h_n", h_n), ("c_n", c_n)):
                    self.assertEqual(len(found[name]), wanted.shape[0])
                    close(found[name], wanted[:, 0])

    def test_tensorflow_serving_columns(self):
        x = random_input(4, 3)
        output, h_n, _ = lstm(x)
        for inputs in (x.swapaxes(0, 1).tolist(), {"input": x.swapaxes(0, 1).tolist()}):
            outputs = self.predict(NAME, {"inputs": inputs})["outputs"]
            self.assertEqual(set(outputs), {"output", "h_n", "c_n"})
            close(outputs["output"], output.swapaxes(0, 1))
            close(outputs["h_n"], h_n.swapaxes(0, 1))

    def test_tensorflow_serving_bare_outputs(self):
        body = {"instances": [[[0.5] * 128] * 3]}
        (row,) = self.predict("silero-vad", body)["predictions"]
        self.assertEqual(numpy.shape(row), (3, 1))
        body["signature_name"] = "with_states"
        (full,) = self.predict("silero-vad", body)["predictions"]
        self.assertEqual(full["output"], row)
        self.assertEqual(numpy.shape(full["h_n"]), (1, 128))

    def test_tensorflow_serving_errors(self):
        text = self.predict("nobody", {"instances": [[[1.0]]]}, 404)["error"]
        self.assertEqual(text, "Servable not found for request: Latest(nobody)")
        text = self.predict(NAME, {"instances": 1}, 400)["error"]
        self.assertIn("Expecting 'instances' to be an list/array", text)

    def infer(self, data, **headers):
        url = f"{self.url}/v2/models/{NAME}/infer"
        response = requests.post(url, data=data, headers=headers, timeout=30)
        self.assertEqual(response.status_code, 200, response.text)
        return response

    def test_a_file_of_floats(self):
        x = random_input(6, 1)
        size = {"Inference-Header-Content-Length": "0"}
        response = self.infer(x.tobytes(), **size, Accept="application/json")
        outputs = {output["name"]: output for output in response.json()["outputs"]}
        close(numpy.reshape(outputs["output"]["data"], (6, 1, 7)), lstm(x)[0])
        binary = self.infer(x.tobytes(), **size)
        json_size = int(binary.headers["Inference-Header-Content-Length"])
        found = numpy.frombuffer(binary.content[json_size:], "<f4")
        close(found[: 6 * 7].reshape(6, 1, 7), lstm(x)[0])

    def test_packed_bodies(self):
        x = random_input(2000, 1)
        tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32", "data": x.tolist()}
        data = gzip.compress(json.dumps({"inputs": [tensor]}).encode())
        response = self.infer(data, **{"Content-Encoding": "gzip"})
        self.assertEqual(response.headers["Content-Encoding"], "gzip")
        close(numpy.reshape(response.json()["outputs"][0]["data"], (2000, 1, 7)), lstm(x)[0])

    def test_infer_with_nested_lists(self):
        x = random_input(4, 2)
        tensor = {"name": "input", "shape": list(x.shape), "datatype": "FP32", "data": x.tolist()}
        body = {"inputs": [tensor]}
        response = requests.post(f"{self.url}/v2/models/{NAME}/infer", json=body, timeout=30)
        self.assertEqual(response.status_code, 200, response.text)
        outputs = {output["name"]: output for output in response.json()["outputs"]}
        self.assertEqual(outputs["output"]["shape"], [4, 2, 7])
        self.assertEqual(outputs["output"]["data"][-14:], outputs["h_n"]["data"])

    def test_metrics_count_what_was_asked(self):
        series = f'nv_inference_request_success{{model="{NAME}",version="1"}} '

        def successes():
            lines = self.get("/metrics").text.splitlines()
            (line,) = [line for line in lines if line.startswith(series)]
            return float(line[len(series) :])

        before = successes()
        self.test_infer_with_nested_lists()
        self.assertEqual(successes(), before + 1)


if __name__ == "__main__":
    unittest.main()

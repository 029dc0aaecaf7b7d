"""Requests as people write them by hand, with python-requests: TensorFlow Serving's REST habits,
and scraping of /metrics."""

import unittest

import requests

from daemon import DaemonCase
from lstm_reference import INPUT_SIZE, NAME, random_input


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

"""The client generated from the Open Inference Protocol's own OpenAPI file: it checks what it gets
against the schema."""

import unittest

import numpy
from open_inference.openapi.client import OpenInferenceClient
from open_inference.openapi.core.api_error import ApiError
from open_inference.openapi.errors import BadRequestError, NotFoundError
from open_inference.openapi.types import InferenceRequest

from daemon import DaemonCase
from lstm_reference import NAME, TOLERANCE, lstm, random_input


class OpenInference(DaemonCase):
    def setUp(self):
        self.client = OpenInferenceClient(base_url=self.url)

    def request(self, x):
        return InferenceRequest(
            id="42",
            inputs=[
                {
                    "name": "input",
                    "shape": list(x.shape),
                    "datatype": "FP32",
                    "data": x.ravel().tolist(),
                }
            ],
        )

    def test_health(self):
        self.client.check_server_liveness()
        self.client.check_server_readiness()
        self.client.check_model_readiness(NAME)
        self.client.check_model_version_readiness(NAME, "1")
        with self.assertRaises(NotFoundError):
            self.client.check_model_readiness("nobody")

    def test_metadata(self):
        self.assertEqual(self.client.read_server_metadata().name, "lstmd")
        model = self.client.read_model_metadata(NAME)
        self.assertEqual(model.inputs[0].name, "input")
        self.assertEqual(model.inputs[0].shape, [-1, -1, 10])
        self.assertEqual(model, self.client.read_model_version_metadata(NAME, "1"))

    def test_infer(self):
        x = random_input(8, 2)
        response = self.client.model_infer(NAME, request=self.request(x))
        self.assertEqual(response.id, "42")
        self.assertEqual(response.model_name, NAME)
        self.assertEqual(response.outputs[0].name, "output")
        found = numpy.array(response.outputs[0].data.__root__, dtype=numpy.float32)
        numpy.testing.assert_allclose(
            found.reshape(response.outputs[0].shape), lstm(x)[0], rtol=0, atol=TOLERANCE
        )

    def test_errors(self):
        x = random_input(8, 2)
        with self.assertRaises(ApiError) as raised:
            self.client.model_infer("nobody", request=self.request(x))
        self.assertEqual(raised.exception.status_code, 404)
        self.assertIn("'nobody' is not found", raised.exception.body["error"])
        with self.assertRaises(BadRequestError) as raised:
            self.client.model_infer(NAME, request=self.request(x[:, :, :9]))
        self.assertIn("unexpected shape", raised.exception.body["error"])


if __name__ == "__main__":
    unittest.main()

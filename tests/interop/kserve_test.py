"""KServe's InferenceRESTClient, v2 and what there is of v1."""

import unittest

import httpx
import numpy
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from daemon import DaemonCase
from lstm_reference import NAME, TOLERANCE, lstm, random_input


class Kserve(DaemonCase, unittest.IsolatedAsyncioTestCase):
    async def client(self, protocol):
        client = InferenceRESTClient(RESTConfig(protocol=protocol, retries=0))
        self.addAsyncCleanup(client.close)
        return client

    async def infer(self, x, binary):
        client = await self.client("v2")
        tensor = InferInput("input", list(x.shape), "FP32")
        tensor.set_data_from_numpy(x, binary_data=binary)
        request = InferRequest(NAME, [tensor], request_id="7")
        response = await client.infer(self.url, request, NAME)
        self.assertEqual(response.model_name, NAME)
        self.assertEqual(response.id, "7")
        return {output.name: output.as_numpy() for output in response.outputs}

    async def test_v2_health(self):
        client = await self.client("v2")
        self.assertTrue(await client.is_server_live(self.url))
        self.assertTrue(await client.is_server_ready(self.url))
        self.assertTrue(await client.is_model_ready(self.url, NAME))
        self.assertFalse(await client.is_model_ready(self.url, "nobody"))

    async def test_v1_health(self):
        client = await self.client("v1")
        self.assertTrue(await client.is_server_live(self.url))
        self.assertTrue(await client.is_model_ready(self.url, NAME))
        with self.assertRaises(httpx.HTTPStatusError):
            await client.is_model_ready(self.url, "nobody")

    async def test_v2_infer(self):
        x = random_input(11, 3)
        for binary in (False, True):
            found = await self.infer(x, binary)
            for name, wanted in zip(["output", "h_n", "c_n"], lstm(x)):
                self.assertEqual(found[name].shape, wanted.shape)
                numpy.testing.assert_allclose(found[name], wanted, rtol=0, atol=TOLERANCE)

    async def test_v1_predict(self):
        client = await self.client("v1")
        rows = [random_input(steps, 1, seed=steps)[:, 0] for steps in (5, 2, 1)]
        body = {"instances": [row.tolist() for row in rows]}
        answer = await client.infer(self.url, body, NAME)
        self.assertEqual(set(answer), {"predictions"})
        for row, found in zip(rows, answer["predictions"], strict=True):
            output, h_n, _ = lstm(row[:, None])
            numpy.testing.assert_allclose(found["output"], output[:, 0], rtol=0, atol=TOLERANCE)
            numpy.testing.assert_allclose(found["h_n"], h_n[:, 0], rtol=0, atol=TOLERANCE)
        with self.assertRaises(httpx.HTTPStatusError) as raised:
            await client.infer(self.url, body, "nobody")
        self.assertEqual(raised.exception.response.status_code, 404)

    async def test_v2_errors_hold_the_text(self):
        client = await self.client("v2")
        with self.assertRaises(httpx.HTTPStatusError) as raised:
            await client.infer(self.url, {"inputs": []}, NAME)
        self.assertEqual(raised.exception.response.status_code, 400)
        with self.assertRaises(httpx.HTTPStatusError) as raised:
            await client.infer(self.url, {"inputs": []}, "nobody")
        self.assertIn("'nobody' is not found", str(raised.exception))


if __name__ == "__main__":
    unittest.main()

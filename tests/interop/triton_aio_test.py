"""tritonclient.http.aio: the same protocol over aiohttp."""

import asyncio
import unittest

import numpy
import tritonclient.http.aio as triton
from tritonclient.utils import InferenceServerException

from daemon import DaemonCase
from lstm_reference import NAME, TOLERANCE, lstm, random_input


def infer_input(values):
    tensor = triton.InferInput("input", values.shape, "FP32")
    tensor.set_data_from_numpy(values)
    return tensor


class TritonAio(DaemonCase, unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = triton.InferenceServerClient(self.address)
        self.addAsyncCleanup(self.client.close)

    async def test_what_there_is(self):
        self.assertTrue(await self.client.is_server_live())
        self.assertTrue(await self.client.is_server_ready())
        self.assertTrue(await self.client.is_model_ready(NAME))
        self.assertEqual((await self.client.get_server_metadata())["name"], "lstmd")
        self.assertEqual((await self.client.get_model_metadata(NAME))["name"], NAME)
        self.assertEqual((await self.client.get_model_config(NAME))["name"], NAME)
        self.assertEqual(len(await self.client.get_model_repository_index()), 4)
        statistics = await self.client.get_inference_statistics(NAME)
        self.assertEqual(statistics["model_stats"][0]["name"], NAME)
        self.assertEqual((await self.client.get_log_settings())["log_file"], "")

    async def test_many_at_once(self):
        inputs = [random_input(1 + i % 31, 1 + i % 7, seed=i) for i in range(100)]
        results = await asyncio.gather(
            *(self.client.infer(NAME, [infer_input(x)]) for x in inputs)
        )
        for x, result in zip(inputs, results):
            output, h_n, c_n = lstm(x)
            numpy.testing.assert_allclose(result.as_numpy("output"), output, atol=TOLERANCE)
            numpy.testing.assert_allclose(result.as_numpy("h_n"), h_n, atol=TOLERANCE)
            numpy.testing.assert_allclose(result.as_numpy("c_n"), c_n, atol=TOLERANCE)

    async def test_requests_and_answers_may_be_compressed(self):
        x = random_input(3000, 2)
        for coding in ("gzip", "deflate"):
            result = await self.client.infer(
                NAME,
                [infer_input(x)],
                request_compression_algorithm=coding,
                response_compression_algorithm=coding,
            )
            numpy.testing.assert_allclose(result.as_numpy("output"), lstm(x)[0], atol=TOLERANCE)

    async def test_errors_are_mapped(self):
        with self.assertRaises(InferenceServerException) as raised:
            await self.client.infer("nobody", [infer_input(random_input(1, 1))])
        self.assertEqual(raised.exception.status(), "404")
        self.assertIn("'nobody' is not found", raised.exception.message())
        with self.assertRaises(InferenceServerException) as raised:
            await self.client.infer(NAME, [infer_input(random_input(1, 1)[:, :, :3].copy())])
        self.assertEqual(raised.exception.status(), "400")


if __name__ == "__main__":
    unittest.main()

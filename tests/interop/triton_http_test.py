"""tritonclient.http: everything of it that a server of LSTMs has an answer to."""

import unittest

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from daemon import DaemonCase
from lstm_reference import NAME, TOLERANCE, lstm, random_input

MODELS = ["seed-bidirectional", "seed-simple", "seed-stacked3-bidirectional", "silero-vad"]
DURATIONS = ["success", "fail", "queue", "compute_input", "compute_infer", "compute_output"]
DURATIONS += ["cache_hit", "cache_miss"]


def infer_input(values, binary=True, name="input"):
    tensor = triton.InferInput(name, values.shape, triton_type(values))
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def triton_type(values):
    return {"float32": "FP32", "int64": "INT64", "int32": "INT32"}[values.dtype.name]


class TritonHttp(DaemonCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(self.address, concurrency=4)
        self.addCleanup(self.client.close)

    def expect_error(self, status, text, call, *arguments, **keywords):
        with self.assertRaises(InferenceServerException) as raised:
            call(*arguments, **keywords)
        self.assertEqual(raised.exception.status(), str(status))
        self.assertIn(text, raised.exception.message())

    # ---- what there is ----

    def test_health(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready(NAME))
        self.assertTrue(self.client.is_model_ready(NAME, "1"))
        self.assertFalse(self.client.is_model_ready(NAME, "2"))
        self.assertFalse(self.client.is_model_ready("nobody"))

    def test_metadata(self):
        server = self.client.get_server_metadata()
        self.assertEqual(server["name"], "lstmd")
        for extension in ["binary_tensor_data", "classification", "statistics"]:
            self.assertIn(extension, server["extensions"])
        model = self.client.get_model_metadata(NAME)
        self.assertEqual(model["versions"], ["1"])
        self.assertEqual(
            model["inputs"][0], {"name": "input", "datatype": "FP32", "shape": [-1, -1, 10]}
        )
        self.assertEqual([tensor["name"] for tensor in model["outputs"]], ["output", "h_n", "c_n"])
        self.expect_error(404, "is not found", self.client.get_model_metadata, "nobody")

    def test_config(self):
        config = self.client.get_model_config(NAME)
        self.assertEqual(config["name"], NAME)
        self.assertEqual(config["max_batch_size"], 0)
        self.assertEqual(config["input"][0]["data_type"], "TYPE_FP32")
        optional = [tensor["name"] for tensor in config["input"] if tensor.get("optional")]
        self.assertEqual(optional, ["h_0", "c_0", "lengths"])

    def test_repository(self):
        index = self.client.get_model_repository_index()
        self.assertEqual([model["name"] for model in index], MODELS)
        self.assertEqual({model["state"] for model in index}, {"READY"})
        refused = "explicit model load / unload is not allowed"
        self.expect_error(503, refused, self.client.load_model, NAME)
        self.expect_error(503, refused, self.client.unload_model, NAME)
        self.assertTrue(self.client.is_model_ready(NAME))

    def test_statistics(self):
        def statistics():
            (model,) = self.client.get_inference_statistics(NAME)["model_stats"]
            return model

        before = statistics()
        self.client.infer(NAME, [infer_input(random_input(3, 5))])
        after = statistics()
        self.assertEqual(after["inference_count"] - before["inference_count"], 5)
        self.assertGreater(after["execution_count"], before["execution_count"])
        self.assertGreater(after["last_inference"], 0)
        for duration in DURATIONS:
            self.assertEqual(set(after["inference_stats"][duration]), {"count", "ns"})
        success = [model["inference_stats"]["success"]["count"] for model in (before, after)]
        self.assertEqual(success[1] - success[0], 1)
        self.assertEqual(len(self.client.get_inference_statistics()["model_stats"]), len(MODELS))

    def test_log_settings(self):
        self.assertEqual(self.client.get_log_settings()["log_verbose_level"], 0)
        changed = self.client.update_log_settings({"log_verbose_level": 1})
        self.assertEqual(changed["log_verbose_level"], 1)
        self.client.update_log_settings({"log_verbose_level": 0})
        self.expect_error(501, "log_file", self.client.update_log_settings, {"log_file": "/tmp/x"})

    # ---- inferring ----

    def check(self, result, x):
        for name, wanted in zip(["output", "h_n", "c_n"], lstm(x)):
            found = result.as_numpy(name)
            self.assertEqual(found.dtype, numpy.float32)
            self.assertEqual(found.shape, wanted.shape)
            numpy.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)

    def test_binary_both_ways(self):
        x = random_input(17, 2)
        self.check(self.client.infer(NAME, [infer_input(x)]), x)

    def test_json_both_ways(self):
        x = random_input(17, 2)
        names = ["output", "h_n", "c_n"]
        wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in names]
        self.check(self.client.infer(NAME, [infer_input(x, binary=False)], outputs=wanted), x)

    def test_json_and_binary_give_the_same_bits(self):
        x = random_input(40, 3)
        outputs = []
        for binary in (False, True):
            wanted = [triton.InferRequestedOutput("output", binary_data=binary)]
            result = self.client.infer(NAME, [infer_input(x, binary)], outputs=wanted)
            outputs.append(result.as_numpy("output"))
        self.assertEqual(outputs[0].tobytes(), outputs[1].tobytes())

    def test_forms_can_be_mixed(self):
        x = random_input(5, 2)
        h = random_input(1, 2, seed=1)[:, :, :7].copy()
        inputs = [infer_input(x), infer_input(h, False, "h_0"), infer_input(h, True, "c_0")]
        wanted = [
            triton.InferRequestedOutput("c_n", binary_data=True),
            triton.InferRequestedOutput("output", binary_data=False),
        ]
        result = self.client.infer(NAME, inputs, outputs=wanted)
        names = [output["name"] for output in result.get_response()["outputs"]]
        self.assertEqual(names, ["c_n", "output"])
        output, _, c_n = lstm(x, h, h)
        numpy.testing.assert_allclose(result.as_numpy("c_n"), c_n, rtol=0, atol=TOLERANCE)
        numpy.testing.assert_allclose(result.as_numpy("output"), output, rtol=0, atol=TOLERANCE)

    def test_lengths(self):
        x = random_input(9, 3)
        lengths = numpy.array([9, 4, 0], dtype=numpy.int64)
        result = self.client.infer(NAME, [infer_input(x), infer_input(lengths, name="lengths")])
        output, h_n = result.as_numpy("output"), result.as_numpy("h_n")
        for row, length in enumerate(lengths):
            wanted, _, _ = lstm(x[:length, row : row + 1])
            numpy.testing.assert_allclose(
                output[:length, row : row + 1], wanted, rtol=0, atol=TOLERANCE
            )
            self.assertFalse(output[length:, row].any())
        self.assertFalse(h_n[0, 2].any())

    def test_an_id_comes_back(self):
        result = self.client.infer(NAME, [infer_input(random_input(1, 1))], request_id="a b/ü")
        self.assertEqual(result.get_response()["id"], "a b/ü")
        self.assertEqual(result.get_response()["model_version"], "1")

    def test_a_version_can_be_named(self):
        x = random_input(2, 1)
        self.check(self.client.infer(NAME, [infer_input(x)], model_version="1"), x)
        call = (self.client.infer, NAME, [infer_input(x)])
        self.expect_error(404, "version 7", *call, model_version="7")

    def test_priority_and_timeout(self):
        x = random_input(4, 2)
        self.check(self.client.infer(NAME, [infer_input(x)], priority=1, timeout=30_000_000), x)

    def test_own_parameters_are_let_be(self):
        x = random_input(4, 2)
        self.check(self.client.infer(NAME, [infer_input(x)], parameters={"trace": "abc"}), x)

    def test_requests_and_answers_may_be_compressed(self):
        x = random_input(800, 8)
        names = ["output", "h_n", "c_n"]
        for binary in (False, True):
            wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in names]
            for coding in ("gzip", "deflate"):
                result = self.client.infer(
                    NAME,
                    [infer_input(x, binary)],
                    outputs=wanted,
                    request_compression_algorithm=coding,
                    response_compression_algorithm=coding,
                )
                self.check(result, x)

    def test_classification(self):
        x = random_input(5, 2)
        output, _, _ = lstm(x)
        for binary in (False, True):
            wanted = triton.InferRequestedOutput("output", binary_data=binary, class_count=3)
            result = self.client.infer(NAME, [infer_input(x)], outputs=[wanted])
            classes = result.as_numpy("output")
            self.assertEqual(classes.shape, (5, 2, 3))
            for place in numpy.ndindex(5, 2):
                texts = [text.decode() if binary else text for text in classes[place]]
                indexes = [int(text.split(":")[1]) for text in texts]
                best = numpy.argsort(-output[place], kind="stable")[:3]
                self.assertEqual(indexes, list(best))
                for text, index in zip(texts, indexes):
                    self.assertAlmostEqual(float(text.split(":")[0]), output[place][index], 5)

    def test_many_at_once(self):
        inputs = [random_input(1 + i % 23, 1 + i % 5, seed=i) for i in range(100)]
        waiting = [self.client.async_infer(NAME, [infer_input(x)]) for x in inputs]
        for x, one in zip(inputs, waiting):
            self.check(one.get_result(), x)

    def test_every_example_model_answers(self):
        for name in MODELS:
            tensors = self.client.get_model_metadata(name)["inputs"]
            x = numpy.ones((6, 2, tensors[0]["shape"][2]), dtype=numpy.float32)
            result = self.client.infer(name, [infer_input(x)])
            self.assertTrue(numpy.isfinite(result.as_numpy("output")).all())

    def test_not_a_number_passes(self):
        x = random_input(3, 2)
        x[1, 0, 0] = numpy.nan
        for binary in (False, True):
            wanted = [triton.InferRequestedOutput("output", binary_data=binary)]
            result = self.client.infer(NAME, [infer_input(x, binary)], outputs=wanted)
            output = result.as_numpy("output")
            self.assertTrue(numpy.isnan(output[1:, 0]).all())
            self.assertTrue(numpy.isfinite(output[:, 1]).all())

    # ---- errors ----

    def test_errors_are_mapped(self):
        infer = self.client.infer
        x = random_input(2, 2)
        self.expect_error(404, "'nobody' is not found", infer, "nobody", [infer_input(x)])
        wrong = infer_input(x[:, :, :9].copy())
        self.expect_error(400, "unexpected shape for input 'input'", infer, NAME, [wrong])
        wrong = infer_input(x, name="inputs")
        self.expect_error(400, "inputs", infer, NAME, [wrong])
        wrong = infer_input(numpy.zeros((2, 2, 10), dtype=numpy.int64))
        self.expect_error(400, "data-type is 'INT64'", infer, NAME, [wrong])
        wanted = [triton.InferRequestedOutput("hidden")]
        self.expect_error(400, "hidden", infer, NAME, [infer_input(x)], outputs=wanted)
        self.assertTrue(self.client.is_server_live())


if __name__ == "__main__":
    unittest.main()

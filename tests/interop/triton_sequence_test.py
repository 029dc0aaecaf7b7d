"""Sequences whose state the server keeps, as tritonclient drives them."""

import unittest

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from daemon import DaemonCase
from lstm_reference import NAME, TOLERANCE, lstm, random_input


def infer_input(values):
    tensor = triton.InferInput("input", values.shape, "FP32")
    tensor.set_data_from_numpy(values)
    return tensor


class TritonSequence(DaemonCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(self.address, concurrency=8)
        self.addCleanup(self.client.close)

    def step(self, x, sequence, start=False, end=False, model=NAME):
        return self.client.infer(
            model, [infer_input(x)], sequence_id=sequence, sequence_start=start, sequence_end=end
        )

    def expect_error(self, status, *arguments, **keywords):
        with self.assertRaises(InferenceServerException) as raised:
            self.step(*arguments, **keywords)
        self.assertEqual(raised.exception.status(), str(status))

    def whole(self, x):
        return self.client.infer(NAME, [infer_input(x)]).as_numpy("output")

    def test_it_is_announced(self):
        extensions = self.client.get_server_metadata()["extensions"]
        self.assertIn("sequence", extensions)
        self.assertIn("sequence(string_id)", extensions)
        self.assertIn("sequence_batching", self.client.get_model_config(NAME))
        self.assertNotIn("sequence_batching", self.client.get_model_config("seed-bidirectional"))

    def test_pieces_give_the_same_bits_as_the_whole(self):
        x = random_input(20, 3)
        for sequence in (42, 2**64 - 1, "a string", "42"):
            pieces, at = [], 0
            for size in (1, 7, 2, 10):
                result = self.step(
                    x[at : at + size], sequence, start=at == 0, end=at + size == len(x)
                )
                pieces.append(result.as_numpy("output"))
                at += size
            self.assertEqual(numpy.concatenate(pieces).tobytes(), self.whole(x).tobytes())
        numpy.testing.assert_allclose(self.whole(x), lstm(x)[0], atol=TOLERANCE)

    def test_one_request_may_be_a_whole_sequence(self):
        x = random_input(6, 1)
        found = self.step(x, 7, start=True, end=True).as_numpy("output")
        self.assertEqual(found.tobytes(), self.whole(x).tobytes())
        self.expect_error(404, x, 7)

    def test_a_start_begins_anew(self):
        x = random_input(6, 1)
        self.step(x, 8, start=True)
        self.step(x, 8)
        found = self.step(x, 8, start=True).as_numpy("output")
        self.assertEqual(found.tobytes(), self.whole(x).tobytes())

    def test_sequences_do_not_mix(self):
        x = [random_input(12, 1, seed=i) for i in range(16)]
        outputs = [[] for _ in x]
        for t in range(12):
            for i, rows in enumerate(x):
                result = self.step(rows[t : t + 1], 100 + i, start=t == 0, end=t == 11)
                outputs[i].append(result.as_numpy("output"))
        for i, rows in enumerate(x):
            self.assertEqual(numpy.concatenate(outputs[i]).tobytes(), self.whole(rows).tobytes())

    def test_requests_keep_the_order_they_came_in(self):
        x = random_input(50, 1)
        self.step(x[:1], 9, start=True)
        for t in range(1, 50):
            self.step(x[t : t + 1], 9, end=t == 49)
        waiting = [
            self.client.async_infer(
                NAME,
                [infer_input(random_input(5, 1, seed=i))],
                sequence_id=1000 + i,
                sequence_start=True,
                sequence_end=True,
            )
            for i in range(50)
        ]
        for i, one in enumerate(waiting):
            found = one.get_result().as_numpy("output")
            self.assertEqual(found.tobytes(), self.whole(random_input(5, 1, seed=i)).tobytes())

    def test_what_is_wrong_is_told(self):
        x = random_input(1, 1)
        self.expect_error(404, x, 555)
        self.expect_error(404, x, "nobody")
        self.step(random_input(1, 2), 11, start=True)
        self.expect_error(400, random_input(1, 3), 11)
        self.expect_error(400, x, 12, start=True, model="seed-bidirectional")


if __name__ == "__main__":
    unittest.main()

"""Triton's perf_analyzer: it asks for metadata, configuration and statistics before and after it
sends load, and gives up where one of them is not as it expects."""

import csv
import json
import os
import subprocess
import tempfile
import unittest

from daemon import TOP, DaemonCase
from lstm_reference import NAME, random_input

PERF = os.environ.get("INTEROP_VENV", os.path.join(TOP, "build", "interop-venv")) + "/perf"


class PerfAnalyzer(DaemonCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def input_data(self, steps, rows, name=None):
        """Only the inputs that have to be sent: when perf_analyzer makes data, it is for all."""
        tensors = []
        for t in range(steps if name == "stream" else 1):
            size = 1 if name == "stream" else steps
            x = random_input(size, rows, seed=t)
            tensors.append({"input": {"content": x.ravel().tolist(), "shape": list(x.shape)}})
        path = os.path.join(self.folder, "input.json")
        with open(path, "w", encoding="ascii") as file:
            json.dump({"data": [tensors] if name == "stream" else tensors}, file)
        return path

    def run_it(self, model, data, *arguments):
        """The table's rows: one for each load."""
        report = os.path.join(self.folder, "report.csv")
        command = [PERF + "/bin/perf_analyzer", "-m", model, "-u", self.address, "-i", "http"]
        command += ["--input-data", data, "-f", report]
        # That it works is asked, not how fast: no two windows need to agree.
        command += ["--measurement-interval", "500", "--stability-percentage", "999"]
        done = subprocess.run(
            command + list(arguments),
            env={**os.environ, "LD_LIBRARY_PATH": PERF + "/lib"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        with open(report, encoding="ascii") as file:
            return list(csv.DictReader(file))

    def check(self, rows, count):
        self.assertEqual(len(rows), count)
        for row in rows:
            self.assertGreater(float(row["Inferences/Second"]), 0)
            self.assertGreaterEqual(float(row["Server Compute Infer"]), 0)

    def test_plain_requests(self):
        data = self.input_data(17, 2)
        self.check(self.run_it("seed-bidirectional", data, "--concurrency-range", "1:2"), 2)

    def test_sequences(self):
        data = self.input_data(10, 1, "stream")
        rows = self.run_it(NAME, data, "--concurrency-range", "4", "--sequence-length", "10")
        self.check(rows, 1)

    def test_sequences_of_one_request_are_plain_requests(self):
        data = self.input_data(17, 2)
        rows = self.run_it(NAME, data, "--concurrency-range", "2", "--sequence-length", "1")
        self.check(rows, 1)


if __name__ == "__main__":
    unittest.main()

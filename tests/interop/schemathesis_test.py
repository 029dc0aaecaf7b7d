"""schemathesis makes requests up from the interface's description, good and bad, and holds the
answers against it."""

import os
import subprocess
import tempfile
import unittest

from daemon import DaemonCase

FOLDER = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.join(os.environ["INTEROP_VENV"], "schemathesis", "bin", "schemathesis")


class Schemathesis(DaemonCase):
    def test_whatever_it_makes_up_is_answered_as_described(self):
        command = [BINARY, "--config-file", os.path.join(FOLDER, "schemathesis.toml"), "run",
                   self.url + "/docs/openapi.json", "--max-examples", "50",
                   "--generation-database", "none", "--continue-on-failure"]
        with tempfile.TemporaryDirectory() as folder:  # it keeps notes where it is run
            run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900,
                                 check=False)
        self.assertEqual(run.returncode, 0, run.stdout[-20000:] + run.stderr[-2000:])


if __name__ == "__main__":
    unittest.main()

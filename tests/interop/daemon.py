"""The daemon on the example models, for as long as a test class runs."""

import os
import re
import subprocess
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("LSTMD_BINARY", os.path.join(TOP, "build", "lstmd"))
MODELS = os.path.join(TOP, "deploy", "models")


class DaemonCase(unittest.TestCase):
    """Tests of a class share one daemon: cls.address is its HOST:PORT, cls.url has http:// too."""

    arguments = []

    @classmethod
    def setUpClass(cls):
        command = [BINARY, "--http", "127.0.0.1:0", "--models", MODELS, *cls.arguments]
        cls.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        ready = cls.process.stderr.readline()
        found = re.match(r"lstmd ready http=(\S+)", ready)
        if found is None:
            cls.process.kill()
            cls.process.communicate()
            raise RuntimeError(f"the daemon did not get ready: {ready!r}")
        cls.address = found.group(1)
        cls.url = "http://" + cls.address

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.communicate(timeout=60)
        if cls.process.returncode != 0:
            raise RuntimeError(f"the daemon ended with {cls.process.returncode}")

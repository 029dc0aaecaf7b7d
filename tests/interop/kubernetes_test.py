"""The manifests against Kubernetes' own published schemas. (KServe's kinds are none of them.)"""

import glob
import os
import subprocess
import sys
import unittest

from daemon import TOP


class Manifests(unittest.TestCase):
    def test_the_api_server_s_schemas_take_them(self):
        files = glob.glob(os.path.join(TOP, "deploy", "kubernetes", "*.yaml"))
        files = [name for name in files if not name.endswith("kustomization.yaml")]
        self.assertGreater(len(files), 5)
        for name in files:
            command = [os.path.join(os.path.dirname(sys.executable), "kubernetes-validate"), "--strict", name]
            run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


if __name__ == "__main__":
    unittest.main()

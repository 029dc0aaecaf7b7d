"""Drives the daemon with the field's own clients: run_interop.py [NAME_test]...

Prints a line for each test, what failed, and at the end "N passed, N failed"."""

import logging
import os
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TextTestResult):
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    sys.path.insert(0, FOLDER)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # no word on what took 100 ms
    loader = unittest.TestLoader()
    names = sys.argv[1:]
    suite = loader.loadTestsFromNames(names) if names else loader.discover(FOLDER, "*_test.py")
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print(f"{result.passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())

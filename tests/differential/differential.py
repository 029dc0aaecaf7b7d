"""Random networks, as their frameworks compute them and as lstmd does: converts each, serves them
all, and compares what both answer.

    differential.py LSTM_CONVERT LSTMD [--seed N] [--count N] [--only torch|keras|onnx|cnn]...

Prints a line for each network that is refused or answered otherwise, and exits 1 when there is one.
The networks stay in build/differential/."""

import argparse
import importlib
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import numpy

FRAMEWORKS = ["torch", "keras", "onnx", "cnn"]
FOLDER = pathlib.Path("build/differential")
# Sums in another order, over some layers: of the largest number answered, and of 1.
TOLERANCE = 1e-5
DATATYPES = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}


class Daemon:
    def __init__(self, binary, models):
        self.process = subprocess.Popen([binary, "--models", models, "--http", "127.0.0.1:0",
                                         "--zmq", "none"], stderr=subprocess.PIPE, text=True)
        ready = self.process.stderr.readline()
        found = re.search(r"ready http=(\S+)", ready)
        if found is None:
            sys.exit(f"the daemon did not get ready: {ready}")
        self.url = f"http://{found[1]}"

    def infer(self, model, inputs):
        tensors = [{"name": name, "datatype": DATATYPES[str(array.dtype)],
                    "shape": list(array.shape), "data": array.ravel().tolist()}
                   for name, array in inputs.items()]
        request = urllib.request.Request(f"{self.url}/v2/models/{model}/infer",
                                         json.dumps({"inputs": tensors}).encode())
        with urllib.request.urlopen(request) as answer:
            outputs = json.load(answer)["outputs"]
        return {one["name"]: numpy.array(one["data"], numpy.float32).reshape(one["shape"])
                for one in outputs}

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def difference(found, wanted):
    """Relative to the largest number. What overflowed in the framework is not compared: activations
    without bounds grow from step to step, and ONNX Runtime's Softplus is infinite from 89 on."""
    finite = numpy.isfinite(wanted)
    found, wanted = found[finite], wanted[finite]
    return numpy.max(abs(found - wanted), initial=0) / max(1, numpy.max(abs(wanted), initial=0))


def fault_of(found, wanted):
    """What is wrong with the answer, or None."""
    for name, array in wanted.items():
        ours = found.get(name) if name is not None else next(iter(found.values()))
        if ours is None or ours.shape != array.shape:
            return f"{name}: {array.shape} wanted, got {ours if ours is None else ours.shape}"
        if not difference(ours, array) <= TOLERANCE:
            return f"{name}: differs by {difference(ours, array):.1e}"
    return None


def check(daemon, name, network):
    """The first fault of the network's runs, or None."""
    for run in network.runs:
        try:
            fault = fault_of(daemon.infer(name, run.inputs), run.outputs)
        except urllib.error.HTTPError as error:
            fault = f"{error.code} {error.read().decode()}"
        if fault is not None:
            return fault
    return None


def convert(converter, network, models):
    """Its name among the models, or None and the converter's words."""
    name = pathlib.Path(network.path).stem
    done = subprocess.run([converter, network.path, "--out", models, "--name", name],
                          capture_output=True, text=True)
    return (name, None) if done.returncode == 0 else (None, done.stderr.strip())


def compare(options, framework, seed):
    """How many networks were compared, and how many were not answered as they should be."""
    folder = FOLDER / framework
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "models").mkdir(parents=True)
    module = importlib.import_module(f"{framework}_networks")
    converted, bad = [], 0
    for network in module.networks(random.Random(seed), folder, options.count):
        name, refusal = convert(options.converter, network, folder / "models")
        if name is None:
            bad += 1
            print(f"{network.path}: {refusal}\n    {network.options}")
        else:
            converted.append((name, network))
    daemon = Daemon(options.lstmd, folder / "models")
    for name, network in converted:
        fault = check(daemon, name, network)
        if fault is not None:
            bad += 1
            print(f"{network.path}: {fault}\n    {network.options}")
    daemon.stop()
    return len(converted), bad


def main():
    parser = argparse.ArgumentParser(prog="make differential DIFFERENTIAL_ARGS=...")
    parser.add_argument("converter")
    parser.add_argument("lstmd")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--count", type=int, default=200, help="of each framework")
    parser.add_argument("--only", action="append", choices=FRAMEWORKS)
    options = parser.parse_args()
    failed = 0
    for framework in options.only or FRAMEWORKS:
        networks, bad = compare(options, framework, options.seed)
        print(f"{framework}: {networks} networks compared, {bad} not as they should be "
              f"(--seed {options.seed})")
        failed += bad
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()

"""A second opinion on seed-simple (torch.nn.LSTM(10, 7)), in float64, from the weights file."""

import json
import os

import numpy

from daemon import MODELS

NAME = "seed-simple"
INPUT_SIZE, HIDDEN_SIZE = 10, 7
TOLERANCE = 1e-6


def _read_safetensors(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32"
        tensors[name] = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


_weights = {
    name: tensor.astype(numpy.float64)
    for name, tensor in _read_safetensors(os.path.join(MODELS, NAME + ".safetensors")).items()
}


def _weight(name):
    (found,) = [tensor for key, tensor in _weights.items() if key.endswith(name)]
    return found


def _sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def lstm(x, h=None, c=None):
    """x [T,B,10] -> output [T,B,7], h_n [1,B,7], c_n [1,B,7]."""
    rows = x.shape[1]
    h = numpy.zeros((rows, HIDDEN_SIZE)) if h is None else h[0].astype(numpy.float64)
    c = numpy.zeros((rows, HIDDEN_SIZE)) if c is None else c[0].astype(numpy.float64)
    bias = _weight("bias_ih_l0") + _weight("bias_hh_l0")
    output = numpy.zeros((x.shape[0], rows, HIDDEN_SIZE))
    for t in range(x.shape[0]):
        gates = x[t] @ _weight("weight_ih_l0").T + h @ _weight("weight_hh_l0").T + bias
        i, f, g, o = numpy.split(gates, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * numpy.tanh(g)
        h = _sigmoid(o) * numpy.tanh(c)
        output[t] = h
    return output, h[None], c[None]


def random_input(steps, rows, seed=0):
    values = numpy.random.default_rng(seed).standard_normal((steps, rows, INPUT_SIZE))
    return values.astype(numpy.float32)

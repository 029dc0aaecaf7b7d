"""An LSTM of one layer from safetensors as an ONNX file, any number of steps and rows:

    onnx_file.py FILE.safetensors FILE.onnx

Inputs and outputs are lstmd's: input [T,B,I]; output [T,B,H], h_n and c_n [1,B,H]. The states begin
at 0.
"""

import json
import struct
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper


def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    return {name: numpy.frombuffer(data, numpy.float32, numpy.prod(entry["shape"], dtype=int),
                                   entry["data_offsets"][0]).reshape(entry["shape"])
            for name, entry in header.items()}


def gates_to_onnx(rows):
    """Gate rows i,f,g,o of PyTorch become i,o,f,c; with the direction in front."""
    i, f, g, o = numpy.split(rows, 4)
    return numpy.concatenate([i, o, f, g])[None]


def lstm_model(weights):
    hidden = weights["weight_hh_l0"].shape[1]
    bias = [gates_to_onnx(weights[f"bias_{part}_l0"]) for part in ("ih", "hh")]
    constants = {"W": gates_to_onnx(weights["weight_ih_l0"]),
                 "R": gates_to_onnx(weights["weight_hh_l0"]),
                 "B": numpy.concatenate(bias, axis=1),
                 "direction": numpy.array([1], dtype=numpy.int64)}
    nodes = [helper.make_node("LSTM", ["input", "W", "R", "B"], ["Y", "h_n", "c_n"],
                              hidden_size=hidden),
             helper.make_node("Squeeze", ["Y", "direction"], ["output"])]

    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        nodes, "lstm", [value("input", "T", "B", weights["weight_ih_l0"].shape[1])],
        [value("output", "T", "B", hidden), value("h_n", 1, "B", hidden),
         value("c_n", 1, "B", hidden)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    onnx.save(lstm_model(read_safetensors(sys.argv[1])), sys.argv[2])

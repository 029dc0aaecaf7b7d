"""The measured LSTM as an ONNX model.

    onnx_model.py T,B,I,H,L,D FILE.onnx

One LSTM operator a layer, with PyTorch's weights in ONNX' gate order i,o,f,c, and shapes fixed.
Each layer's states are inputs and outputs of their own, and a single direction's output keeps its
[T,1,B,H], so that the graph holds nothing beside the operators but what stands between two layers.
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

import bench_numbers as numbers

OPSET = 17


class Graph:
    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(numpy.ascontiguousarray(array), name))
        return name

    def node(self, operator, inputs, outputs, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, outputs, **attributes))
        return outputs


def gates_to_onnx(rows):
    """Gate rows i,f,g,o of PyTorch become i,o,f,c."""
    i, f, g, o = numpy.split(rows, 4)
    return numpy.concatenate([i, o, f, g])


def layer_weights(layer, layer_input, hidden, directions):
    """W [D,4H,in], R [D,4H,H], B [D,8H]."""
    scale = numpy.float32(1) / numpy.sqrt(numpy.float32(hidden))
    w, r, b = [], [], []
    for d in range(directions):
        stream = (layer * directions + d) * numbers.STREAM_CELL

        def rows(shape, offset):
            return gates_to_onnx(numbers.tensor(shape, stream + offset, scale))

        w.append(rows((4 * hidden, layer_input), numbers.STREAM_WEIGHT_IH))
        r.append(rows((4 * hidden, hidden), numbers.STREAM_WEIGHT_HH))
        b.append(numpy.concatenate([rows((4 * hidden,), numbers.STREAM_BIAS_IH),
                                    rows((4 * hidden,), numbers.STREAM_BIAS_HH)]))
    return numpy.stack(w), numpy.stack(r), numpy.stack(b)


def merge_directions(graph, y, shape):
    """ONNX' [T,D,B,H] as [T,B,D*H], by name."""
    steps, batch, _, hidden, _, directions = shape
    if directions == 1:
        axis = graph.constant(f"{y}_axis", numpy.array([1], dtype=numpy.int64))
        return graph.node("Squeeze", [y, axis], [f"{y}_merged"])[0]
    size = numpy.array([steps, batch, directions * hidden], dtype=numpy.int64)
    apart = graph.node("Transpose", [y], [f"{y}_tbdh"], perm=[0, 2, 1, 3])[0]
    return graph.node("Reshape", [apart, graph.constant(f"{y}_size", size)], [f"{y}_merged"])[0]


def add_layer(graph, x, width, layer, shape):
    """The name of the layer's [T,D,B,H]."""
    _, _, _, hidden, _, directions = shape
    arrays = layer_weights(layer, width, hidden, directions)
    weights = [graph.constant(f"{n}_{layer}", array) for n, array in zip("WRB", arrays)]
    return graph.node("LSTM", [x, *weights, "", f"h_0_{layer}", f"c_0_{layer}"],
                      [f"Y_{layer}", f"h_n_{layer}", f"c_n_{layer}"], hidden_size=hidden,
                      direction="bidirectional" if directions == 2 else "forward")[0]


def state_shapes(names, layers, shape):
    return {f"{name}_{layer}": shape for layer in range(layers) for name in names}


def input_shapes(shape):
    """The model's inputs in order: X, then each layer's h_0 and c_0."""
    steps, batch, input_size, hidden, layers, directions = shape
    return {"X": [steps, batch, input_size],
            **state_shapes(("h_0", "c_0"), layers, [directions, batch, hidden])}


def output_shapes(shape):
    """The model's outputs in order: the last layer's output, then each layer's h_n and c_n."""
    steps, batch, _, hidden, layers, directions = shape
    last = f"Y_{layers - 1}"
    output = {last: [steps, 1, batch, hidden]}
    if directions == 2:
        output = {f"{last}_merged": [steps, batch, 2 * hidden]}
    return {**output, **state_shapes(("h_n", "c_n"), layers, [directions, batch, hidden])}


def make_model(name, graph, inputs, outputs):
    def values(shapes):
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

    proto = helper.make_graph(graph.nodes, name, values(inputs), values(outputs),
                              graph.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def lstm_model(shape):
    _, _, width, hidden, layers, directions = shape
    graph, x = Graph(), "X"
    for layer in range(layers):
        y = add_layer(graph, x, width, layer, shape)
        if layer < layers - 1 or directions == 2:
            x = merge_directions(graph, y, shape)
        width = directions * hidden
    return make_model("lstm", graph, input_shapes(shape), output_shapes(shape))


def empty_model(shape):
    """As many inputs and outputs, of one float each, and nothing between: what a call costs."""
    graph = Graph()
    inputs, outputs = list(input_shapes(shape)), list(output_shapes(shape))
    for source, target in zip(inputs, outputs):
        graph.node("Identity", [source], [target])
    return make_model("empty", graph, dict.fromkeys(inputs, [1]), dict.fromkeys(outputs, [1]))


def main():
    shape = [int(size) for size in sys.argv[1].split(",")]
    onnx.save(lstm_model(shape), sys.argv[2])


if __name__ == "__main__":
    main()

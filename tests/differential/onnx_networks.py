"""ONNX' LSTM operator with its attributes and inputs, and the graphs exporters put around it.
ONNX Runtime answers."""

import numpy
import onnx
import onnxruntime
from network import Network, Run, often
from onnx import TensorProto, helper, numpy_helper

RUNS = 3
# With alpha and beta, where they have them.
ACTIVATIONS = [("Sigmoid",), ("Tanh",), ("Relu",), ("HardSigmoid", 0.2, 0.5),
               ("HardSigmoid", 0.3, 0.4), ("Softsign",), ("Softplus",), ("LeakyRelu", 0.05),
               ("Elu", 0.7), ("ThresholdedRelu", 0.3), ("ScaledTanh", 1.2, 0.6),
               ("Affine", 0.5, 0.1)]


class Graph:
    def __init__(self, random, noise):
        self.random, self.noise = random, noise
        self.nodes, self.constants = [], []
        self.input_size, self.hidden = random.choice([1, 3, 8]), random.choice([1, 2, 5, 8, 17])
        self.direction = random.choice(["forward", "forward", "reverse", "bidirectional"])
        self.directions = 2 if self.direction == "bidirectional" else 1
        self.states, self.lengths = often(random, 0.4), often(random, 0.3)
        self.form = random.choice(list(FORMS))
        self.told = {"form": self.form, "direction": self.direction, "states": self.states,
                     "lengths": self.lengths}

    def floats(self, *shape):
        return self.noise.standard_normal(shape).astype(numpy.float32)

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(numpy.asarray(array), name))
        return name

    def weights(self, name, *shape):
        return self.constant(name, self.floats(*shape) * numpy.float32(0.25))

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def attributes(self):
        random = self.random
        found = {"hidden_size": self.hidden, "direction": self.direction}
        if often(random, 0.3):
            chosen = [random.choice(ACTIVATIONS) for _ in range(3 * self.directions)]
            found["activations"] = [one[0] for one in chosen]
            for place, key in ((1, "activation_alpha"), (2, "activation_beta")):
                values = [one[place] for one in chosen if len(one) > place]
                if values:
                    found[key] = values
        if often(random, 0.25):
            found["clip"] = 0.8
        return found

    def lstm(self, name, x, input_size, first=False):
        """Y, Y_h, Y_c."""
        directions, hidden = self.directions, self.hidden
        attributes = self.attributes()
        bias, peepholes = often(self.random, 0.8), often(self.random, 0.2)
        inputs = [
            x,
            self.weights(f"{name}.W", directions, 4 * hidden, input_size),
            self.weights(f"{name}.R", directions, 4 * hidden, hidden),
            self.weights(f"{name}.B", directions, 8 * hidden) if bias else "",
            "lengths" if self.lengths else "",
            "h_0" if first and self.states else "",
            "c_0" if first and self.states else "",
            self.weights(f"{name}.P", directions, 3 * hidden) if peepholes else "",
        ]
        while not inputs[-1]:
            inputs.pop()
        outputs = [f"{name}.Y", f"{name}.Y_h", f"{name}.Y_c"]
        self.nodes.append(helper.make_node("LSTM", inputs, outputs, name=name, **attributes))
        self.told[name] = {**attributes, "bias": bias, "peepholes": peepholes}
        return outputs

    def merge(self, y):
        """[T,D,B,H] to [T,B,D*H]."""
        if self.directions == 1:
            return self.node("Squeeze", [y, self.constant(f"{y}.axis", [1])], f"{y}.merged")
        self.node("Transpose", [y], f"{y}.turned", perm=[0, 2, 1, 3])
        shape = self.constant(f"{y}.shape", [0, 0, -1])
        return self.node("Reshape", [f"{y}.turned", shape], f"{y}.merged")

    def merge_final(self, h):
        """[D,B,H] to [B,D*H]."""
        if self.directions == 1:
            return self.node("Squeeze", [h, self.constant(f"{h}.axis", [0])], f"{h}.merged")
        self.node("Transpose", [h], f"{h}.turned", perm=[1, 0, 2])
        shape = self.constant(f"{h}.shape", [0, -1])
        return self.node("Reshape", [f"{h}.turned", shape], f"{h}.merged")


def bare(graph):
    outputs = graph.lstm("lstm", "x", graph.input_size, True)
    return [name for name in outputs if often(graph.random, 0.7)] or outputs[:1]


def merged(graph):
    y, h, c = graph.lstm("lstm", "x", graph.input_size, True)
    return [graph.merge(y)] + ([h, c] if often(graph.random, 0.5) else [])


def batch_first(graph):
    turned = graph.node("Transpose", ["x"], "x.turned", perm=[1, 0, 2])
    y, _, _ = graph.lstm("lstm", turned, graph.input_size, True)
    return [graph.node("Transpose", [graph.merge(y)], "output", perm=[1, 0, 2])]


def with_head(graph):
    y, _, _ = graph.lstm("lstm", "x", graph.input_size, True)
    units = graph.random.choice([1, 4])
    product = graph.node("MatMul", [graph.merge(y), graph.weights(
        "head.W", graph.directions * graph.hidden, units)], "product")
    total = graph.node("Add", [product, graph.weights("head.B", units)], "sum")
    kind = graph.random.choice(["Sigmoid", "Relu", "Tanh", "Softmax", "LogSoftmax"])
    graph.told["head"] = kind
    return [graph.node(kind, [total], "output", **({"axis": -1} if "oft" in kind else {}))]


def stacked(graph):
    y, _, _ = graph.lstm("lstm", "x", graph.input_size, True)
    y, _, _ = graph.lstm("second", graph.merge(y), graph.directions * graph.hidden)
    return [graph.merge(y)]


def classifier(graph):
    _, h, _ = graph.lstm("lstm", "x", graph.input_size, True)
    weights = graph.weights("head.W", 3, graph.directions * graph.hidden)
    return [graph.node("Gemm", [graph.merge_final(h), weights, graph.weights("head.B", 3)],
                       "output", transB=1)]


FORMS = {"bare": bare, "merged": merged, "batch_first": batch_first, "with_head": with_head,
         "stacked": stacked, "classifier": classifier}


def inputs_of(graph):
    shape = ["N", "T"] if graph.form == "batch_first" else ["T", "N"]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [*shape, graph.input_size])]
    if graph.states:
        shape = [graph.directions, "N", graph.hidden]
        inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                   for name in ("h_0", "c_0")]
    if graph.lengths:
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["N"]))
    return inputs


def random_input(graph):
    steps, rows = graph.random.choice([1, 2, 7]), graph.random.choice([1, 2, 4])
    shape = (rows, steps) if graph.form == "batch_first" else (steps, rows)
    inputs = {"x": graph.floats(*shape, graph.input_size)}
    if graph.states:
        for name in ("h_0", "c_0"):
            inputs[name] = graph.floats(graph.directions, rows, graph.hidden)
    if graph.lengths:
        inputs["lengths"] = graph.noise.integers(1, steps + 1, rows).astype(numpy.int32)
    return inputs


def answer(graph, session, names, inputs):
    outputs = dict(zip(names, session.run(None, inputs)))
    if graph.form == "with_head" and graph.lengths: # the converter notes that it is 0 there
        steps = numpy.arange(len(inputs["x"]))[:, None]
        outputs["output"] = numpy.where((steps < inputs["lengths"])[:, :, None],
                                        outputs["output"], numpy.float32(0))
    return outputs


def networks(random, folder, count):
    noise = numpy.random.default_rng(random.getrandbits(32))
    for i in range(count):
        graph = Graph(random, noise)
        names = FORMS[graph.form](graph)
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        model = helper.make_model(
            helper.make_graph(graph.nodes, "g", inputs_of(graph), outputs, graph.constants),
            opset_imports=[helper.make_opsetid("", random.choice([14, 17, 21]))], ir_version=9)
        path = f"{folder}/onnx-{i}.onnx"
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        inputs = [random_input(graph) for _ in range(RUNS)]
        yield Network(path, str(graph.told),
                      [Run(one, answer(graph, session, names, one)) for one in inputs])

"""ONNX graphs as exporters write them, and the operator LSTM with all it can have, with ONNX
Runtime's own answers.

onnx_files.py GOLDEN_FOLDER writes GOLDEN_FOLDER/onnx_files/CASE/: model.onnx, `arguments`
(lstm-convert's own, one a line) and io.safetensors, the graph's inputs and outputs by name. Weights
are random. Cases of onnx_files/refused/ hold one file each and `because`, a part of the text that
must be said.

ONNX Runtime does not compute the operator's layout 1: those answers are of layout 0, turned.
"""
import os
import pathlib
import shutil
import sys
import tempfile
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
warnings.filterwarnings("ignore")

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
import tensorflow
import tf2onnx
import tf_keras
import torch
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(sys.argv[1]) / "onnx_files"
ROWS, STEPS, FEATURES, UNITS = 3, 7, 4, 5
random = np.random.default_rng(11)
torch.manual_seed(11)


def uniform(*shape):
    return random.uniform(-1, 1, shape).astype(np.float32)


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, inputs)))


def write(name, model, inputs, outputs=None, arguments=()):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    if arguments:
        (folder / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    outputs = run(model, inputs) if outputs is None else outputs
    # What only chooses a branch is no tensor of the converted model.
    tensors = {k: np.ascontiguousarray(v) for k, v in (inputs | outputs).items() if k != "rate"}
    safetensors.numpy.save_file(tensors, folder / "io.safetensors")


def refuse(name, content, because, arguments=()):
    folder = FOLDER / "refused" / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(
        content if isinstance(content, bytes) else content.SerializeToString())
    if arguments:
        (folder / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    (folder / "because").write_text(because + "\n")


# ---- graphs of this script's own making ----

def graph(nodes, inputs, outputs, constants, opset=14, name="graph"):
    """inputs, outputs: {name: shape}, or (type, shape); constants: {name: array}."""
    def info(items):
        return [helper.make_tensor_value_info(
            k, *(v if isinstance(v, tuple) else (TensorProto.FLOAT, v))) for k, v in items.items()]
    g = helper.make_graph(nodes, name, info(inputs), info(outputs),
                          [numpy_helper.from_array(v, k) for k, v in constants.items()])
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def weights(directions=1, units=UNITS, features=FEATURES, bias=True, peephole=False, prefix=""):
    made = {"W": uniform(directions, 4 * units, features), "R": uniform(directions, 4 * units, units)}
    if bias:
        made["B"] = uniform(directions, 8 * units)
    if peephole:
        made["P"] = uniform(directions, 3 * units)
    return {prefix + k: v for k, v in made.items()}


def lstm(inputs, outputs, **attributes):
    return helper.make_node("LSTM", inputs, outputs, name="lstm", **attributes)


X = {"X": ["T", "B", FEATURES]}


def sequence(rows=ROWS, steps=STEPS, features=FEATURES, batch_first=False):
    return uniform(rows, steps, features) if batch_first else uniform(steps, rows, features)


def operator(name, directions=1, outputs=("Y", "Y_h", "Y_c"), **attributes):
    model = graph([lstm(["X", "W", "R", "B"], list(outputs), hidden_size=UNITS, **attributes)], X,
                  {o: None for o in outputs if o}, weights(directions))
    write(name, model, {"X": sequence()})


def operators():
    operator("only_states", outputs=("", "Y_h", "Y_c"))
    operator("only_c", outputs=("", "", "Y_c"))
    operator("only_y", directions=2, outputs=("Y",), direction="bidirectional")
    # Parameters are taken off the lists by the functions that have them, in order.
    operator("activation_parameters", activations=["HardSigmoid", "LeakyRelu", "ThresholdedRelu"],
             activation_alpha=[0.3, 0.1, 0.5], activation_beta=[0.4])
    operator("activations_of_both", directions=2, direction="bidirectional",
             activations=["Sigmoid", "Elu", "Softsign", "HardSigmoid", "Tanh", "Affine"],
             activation_alpha=[0.7, 0.25, 0.9], activation_beta=[0.45, 0.1])
    operator("activation_defaults", activations=["HardSigmoid", "Elu", "Softplus"])
    operator("scaled_tanh", activations=["Sigmoid", "ScaledTanh", "relu"], activation_alpha=[0.8],
             activation_beta=[1.2])
    operator("reverse_states", direction="reverse", clip=0.8)
    operator("forget_both", directions=2, direction="bidirectional", input_forget=1)
    everything()
    first_layout()
    stacks()
    refuse("activation_unknown", graph(
        [lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS, activations=["Sigmoid", "Sine", "Tanh"])], X,
        {"Y": None}, weights()), "LSTM 'lstm': activations: number 1, 'Sine'")
    refuse("attribute_unknown", graph(
        [lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS, output_sequence=1)], X, {"Y": None},
        weights(), opset=1), "LSTM 'lstm': attribute 'output_sequence' is unknown")
    refuse("another_hidden_size", graph(
        [lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS + 1)], X, {"Y": None}, weights()),
        "hidden_size: 5 expected from R, got 6")
    refuse("weights_of_a_request", graph(
        [lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS)],
        X | {"W": [1, 4 * UNITS, FEATURES]}, {"Y": None},
        {k: v for k, v in weights().items() if k != "W"}), "W: numbers that are known")
    refuse("states_of_another_size", graph(
        [lstm(["X", "W", "R", "", "", "h", "c"], ["Y"], hidden_size=UNITS)], {"X": ["T", 1, FEATURES]},
        {"Y": None}, weights() | {"h": np.zeros([1, 1, UNITS], np.float32),
                                  "c": np.zeros([1, 1, UNITS + 1], np.float32)}),
        "initial_c: zeros or an input of the graph expected, got other known numbers, [1,1,6]")
    refuse("gru", graph(
        [helper.make_node("GRU", ["X", "W", "R"], ["Y"], name="gru", hidden_size=UNITS)], X,
        {"Y": None}, {"W": uniform(1, 3 * UNITS, FEATURES), "R": uniform(1, 3 * UNITS, UNITS)}),
        "GRU 'gru': an operator that lstmd has no layer for")
    refuse("trained_states", graph(
        [lstm(["X", "W", "R", "", "", "h", "c"], ["Y"], hidden_size=UNITS)], {"X": ["T", 1, FEATURES]},
        {"Y": None}, weights() | {"h": uniform(1, 1, UNITS), "c": uniform(1, 1, UNITS)}),
        "initial_h: zeros or an input of the graph expected")
    bad_clips()


def bad_clips():
    """ONNX Runtime takes none but the last; the reference implementation does not look at clip at all."""
    ones = {"W": np.ones([1, 4 * UNITS, FEATURES], np.float32),
            "R": np.ones([1, 4 * UNITS, UNITS], np.float32)}
    for name, clip in (("bug_433_clip_zero", 0.0), ("bug_433_clip_nan", np.nan),
                       ("clip_infinite", np.inf)):
        model = graph([lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS, clip=clip)], X, {"Y": None}, ones)
        refuse(name, model, f"LSTM 'lstm': clip: a finite number above 0 (or no clip) expected, got {clip:g}")


def lengths():
    """Steps past a row's length: zeros to the graph's other operators, none to lstmd."""
    rows = X | {"lens": (TensorProto.INT32, ["B"])}
    y = [lstm(["X", "W", "R", "B", "lens"], ["Y4"], hidden_size=UNITS),
         helper.make_node("Squeeze", ["Y4", "one"], ["Y3"])]
    made = weights() | {"one": np.array([1])}
    for op, name in (("ReduceMean", "mean"), ("ReduceMax", "max")):
        pool = helper.make_node(op, ["Y3"], ["Y"], name="pool", axes=[0], keepdims=0)
        refuse(f"bug_440_{name}_past_lengths", graph(y + [pool], rows, {"Y": None}, made, opset=13),
               f"{op} 'pool': over all steps, those past a row's length among them")
    fixed = {"X": [STEPS, "B", FEATURES], "lens": rows["lens"]}
    made |= {"K": uniform(UNITS, 2), "k": uniform(2), "flat": np.array([0, -1])}
    flatten = [helper.make_node("Transpose", ["Z"], ["BTF"], perm=[1, 0, 2]),
               helper.make_node("Reshape", ["BTF", "flat"], ["F"], name="flatten"),
               helper.make_node("Relu", ["F"], ["Y"], name="relu")]
    dense = [helper.make_node("MatMul", ["Y3", "K"], ["D"]),
             helper.make_node("Add", ["D", "k"], ["Z"])]
    refuse("bug_441_flatten_past_lengths", graph(y + dense + flatten, fixed, {"Y": None}, made),
           "Relu 'relu': it flattens the steps past a row's length")
    # Right behind the LSTM they are zeros here too.
    y[1] = helper.make_node("Squeeze", ["Y4", "one"], ["Z"])
    write("bug_441_flatten_of_lengths", graph(y + flatten, fixed, {"Y": None}, made),
          {"X": sequence(), "lens": np.array([7, 2, 5], np.int32)})
    # Two notes; of rows of full length both give the same.
    given = rows | {"h0": [1, "B", UNITS], "c0": [1, "B", UNITS]}
    nodes = [lstm(["X", "W", "R", "B", "lens", "h0", "c0"], ["Y4", "Y_h", "Y_c"], hidden_size=UNITS),
             helper.make_node("Squeeze", ["Y4", "one"], ["Y3"])] + dense
    write("bug_442_lengths_and_states", graph(nodes, given, {"Z": None, "Y_h": None, "Y_c": None}, made),
          {"X": sequence(), "lens": np.array([7, 7, 7], np.int32), "h0": uniform(1, ROWS, UNITS),
           "c0": uniform(1, ROWS, UNITS)})


def everything():
    model = graph(
        [lstm(["X", "W", "R", "B", "lens", "h0", "c0", "P"], ["Y", "Y_h", "Y_c"], hidden_size=UNITS,
              direction="bidirectional", clip=0.9)],
        X | {"lens": (TensorProto.INT32, ["B"]), "h0": [2, "B", UNITS], "c0": [2, "B", UNITS]},
        {"Y": None, "Y_h": None, "Y_c": None}, weights(2, peephole=True))
    write("everything", model, {"X": sequence(), "lens": np.array([7, 2, 5], np.int32),
                                "h0": uniform(2, ROWS, UNITS), "c0": uniform(2, ROWS, UNITS)})


def first_layout():
    """layout 1: rows first, everywhere."""
    made = weights(2)

    def model(layout):
        rows = ["B", "T", FEATURES] if layout else ["T", "B", FEATURES]
        state = ["B", 2, UNITS] if layout else [2, "B", UNITS]
        return graph([lstm(["X", "W", "R", "B", "", "h0", "c0"], ["Y", "Y_h", "Y_c"],
                           hidden_size=UNITS, direction="bidirectional", layout=layout)],
                     {"X": rows, "h0": state, "c0": state}, {"Y": None, "Y_h": None, "Y_c": None},
                     made)
    inputs = {"X": sequence(), "h0": uniform(2, ROWS, UNITS), "c0": uniform(2, ROWS, UNITS)}
    plain = run(model(0), inputs)
    outputs = {"Y": plain["Y"].transpose(2, 0, 1, 3), "Y_h": plain["Y_h"].transpose(1, 0, 2),
               "Y_c": plain["Y_c"].transpose(1, 0, 2)}
    write("layout_1", model(1), {k: v.transpose(1, 0, 2) for k, v in inputs.items()}, outputs)


def stacks():
    """Two LSTMs with states of their own: of one size, and of two."""
    for name, units in (("stack_of_states", UNITS), ("stack_of_sizes", 3)):
        made = weights(prefix="a_") | weights(units=units, features=UNITS, prefix="b_")
        nodes = [helper.make_node("LSTM", ["X", "a_W", "a_R", "a_B", "", "h_a", "c_a"],
                                  ["Y_a", "", "c_a_n"], name="a", hidden_size=UNITS),
                 helper.make_node("Squeeze", ["Y_a", "one"], ["x_b"]),
                 helper.make_node("LSTM", ["x_b", "b_W", "b_R", "b_B", "", "h_b"],
                                  ["Y", "h_b_n"], name="b", hidden_size=units)]
        model = graph(nodes, X | {"h_a": [1, "B", UNITS], "c_a": [1, "B", UNITS],
                                  "h_b": [1, "B", units]},
                      {"c_a_n": None, "Y": None, "h_b_n": None}, made | {"one": np.array([1])})
        write(name, model, {"X": sequence(), "h_a": uniform(1, ROWS, UNITS),
                            "c_a": uniform(1, ROWS, UNITS), "h_b": uniform(1, ROWS, units)})


def branches():
    """One network for each sampling rate, as Silero VAD has it; the rate comes with a request."""
    def branch(name):
        nodes = [helper.make_node("LSTM", ["X", f"{name}_W", f"{name}_R"], [f"{name}_Y"], name=name,
                                  hidden_size=UNITS),
                 helper.make_node("Squeeze", [f"{name}_Y", "one"], [f"{name}_out"])]
        return helper.make_graph(
            nodes, name, [], [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(v, k) for k, v in weights(bias=False, prefix=f"{name}_").items()])
    nodes = [helper.make_node("Equal", ["rate", "sixteen"], ["is_16k"]),
             helper.make_node("If", ["is_16k"], ["Y"], name="by_rate", then_branch=branch("wide"),
                              else_branch=branch("narrow"))]
    model = graph(nodes, X | {"rate": (TensorProto.INT64, [])}, {"Y": ["T", "B", UNITS]},
                  {"one": np.array([1]), "sixteen": np.array(16000)})
    for name, rate in (("wide", 16000), ("narrow", 8000)):
        write(f"branch_{name}", model, {"X": sequence(), "rate": np.array(rate)},
              arguments=["--subgraph", name])
    refuse("branch_not_chosen", model, "If 'by_rate': which branch is taken is known only with a "
                                       "request: choose 'wide' or 'narrow' with --subgraph")
    refuse("branch_unknown", model, "choose 'wide' or 'narrow'", ["--subgraph", "other"])
    refuse("subgraph_without_branches", onnx.load(FOLDER / "only_y/model.onnx"),
           "--subgraph: there is no choice", ["--subgraph", "other"])


def shapes_that_differ():
    """What is right for some sizes of a request only."""
    made = weights() | {"one": np.array([1]), "first": np.array([0]), "long": np.array([100]),
                        "short": np.array([5])}
    y = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
         helper.make_node("Squeeze", ["Y4", "one"], ["Y3"])]
    cut = y + [helper.make_node("Slice", ["Y3", "first", "long", "first"], ["Y"], name="cut")]
    refuse("cut_at_100_steps", graph(cut, X, {"Y": None}, made),
           "output 'Y': Slice 'cut': 100 along axis 0, which may have any size")
    cut[-1] = helper.make_node("Slice", ["Y3", "first", "short", "first"], ["Y"], name="cut")
    refuse("cut_at_5_steps", graph(cut, X, {"Y": None}, made),
           "output 'Y': [T,B,F] or [B,T,F] of all steps")
    pick = y + [helper.make_node("Constant", [], ["four"], value_int=4),
                helper.make_node("Gather", ["Y3", "four"], ["Y"], axis=0)]
    refuse("step_number_4", graph(pick, X, {"Y": None}, made),
           "for 7 steps of 2 rows: output 'Y': ")
    one = helper.make_graph([helper.make_node("Identity", ["Y4"], ["a"])], "yes", [],
                            [helper.make_tensor_value_info("a", TensorProto.FLOAT, None)])
    other = helper.make_graph([helper.make_node("Neg", ["Y4"], ["b"])], "no", [],
                              [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])
    choice = y + [helper.make_node("Shape", ["X"], ["shape"]),
                  helper.make_node("Gather", ["shape", "first"], ["t"]),
                  helper.make_node("Less", ["t", "long"], ["few"]),
                  helper.make_node("If", ["few"], ["Y"], name="few_steps", then_branch=one,
                                   else_branch=other)]
    refuse("other_for_many_steps", graph(choice, X, {"Y": None}, made), "If 'few_steps': which branch")


def not_chains():
    made = weights() | {"one": np.array([1])}
    y = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
         helper.make_node("Squeeze", ["Y4", "one"], ["Y3"])]
    refuse("residual", graph(
        y + [helper.make_node("Relu", ["Y3"], ["relu"]),
             helper.make_node("Add", ["relu", "Y3"], ["Y"], name="join")], X, {"Y": None}, made),
        "output 'Y': Add 'join': joins two branches")
    refuse("two_outputs", graph(
        y + [helper.make_node("Relu", ["Y3"], ["relu"])], X, {"Y3": None, "relu": None}, made),
        "output 'relu': one output that is not an LSTM's states expected, got 'Y3' before")
    refuse("unknown_operator", graph(
        y + [helper.make_node("Sin", ["Y3"], ["Y"], name="sine")], X, {"Y": None}, made),
        "output 'Y': Sin 'sine': an operator that lstmd has no layer for")
    refuse("other_domain", helper.make_model(helper.make_graph(
        [helper.make_node("LSTM", ["X"], ["Y"], name="other", domain="com.example")], "g",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, X["X"])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)]),
        opset_imports=[helper.make_opsetid("", 14), helper.make_opsetid("com.example", 1)],
        ir_version=8), "LSTM 'other': an operator that lstmd has no layer for")
    refuse("double", graph([lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS)],
                           {"X": (TensorProto.DOUBLE, X["X"])}, {"Y": (TensorProto.DOUBLE, None)},
                           {k: v.astype(np.float64) for k, v in weights().items()}),
           "an input of floats")
    refuse("no_lstm", graph([helper.make_node("Relu", ["X"], ["Y"])], X, {"Y": None}, {}),
           "no LSTM leads to the output")


def files():
    """Files that are not what they should be."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.onnx"
        model = graph([lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS)], X, {"Y": None}, weights())
        onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0,
                  convert_attribute=False)
        refuse("external_data", path.read_bytes(), "tensor 'W': its numbers are in another file")
    model = graph([lstm(["X", "W", "R"], ["Y"], hidden_size=UNITS)], X, {"Y": None}, weights())
    content = model.SerializeToString()
    refuse("cut", content[:len(content) // 2], "broken at byte")
    tensor = model.graph.initializer[0]
    tensor.float_data.extend([1.0])
    refuse("numbers_twice", model, "tensor 'W': its numbers are there twice")
    tensor.ClearField("float_data")
    tensor.dims[0] = -1
    refuse("negative_dimension", model, "tensor 'W': a dimension of -1")
    tensor.dims[0] = 1 << 40
    refuse("huge_dimension", model, "tensor 'W': a dimension of 1099511627776")
    tensor.dims[0] = 2
    refuse("too_few_numbers", model, "tensor 'W': as many numbers as its dimensions say expected")


def element_types():
    """Weights of other types, cast where the graph runs."""
    made = weights()
    for name, kind in (("float16", np.float16), ("float64", np.float64)):
        nodes = [helper.make_node("Cast", [f"{k}_"], [k], to=TensorProto.FLOAT) for k in made]
        nodes.append(lstm(["X", "W", "R", "B"], ["Y"], hidden_size=UNITS))
        model = graph(nodes, X, {"Y": None}, {f"{k}_": v.astype(kind) for k, v in made.items()})
        write(f"weights_{name}", model, {"X": sequence()})


# ---- PyTorch, by both of its exporters ----

class Network(torch.nn.Module):
    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = forward

    def forward(self, *inputs):
        return self.run(self, *inputs)


def statistics(norm):
    norm.running_mean.uniform_(-0.5, 0.5)
    norm.running_var.uniform_(0.5, 1.5)
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    return norm


def torch_networks():
    nn = torch.nn

    def last(m, x):
        return torch.log_softmax(m.fc(torch.relu(m.lstm(x)[0][:, -1])), -1)

    def tagger(m, x):
        return torch.sigmoid(m.fc(m.norm(m.drop(m.lstm(x)[0]))))

    def final(m, x):
        h = m.lstm(x)[1][0]
        return m.fc(torch.cat((h[-2], h[-1]), 1))

    def words(m, x):
        y = m.lstm(m.embedding(x))[0]
        return m.out(torch.nn.functional.leaky_relu(m.fc(y.mean(1)), 0.2))

    yield ("last", Network(last, lstm=nn.LSTM(FEATURES, UNITS, 2, batch_first=True),
                           fc=nn.Linear(UNITS, 2)), [sequence(batch_first=True)], ["x"], ["y"], True)
    yield ("normed", Network(lambda m, x: m.fc(m.norm(m.lstm(x)[0][:, -1])),
                             lstm=nn.LSTM(FEATURES, UNITS, batch_first=True),
                             norm=statistics(nn.BatchNorm1d(UNITS)), fc=nn.Linear(UNITS, 2)),
           [sequence(batch_first=True)], ["x"], ["y"], True)
    yield ("tagger", Network(tagger, lstm=nn.LSTM(FEATURES, UNITS, 2, bidirectional=True),
                             drop=nn.Dropout(0.4), norm=nn.LayerNorm(2 * UNITS),
                             fc=nn.Linear(2 * UNITS, 3)), [sequence()], ["x"], ["y"], False)
    yield ("final", Network(final, lstm=nn.LSTM(FEATURES, UNITS, bidirectional=True),
                            fc=nn.Linear(2 * UNITS, 2)), [sequence()], ["x"], ["y"], False)
    yield ("words", Network(words, embedding=nn.Embedding(11, FEATURES),
                            lstm=nn.LSTM(FEATURES, UNITS, batch_first=True), fc=nn.Linear(UNITS, 6),
                            out=nn.Linear(6, 2, bias=False)),
           [random.integers(0, 11, (ROWS, STEPS))], ["x"], ["y"], True)
    yield ("states", Network(lambda m, x, h, c: (lambda y, s: (y, *s))(*m.lstm(x, (h, c))),
                             lstm=nn.LSTM(FEATURES, UNITS, 2, bidirectional=True)),
           [sequence(), uniform(4, ROWS, UNITS), uniform(4, ROWS, UNITS)], ["x", "h", "c"],
           ["y", "h_n", "c_n"], False)
    yield ("seed", Network(lambda m, x: (lambda y, s: (y, *s))(*m.lstm(x)), lstm=nn.LSTM(10, 7)),
           [sequence(2, 17, 10)], ["x"], ["y", "h_n", "c_n"], False)


def export(network, inputs, names, outputs, batch_first, fixed=False, first=None, **how):
    """first: the dimensions of the first input that are open."""
    tensors = tuple(torch.from_numpy(x) for x in inputs)
    axes = {name: {1: "B"} for name in names}
    axes[names[0]] = first or ({0: "B", 1: "T"} if batch_first else {0: "T", 1: "B"})
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/model.onnx"
        shapes = {}
        if not fixed and how.get("dynamo"):
            dims = {"B": torch.export.Dim("B"), "T": torch.export.Dim("T")}
            shapes["dynamic_shapes"] = (tuple({a: dims[d] for a, d in axes[n].items()} for n in names),)
            how["external_data"] = False
        elif not fixed:
            shapes["dynamic_axes"] = axes
        torch.onnx.export(network.eval(), tensors, path, input_names=names, output_names=outputs,
                          verbose=False, **how, **shapes)
        return onnx.load(path)


def torch_files():
    for name, network, inputs, names, outputs, batch_first in torch_networks():
        feed = dict(zip(names, inputs))
        exporters = {"script9": dict(dynamo=False, opset_version=9),
                     "script13": dict(dynamo=False, opset_version=13),
                     "script17": dict(dynamo=False, opset_version=17), "dynamo": dict(dynamo=True)}
        for exporter, how in exporters.items():
            model = export(network, inputs, names, outputs, batch_first, **how)
            write(f"torch_{exporter}_{name}", model, feed)
        if name in ("last", "states"):
            for exporter in ("script17", "dynamo"):
                model = export(network, inputs, names, outputs, batch_first, True,
                               **exporters[exporter])
                write(f"torch_{exporter}_{name}_fixed", model, feed)
    packed()
    flat()


def packed():
    """pack_padded_sequence: the lengths are the operator's sequence_lens."""
    def run_packed(m, x, lengths):
        y, (h, c) = m.lstm(torch.nn.utils.rnn.pack_padded_sequence(x, lengths))
        return torch.nn.utils.rnn.pad_packed_sequence(y)[0], h, c
    network = Network(run_packed, lstm=torch.nn.LSTM(FEATURES, UNITS, bidirectional=True))
    inputs, names = [sequence(), np.array([7, 5, 2])], ["x", "lengths"]
    with tempfile.TemporaryDirectory() as folder:
        torch.onnx.export(network.eval(), tuple(map(torch.from_numpy, inputs)), f"{folder}/m.onnx",
                          input_names=names, output_names=["y", "h_n", "c_n"], dynamo=False,
                          opset_version=17, dynamic_axes={"x": {0: "T", 1: "B"}, "lengths": {0: "B"}})
        write("torch_script17_packed", onnx.load(f"{folder}/m.onnx"), dict(zip(names, inputs)))


def flat():
    """All steps at once: the graph is of so many."""
    network = Network(lambda m, x: m.fc(m.lstm(x)[0].flatten(1)),
                      lstm=torch.nn.LSTM(FEATURES, UNITS, batch_first=True),
                      fc=torch.nn.Linear(STEPS * UNITS, 2))
    x = sequence(batch_first=True)
    for exporter, dynamo in (("script17", False), ("dynamo", True)):
        how = dict(dynamo=dynamo) if dynamo else dict(dynamo=dynamo, opset_version=17)
        write(f"torch_{exporter}_flat", export(network, [x], ["x"], ["y"], True, True, **how),
              {"x": x})


# ---- Keras, by tf2onnx ----

def keras_networks(k):
    layers = k.layers
    yield ("tagger", k.Sequential([
        layers.Input((None, FEATURES)), layers.LSTM(UNITS, return_sequences=True),
        layers.LSTM(3, return_sequences=True), layers.Dense(2, activation="softmax")]), sequence)
    yield ("bidirectional", k.Sequential([
        layers.Input((STEPS, FEATURES)),
        layers.Bidirectional(layers.LSTM(UNITS, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(3)), layers.Dense(1, activation="sigmoid")]), sequence)
    yield ("words", k.Sequential([
        layers.Input((None,)), layers.Embedding(11, FEATURES), layers.LSTM(UNITS, activation="relu"),
        layers.Dense(4, activation="elu"), layers.Dense(2)]), None)


def keras_files():
    for name, model, make in keras_networks(tf_keras):
        model(np.zeros((1, STEPS, FEATURES) if make else (1, STEPS), np.float32))
        for weight in model.weights:
            weight.assign(random.uniform(-0.6, 0.6, weight.shape))
        x = (make(batch_first=True) if make
             else random.integers(0, 11, (ROWS, STEPS)).astype(np.float32))
        for opset in (11, 17):
            converted, _ = tf2onnx.convert.from_keras(
                model, [tensorflow.TensorSpec(model.inputs[0].shape, tensorflow.float32, name="x")],
                opset=opset)
            write(f"tf2onnx_{opset}_{name}", converted, {"x": x})


# ---- arithmetic on what is known ----

def truths():
    """0.5, infinity and NaN are true: the branch that is taken says what a float is cast to."""
    def branch(name, op):
        return helper.make_graph([helper.make_node(op, ["Y3"], [name])], name, [],
                                 [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])
    nodes = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
             helper.make_node("Squeeze", ["Y4", "one"], ["Y3"]),
             helper.make_node("Cast", ["number"], ["truth"], to=TensorProto.BOOL),
             helper.make_node("If", ["truth"], ["Y"], name="by_truth", then_branch=branch("yes", "Tanh"),
                              else_branch=branch("no", "Sigmoid"))]
    made = weights() | {"one": np.array([1])}
    for name, number in (("half", 0.5), ("infinity", np.inf), ("nan", np.nan), ("zero", -0.0)):
        write(f"bug_443_{name}_as_a_bool", graph(
            nodes, X, {"Y": None}, made | {"number": np.array(number, np.float32)}), {"X": sequence()})


def reductions():
    """What a Reshape goes to is computed from a shape: without axes that may be nothing at all."""
    made = weights() | {"one": np.array([1]), "sizes": np.array([-1, 1, UNITS]), "axis": np.array([0]),
                        "far": np.array([1]), "twice": np.array([0, -1]),
                        "any": np.array([-1, 1]), "ends": np.array([1, UNITS])}
    nodes = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
             helper.make_node("Squeeze", ["Y4", "one"], ["Y3"]),
             helper.make_node("Reshape", ["Y3", "to"], ["Y"], name="reshape")]

    def model(op, inputs, opset=18, output="to", **attributes):
        reduce = [helper.make_node(op, inputs, [output], name="reduce", **attributes)]
        if output != "to":
            reduce.append(helper.make_node("Concat", ["any", output], ["to"], axis=0))
        return graph(nodes[:2] + reduce + nodes[2:], {"X": [STEPS, 1, FEATURES]}, {"Y": None}, made,
                     opset=opset)
    feed = {"X": sequence(rows=1)}
    write("bug_444_noop_without_axes", model("ReduceSum", ["sizes"], noop_with_empty_axes=1), feed)
    write("bug_444_noop_of_the_axis",
          model("ReduceProd", ["ends", "axis"], output="units", noop_with_empty_axes=1), feed)
    refuse("bug_444_axis_of_none", model("ReduceSum", ["sizes", "far"]),
           "ReduceSum 'reduce': axis 1 of a value of 1 dimensions")
    refuse("bug_444_axis_of_none_before_18", model("ReduceMax", ["sizes"], opset=13, axes=[-2]),
           "ReduceMax 'reduce': axis -2 of a value of 1 dimensions")
    refuse("bug_444_axis_twice", model("ReduceMin", ["sizes", "twice"]),
           "ReduceMin 'reduce': axes: the one of a vector expected, got 2")
    refuse("bug_444_mean_of_integers", model("ReduceMean", ["sizes"]),
           "ReduceMean 'reduce': of known integers it is not computed")


# ---- LayerNormalization in parts ----

def norms_in_parts():
    """Behind what picks a vector of each row, and of each step; of one thing less another's mean."""
    made = weights() | {
        "one": np.array([1]), "last": np.array(-1), "two": np.array(2, np.float32),
        "epsilon": np.array(1e-5, np.float32), "scale": uniform(UNITS), "shift": uniform(UNITS)}

    def parts(x, mean_of=None):
        node = helper.make_node
        return [node("ReduceMean", [mean_of or x], ["mean"], axes=[-1], keepdims=1),
                node("Sub", [x, "mean"], ["centered"], name="center"),
                node("Pow", ["centered", "two"], ["square"]),
                node("ReduceMean", ["square"], ["variance"], axes=[-1], keepdims=1),
                node("Add", ["variance", "epsilon"], ["sum"]), node("Sqrt", ["sum"], ["deviation"]),
                node("Div", ["centered", "deviation"], ["normal"]),
                node("Mul", ["normal", "scale"], ["scaled"]), node("Add", ["scaled", "shift"], ["Y"])]
    y = [lstm(["X", "W", "R", "B"], ["Y4", "Y_h"], hidden_size=UNITS),
         helper.make_node("Squeeze", ["Y4", "one"], ["Y3"]),
         helper.make_node("Gather", ["Y3", "last"], ["Y2"], axis=0),
         helper.make_node("Gather", ["Y_h", "last"], ["H2"], axis=0)]
    for name, nodes in (("last_step", parts("Y2")), ("final_state", parts("H2")), ("every_step", parts("Y3"))):
        write(f"bug_448_norm_in_parts_of_{name}", graph(y + nodes, X, {"Y": None}, made, opset=13),
              {"X": sequence()})
    bare = parts("Y3")[:-2]
    bare[-1].output[0] = "Y"
    write("bug_449_norm_without_weights", graph(y + bare, X, {"Y": None}, made, opset=13),
          {"X": sequence()})
    tanh = helper.make_node("Tanh", ["Y2"], ["T2"])
    refuse("bug_448_mean_of_another", graph(y + [tanh] + parts("Y2", "T2"), X, {"Y": None}, made, opset=13),
           "Sub 'center': joins two branches")


# ---- graphs made to harm ----

def scalars():
    """One number of a step is no layer's input. An attribute's name is taken as it stands."""
    made = weights() | {"one": np.array([1]), "zero": np.array(0), "two": np.array(2, np.float32)}
    y = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
         helper.make_node("Squeeze", ["Y4", "one"], ["Y3"]),
         helper.make_node("ReduceMean", ["Y3"], ["M3"], axes=[-1], keepdims=1)]
    for name in "YM":
        y += [helper.make_node("Gather", [f"{name}{n}", "zero"], [f"{name}{n - 1}"], axis=0)
              for n in (3, 2, 1)]
    nodes = {"scalar_minus_mean": helper.make_node("Sub", ["Y0", "M0"], ["Y"], name="sub"),
             "scalar_minus_number": helper.make_node("Sub", ["Y0", "two"], ["Y"], name="sub"),
             "number_times_scalar": helper.make_node("Mul", ["two", "Y0"], ["Y"], name="mul"),
             "space_in_a_name": helper.make_node("Cast", ["Y3"], ["Y"], name="cast", **{" to": 1})}
    becauses = {"Sub": "Sub 'sub': features of what comes from a request expected",
                "Mul": "Mul 'mul': features of what comes from a request expected",
                "Cast": "Cast 'cast': attribute ' to' is unknown"}
    for name, node in nodes.items():
        refuse(f"bug_447_{name}", graph(y + [node], X, {"Y": None}, made), becauses[node.op_type])


# ---- inputs ----

def unknown_features():
    """The weights of the first layer say how many features there are."""
    x = {"X": ["t", "b", "f"]}
    y = [helper.make_node("Squeeze", ["Y4", "one"], ["Y"])]
    made = weights() | {"one": np.array([1])}
    write("bug_446_unknown_features", graph([lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS)] + y, x,
                                            {"Y": None}, made), {"X": sequence()})
    write("bug_446_unknown_feature", graph([lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS)] + y, x,
                                           {"Y": None}, made | weights(features=1)),
          {"X": sequence(features=1)})
    nodes = [helper.make_node("Tanh", ["X"], ["tanh"]), helper.make_node("MatMul", ["tanh", "K"], ["D"]),
             lstm(["D", "W", "R", "B"], ["Y4"], hidden_size=UNITS)]
    write("bug_446_unknown_features_of_dense", graph(nodes + y, x, {"Y": None},
                                                     made | {"K": uniform(6, FEATURES)}),
          {"X": sequence(features=6)})


# ---- Clip ----

def clips():
    """On one side alone, with bounds that are left out or infinite."""
    squeeze = helper.make_node("Squeeze", ["Y4", "one"], ["Y3"])
    made = weights() | {"one": np.array([1]), "low": np.float32(-0.1), "high": np.float32(0.05),
                        "inf": np.float32(np.inf), "-inf": np.float32(-np.inf), "nan": np.float32(np.nan)}
    made = {k: np.array(v) for k, v in made.items()}

    def model(inputs, squeeze=squeeze, opset=13, **attributes):
        clip = helper.make_node("Clip", ["Y3"] + inputs, ["Y"], name="clip", **attributes)
        return graph([lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS), squeeze, clip], X,
                     {"Y": None}, made, opset)
    for name, inputs in (("min", ["low"]), ("max", ["", "high"]), ("neither", []),
                         ("infinite_max", ["low", "inf"]), ("infinite_min", ["-inf", "high"])):
        write(f"bug_445_clip_{name}", model(inputs), {"X": sequence()})
    write("bug_445_clip_min_attribute",
          model([], helper.make_node("Squeeze", ["Y4"], ["Y3"], axes=[1]), 9, min=-0.1),
          {"X": sequence()})
    for name, inputs in (("nan", ["nan"]), ("all_infinite", ["inf", "inf"]), ("all_low", ["-inf", "-inf"])):
        refuse(f"bug_445_clip_{name}", model(inputs), "Clip 'clip': min: at most ")


def beside():
    """Weights in files beside the model: one, which PyTorch's exporter writes, or one for each."""
    def copy(name, folder):
        for path in folder.iterdir():
            if path.suffix != ".onnx":
                shutil.copy(path, FOLDER / name / path.name)
        shutil.copy(folder / "graph.onnx", FOLDER / name / "model.onnx")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "graph.onnx"
        network = Network(lambda m, x: m.fc(m.lstm(x)[0][:, -1]),
                          lstm=torch.nn.LSTM(FEATURES, UNITS, batch_first=True),
                          fc=torch.nn.Linear(UNITS, 2))
        x = sequence(batch_first=True)
        torch.onnx.export(network.eval(), (torch.from_numpy(x),), path, dynamo=True, verbose=False,
                          input_names=["x"], output_names=["y"])
        write("bug_477_beside_of_torch", onnx.load(path), {"x": x})
        copy("bug_477_beside_of_torch", path.parent)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "graph.onnx"
        model = graph([lstm(["X", "W", "R", "B"], ["Y"], hidden_size=UNITS)], X, {"Y": None},
                      weights())
        write("bug_477_beside_each_its_own", model, {"X": sequence()})
        onnx.save(model, path, save_as_external_data=True, all_tensors_to_one_file=False,
                  size_threshold=0, convert_attribute=False)
        copy("bug_477_beside_each_its_own", path.parent)


def autoencoders():
    """A vector at every step, as decoders are given it."""
    class Autoencoder(torch.nn.Module):
        def __init__(self, directions, expand):
            super().__init__()
            both, code = directions == 2, 2 * directions
            self.encoder = torch.nn.LSTM(FEATURES, 2, batch_first=True, bidirectional=both)
            self.squeeze = torch.nn.Linear(code, 3)
            self.decoder = torch.nn.LSTM(3, UNITS, batch_first=True, bidirectional=both)
            self.fc = torch.nn.Linear(UNITS * directions, FEATURES)
            self.expand = expand

        def forward(self, x):
            h = self.encoder(x)[1][0]
            code = torch.tanh(self.squeeze(h.transpose(0, 1).flatten(1)))
            if self.expand:
                steps = code.unsqueeze(1).expand(-1, x.size(1), -1)
            else:
                steps = code.unsqueeze(1).repeat(1, STEPS, 1)
            return self.fc(self.decoder(steps)[0])

    def model(exporter, directions=1, expand=False, any_steps=False):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/model.onnx"
            how = dict(dynamo=False, opset_version=17,
                       dynamic_axes={"x": {0: "B", 1: "T"} if any_steps else {0: "B"}})
            if exporter == "dynamo":
                how = dict(dynamo=True, external_data=False,
                           dynamic_shapes=({0: torch.export.Dim("B")},))
            torch.onnx.export(Autoencoder(directions, expand).eval(),
                              (torch.from_numpy(sequence(batch_first=True)),), path, verbose=False,
                              input_names=["x"], output_names=["y"], **how)
            return onnx.load(path)
    for name, made in (("script17", model("script17")), ("dynamo", model("dynamo")),
                       ("expand", model("dynamo", expand=True)),
                       ("bidirectional", model("script17", 2))):
        write(f"bug_478_autoencoder_{name}", made, {"x": sequence(batch_first=True)})
    refuse("bug_478_autoencoder_of_any_steps", model("script17", any_steps=True),
           "X: a vector at every step of a request expected, got it as [7,3,3]")


# ---- convolutions and pools ----

def windows():
    """Around an LSTM, [B,C,T], in the words of PyTorch's exporters; and what no layer has."""
    nn = torch.nn

    def cnn(m, x):
        y = m.parts(x.permute(0, 2, 1)).permute(0, 2, 1)
        return m.fc(m.lstm(y)[0][:, -1])
    parts = nn.Sequential(nn.Conv1d(FEATURES, 6, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2),
                          nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(6, 3, 2, dilation=2, bias=False),
                          nn.Tanh(), nn.AvgPool1d(3, 1, 1, count_include_pad=False))
    network = Network(cnn, parts=parts, lstm=nn.LSTM(3, UNITS, batch_first=True), fc=nn.Linear(UNITS, 2))
    x = sequence(steps=19, batch_first=True)
    for exporter, how in (("script11", dict(dynamo=False, opset_version=11)),
                          ("script17", dict(dynamo=False, opset_version=17)), ("dynamo", dict(dynamo=True))):
        write(f"bug_481_cnn_{exporter}", export(network, [x], ["x"], ["y"], True, **how), {"x": x})

    made = weights(features=3) | {"K": uniform(3, FEATURES, 3), "K2": uniform(3, FEATURES, 2),
                                  "G": uniform(3, 1, 3), "K4": uniform(3, FEATURES, 1, 3), "b": uniform(3),
                                  "one": np.array([1]), "two": np.array([2])}
    btf = {"X": ["B", "T", FEATURES]}

    def model(middle, inputs=btf, lens=(), opset=17, perm=(0, 2, 1)):
        nodes = [helper.make_node("Transpose", ["X"], ["x"], perm=perm)] + middle + [
            helper.make_node("Transpose", ["y"], ["TBF"], perm=[2, 0, 1]),
            lstm(["TBF", "W", "R", "B", *lens], ["Y4"], hidden_size=UNITS),
            helper.make_node("Squeeze", ["Y4", "one"], ["Y"])]
        return graph(nodes, inputs, {"Y": None}, made, opset)

    def conv(kernel="K", x="x", y="y", **attributes):
        return [helper.make_node("Conv", [x, kernel, "b"], [y], name="conv", **attributes)]

    def pool(op="MaxPool", **attributes):
        return conv(y="c") + [helper.make_node(op, ["c"], ["y"], name="pool", **attributes)]
    feed = {"X": sequence(steps=11, batch_first=True)}
    write("bug_481_conv_same_upper", model(conv("K2", auto_pad="SAME_UPPER", strides=[2])), feed)
    write("bug_481_conv_same_lower", model(conv("K2", auto_pad="SAME_LOWER")), feed) # causal
    write("bug_481_conv_of_two_dimensions", model(
        [helper.make_node("Unsqueeze", ["x", "two"], ["x4"])] + conv("K4", "x4", "y4", pads=[0, 2, 0, 0]) +
        [helper.make_node("Squeeze", ["y4", "two"], ["y"])]), feed)
    write("bug_481_wide_window", model(conv(dilations=[20])), {"X": sequence(steps=45, batch_first=True)})
    write("bug_481_pool_rounded_up", model(pool(kernel_shape=[2], strides=[2], ceil_mode=1)), feed)
    write("bug_481_pool_rounded_up_of_fixed_steps", model(
        pool(kernel_shape=[3], strides=[2], ceil_mode=1), {"X": ["B", 11, FEATURES]}), feed)
    for name, middle, because in (
            ("group", conv("G", group=FEATURES), "Conv 'conv': group: 1 expected, got 4"),
            ("pads", conv(pads=[0, 1]), "Conv 'conv': pads: as many steps at both ends, or all 2 at the "
                                        "beginning, or those of SAME_UPPER, expected, got 0 and 1"),
            ("negative_pads", conv(pads=[-1, 1]), "Conv 'conv': pads: 0..65536 expected, got -1"),
            ("no_stride", conv(strides=[0]), "Conv 'conv': strides: 1..65536 expected, got 0"),
            ("two_strides", conv(strides=[1, 1]), "Conv 'conv': strides: 1 numbers expected, got 2"),
            ("reach", conv(dilations=[40000]), "Conv 'conv': kernel_shape: windows of at most 65536 steps"),
            ("same_lower", conv("K2", auto_pad="SAME_LOWER", strides=[2]), "Conv 'conv': auto_pad: SAME_LOWER"),
            ("auto_pad", conv(auto_pad="SAME"), "Conv 'conv': auto_pad: NOTSET, VALID"),
            ("kernel_shape", conv(kernel_shape=[2]), "Conv 'conv': kernel_shape: 3 expected from W, got 2"),
            ("two_dimensions", [helper.make_node("Unsqueeze", ["x", "one"], ["x4"])] + conv("K4", "x4"),
             "Conv 'conv': steps of features expected, got two dimensions"),
            ("pool_pads", pool(kernel_shape=[3], pads=[1, 0]),
             "MaxPool 'pool': pads: none, or as many steps at both ends"),
            ("pool_dilations", pool(kernel_shape=[2], dilations=[2]), "MaxPool 'pool': dilations: 1 expected"),
            ("pool_rounded_up", pool(kernel_shape=[3], strides=[2], ceil_mode=1), "MaxPool 'pool': ceil_mode"),
            ("pool_without_kernel", pool(), "MaxPool 'pool': kernel_shape is missing"),
            ("average_of_pads", pool("AveragePool", kernel_shape=[3], pads=[1, 1], count_include_pad=1),
             "AveragePool 'pool': pads: none"),
            ("pads_of_a_pool", [helper.make_node("Pad", ["x"], ["p"], name="pad", mode="constant",
                                                 pads=[0, 0, 1, 0, 0, 0])] +
             conv("K", "p", "q") + [helper.make_node("Relu", ["p"], ["r"]),
                                    helper.make_node("Conv", ["r", "K", "b"], ["y"], name="c")],
             "'pad': zeros beside the steps")):
        refuse(f"bug_481_{name}", model(middle, opset=10 if name == "pads_of_a_pool" else 19), because)
    # Rows' lengths are those of the input: a window behind them, or before, makes others of them.
    rows = btf | {"lens": (TensorProto.INT32, ["B"])}
    refuse("bug_481_lengths_behind", model(conv(), rows, ["lens"]), "LSTM 'lstm': sequence_lens: none expected")
    made |= {f"{k}_": v for k, v in weights(features=FEATURES, units=FEATURES).items()}
    before = [helper.make_node("Transpose", ["X"], ["TBX"], perm=[1, 0, 2]),
              helper.make_node("LSTM", ["TBX", "W_", "R_", "B_", "lens"], ["L4"], hidden_size=FEATURES),
              helper.make_node("Squeeze", ["L4", "one"], ["L3"]),
              helper.make_node("Transpose", ["L3"], ["l"], perm=[1, 2, 0])]
    refuse("bug_481_lengths_before", model(before + conv(x="l"), rows),
           "Conv 'conv': windows of steps, those past a row's length among them")


def global_pools():
    """GlobalAveragePool and GlobalMaxPool behind a Transpose, one or both of two dimensions."""
    made = weights() | {"one": np.array([1]), "two": np.array([2])}
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        for name, wide in (("", []), ("_of_two_dimensions", ["BC1T"])):
            nodes = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
                     helper.make_node("Squeeze", ["Y4", "one"], ["Y3"]),
                     helper.make_node("Transpose", ["Y3"], ["BCT"], perm=[1, 2, 0])]
            nodes += [helper.make_node("Unsqueeze", ["BCT", "two"], wide)] if wide else []
            nodes += [helper.make_node(op, wide or ["BCT"], ["P"]), helper.make_node("Flatten", ["P"], ["Y"])]
            write(f"bug_482_{op}{name}", graph(nodes, X, {"Y": None}, made), {"X": sequence()})


def batch_norms():
    """Of channels, [B,C,T], before an LSTM and behind it."""
    norm = torch.nn.BatchNorm1d
    network = Network(lambda m, x: m.b(m.lstm(m.a(x.transpose(1, 2)).transpose(1, 2))[0].transpose(1, 2)
                                       ).transpose(1, 2),
                      a=statistics(norm(FEATURES)), b=statistics(norm(UNITS)),
                      lstm=torch.nn.LSTM(FEATURES, UNITS, batch_first=True))
    x = sequence(batch_first=True)
    for exporter, how in (("script13", dict(dynamo=False, opset_version=13)), ("dynamo", dict(dynamo=True))):
        write(f"bug_483_norms_{exporter}", export(network, [x], ["x"], ["y"], True, **how), {"x": x})
    over_steps = Network(lambda m, x: m.lstm(m.a(x))[0], a=statistics(norm(STEPS)),
                         lstm=torch.nn.LSTM(FEATURES, UNITS, batch_first=True))
    refuse("bug_483_norm_over_steps",
           export(over_steps, [x], ["x"], ["y"], True, fixed=True, dynamo=False, opset_version=17),
           "its input is not all 7 features of '/a/BatchNormalization', in order, for each step")


# ---- activations written in parts ----

def functions_in_parts():
    """Of a step that is picked, so that two ways lead to what they join; and what is nearly one."""
    numbers = {"half": 0.5, "unit": 1.0, "two": 2.0, "three": 3.0, "six": 6.0, "seven": 7.0, "zero": 0.0,
               "root2": 2 ** 0.5, "c0": 0.044715, "d0": (2 / np.pi) ** 0.5, "twenty": 20.0, "quick": 1.702}
    made = weights() | {"one": np.array([1]), "last": np.array(-1)}
    made |= {k: np.array(v, np.float32) for k, v in numbers.items()}
    y = [lstm(["X", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
         helper.make_node("Squeeze", ["Y4", "one"], ["Y3"]),
         helper.make_node("Gather", ["Y3", "last"], ["y"], axis=0),
         helper.make_node("Mul", ["y", "seven"], ["x"])]

    def model(parts):
        """"Mul x half a": an operator, its inputs, its output; of the last the output is Y."""
        steps = [part.split() for part in parts.split(", ")]
        steps[-1][-1] = "Y"
        nodes = [helper.make_node(op, names[:-1], names[-1:], name=f"{op}_{i}")
                 for i, (op, *names) in enumerate(steps)]
        return graph(y + nodes, X, {"Y": None}, made, opset=14)
    cube = "Pow x three p, Mul p c0 q, Add x q r, Mul r d0 s, Tanh s t, Add t unit u"
    for name, parts in (
            ("silu", "Sigmoid x s, Mul x s y"),
            ("gelu", "Div x root2 d, Erf d e, Add e unit f, Mul x f g, Mul g half h"),
            ("gelu_of_halves", "Mul x half h, Div x root2 d, Erf d e, Add unit e f, Mul h f g"),
            ("gelu_tanh", cube + ", Mul x half h, Mul h u v"),
            ("gelu_tanh_of_products", cube.replace("Pow x three p", "Mul x x x2, Mul x2 x p") +
             ", Mul x u v, Mul half v w"),
            ("softsign", "Abs x a, Add a unit b, Div x b c"),
            ("mish", "Softplus x s, Tanh s t, Mul x t m"),
            ("softplus", "Softplus x s, Greater x twenty g, Where g x s w"),
            ("softplus_of_exp", "Exp x e, Add unit e f, Log f g"),
            ("log_sigmoid", "Sigmoid x s, Log s l"),
            ("minus_softplus", "Neg x n, Softplus n s, Neg s l"),
            ("hard_swish", "Add x three a, Clip a zero six b, Mul x b c, Div c six d"),
            ("twice", "Sigmoid x s, Mul x s k, Sigmoid k t, Mul k t z")):
        write(f"bug_484_{name}", model(parts), {"X": sequence()})
    for name, parts, because in (
            ("quick_gelu", "Mul x quick q, Sigmoid q s, Mul x s y", "Mul 'Mul_2': joins two branches"),
            ("gelu_of_two", "Div x two d, Erf d e, Add e unit f, Mul x f g, Mul g half h",
             "Mul 'Mul_3': joins two branches"),
            ("hard_swish_of_seven", "Add x three a, Clip a zero seven b, Mul x b c, Div c six d",
             "Mul 'Mul_2': joins two branches"),
            ("softplus_of_three", "Softplus x s, Greater x three g, Where g x s w",
             "Where 'Where_2': joins two branches"),
            ("abs", "Abs x a", "Abs 'Abs_0': of what comes from a request it is no layer"),
            ("erf_before_tanh", "Erf x e, Tanh e t", "Erf 'Erf_0': of what comes from a request"),
            ("another_step", "Gather Y3 last0 z, Sigmoid z s, Mul x s y", "Mul 'Mul_2': joins two branches"),
            ("greater_of_two", "Sigmoid x s, Greater x s g, Where g x s w", "Greater 'Greater_1': of what")):
        made["last0"] = np.array(0)
        refuse(f"bug_484_{name}", model(parts), f"output 'Y': {because}")
    gelu = helper.make_node("Gelu", ["x"], ["Y"], name="gelu", approximate="sigmoid")
    refuse("bug_485_gelu_of_another_kind", graph(y + [gelu], X, {"Y": None}, made, opset=20),
           "Gelu 'gelu': approximate: none or tanh expected")


# ---- outputs of other dimensions of 1, merged directions ----

def squeezed_outputs():
    """lstmd's answers have all dimensions: the graph's are written as those."""
    nn = torch.nn

    def network(forward, units):
        return Network(forward, lstm=nn.LSTM(FEATURES, UNITS, batch_first=True), fc=nn.Linear(UNITS, units))
    x = sequence(batch_first=True)
    for name, forward, units, shape in (
            ("rows", lambda m, x: torch.sigmoid(m.fc(m.lstm(x)[0][:, -1]).squeeze(-1)), 1, (ROWS, 1)),
            ("rows_of_one_step", lambda m, x: m.fc(m.lstm(x)[0][:, -1:]), 2, (ROWS, 2)),
            ("steps", lambda m, x: torch.tanh(m.fc(m.lstm(x)[0])).squeeze(-1), 1, (ROWS, STEPS, 1))):
        model = export(network(forward, units), [x], ["x"], ["y"], True, dynamo=False, opset_version=17)
        write(f"bug_486_{name}", model, {"x": x}, {"y": run(model, {"x": x})["y"].reshape(shape)})
    one = sequence(rows=1, batch_first=True)
    model = export(network(lambda m, x: m.fc(m.lstm(x)[0][:, -1]).squeeze(0), 2), [one], ["x"], ["y"], True,
                   fixed=True, dynamo=False, opset_version=17)
    write("bug_486_the_only_row", model, {"x": one}, {"y": run(model, {"x": one})["y"].reshape(1, 2)})


def merged_directions():
    """Keras' merge modes as tf2onnx writes them: of all steps, of final states, of the ends of Y."""
    made = weights(2) | {"first": np.array([0]), "second": np.array([1]), "end": np.array([1 << 40]),
                         "last": np.array([-1]), "half": np.array(0.5, np.float32)}

    def cut(x, begin, end, axis, y):
        return [helper.make_node("Slice", [x, begin, end, axis], [f"{y}_cut"]),
                helper.make_node("Squeeze", [f"{y}_cut", axis], [y])]
    sides = cut("Y4", "first", "second", "second", "f") + cut("Y4", "second", "end", "second", "b")
    states = cut("H", "first", "second", "first", "f") + cut("H", "second", "end", "first", "b")
    ends = sides + cut("f", "last", "end", "first", "fe") + cut("b", "first", "second", "first", "be")
    y = lstm(["X", "W", "R", "B"], ["Y4", "H"], hidden_size=UNITS, direction="bidirectional")

    def model(nodes, op="Add", inputs=("f", "b"), more=()):
        merge = helper.make_node(op, list(inputs), ["m" if more else "Y"], name="merge")
        return graph([y] + nodes + [merge, *more], X, {"Y": None}, made, opset=17)
    feed = {"X": sequence()}
    for name, nodes, a, b in (("steps", sides, "f", "b"), ("states", states, "f", "b"),
                              ("ends", ends, "fe", "be")):
        write(f"bug_487_sum_of_{name}", model(nodes, "Add", (a, b)), feed)
        write(f"bug_487_product_of_{name}", model(nodes, "Mul", (b, a)), feed)
    write("bug_487_average_of_steps",
          model(sides, more=[helper.make_node("Mul", ["m", "half"], ["Y"])]), feed)
    other = sides + cut("f", "first", "second", "first", "fe") + cut("b", "last", "end", "first", "be")
    for name, made_model in (("difference", model(sides, "Sub")),
                             ("other_ends", model(other, inputs=("fe", "be"))),
                             ("a_state_and_an_end", model(ends + cut("H", "first", "second", "first", "h"),
                                                          inputs=("h", "fe")))):
        refuse(f"bug_487_{name}", made_model, "'merge': joins two branches")


# ---- numbers of an embedding that are computed ----

def computed_numbers():
    """Keras 3 counts negative ones from the end; other numbers than the input's are no embedding's."""
    made = weights() | {"one": np.array([1]), "table": uniform(11, FEATURES), "V": np.array(11, np.int32),
                        "zero": np.array(0, np.int32), "fzero": np.array(0, np.float32),
                        "five": np.array(5, np.int32), "unit": np.array(1, np.int32)}

    def model(nodes):
        tail = [helper.make_node("Gather", ["table", "n"], ["BTF"], name="embed"),
                helper.make_node("Transpose", ["BTF"], ["TBF"], perm=[1, 0, 2]),
                lstm(["TBF", "W", "R", "B"], ["Y4"], hidden_size=UNITS),
                helper.make_node("Squeeze", ["Y4", "one"], ["Y"])]
        return graph(nodes + tail, {"X": (TensorProto.INT64, ["B", "T"])}, {"Y": None}, made, opset=17)

    def node(op, inputs, output, **attributes):
        return helper.make_node(op, inputs.split(), [output], **attributes)
    x = node("Cast", "X", "x", to=TensorProto.INT32)
    tf2onnx_form = [
        x, node("Add", "x V", "end"), node("Cast", "x", "xf", to=TensorProto.FLOAT),
        node("Less", "xf fzero", "below"), node("Not", "below", "above"),
        node("Cast", "above", "a", to=TensorProto.INT32), node("Mul", "x a", "xa"),
        node("Cast", "below", "b", to=TensorProto.INT32), node("Mul", "b end", "eb"), node("Add", "eb xa", "n")]
    where = [x, node("Add", "x V", "end"), node("Less", "x zero", "below"), node("Where", "below end x", "n")]
    feed = {"X": random.integers(0, 11, (ROWS, STEPS))}
    for name, nodes in (("products", tf2onnx_form), ("choice", where)):
        write(f"bug_488_{name}", model(nodes), feed)
    for name, nodes, number in (
            ("shifted", [x, node("Add", "x unit", "n")], 0), ("cut", [x, node("Min", "x five", "n")], 6),
            ("other_choice", where[:3] + [node("Where", "below x end", "n")], 0)):
        refuse(f"bug_488_{name}", model(nodes), "Gather 'embed': indices that are the graph's input "
               f"expected, got what is computed of it: of {number} another number")
    refuse("bug_488_two_of_them", model([x, node("Add", "x unit", "y"), node("Concat", "x y", "n", axis=1)]),
           "Gather 'embed': indices that are the graph's input expected")


# ---- [B,C,T], as PyTorch's convolutions take it: of the served model the input is [B,T,C] ----

def channels_first():
    nn = torch.nn

    def cnn(channels=FEATURES, units=6):
        return nn.Sequential(nn.Conv1d(channels, units, 3, padding=1), statistics(nn.BatchNorm1d(units)),
                             nn.ReLU(), nn.MaxPool1d(2))

    def last(m, x):
        return m.fc(m.lstm(m.cnn(x).permute(0, 2, 1))[0][:, -1])

    def final_of_time_first(m, x):
        h = m.lstm(m.cnn(m.norm(x)).permute(2, 0, 1))[1][0]
        return m.fc(torch.cat((h[-2], h[-1]), 1))

    def alone(m, x):
        return m.lstm(x.permute(0, 2, 1))[0]

    def viewed(m, x):
        return m.lstm(x.view(x.size(0), -1, 1))[0]
    networks = {
        "last": (Network(last, cnn=cnn(), lstm=nn.LSTM(6, UNITS, batch_first=True), fc=nn.Linear(UNITS, 2)), FEATURES),
        "one": (Network(last, cnn=cnn(1), lstm=nn.LSTM(6, UNITS, batch_first=True), fc=nn.Linear(UNITS, 2)), 1),
        "final": (Network(final_of_time_first, norm=statistics(nn.BatchNorm1d(FEATURES)), cnn=cnn(),
                          lstm=nn.LSTM(6, UNITS, bidirectional=True), fc=nn.Linear(2 * UNITS, 2)), FEATURES),
        "alone": (Network(alone, lstm=nn.LSTM(FEATURES, UNITS, batch_first=True)), FEATURES),
        "viewed": (Network(viewed, lstm=nn.LSTM(1, UNITS, batch_first=True)), 1)}
    exporters = {"script11": dict(dynamo=False, opset_version=11), "script17": dict(dynamo=False, opset_version=17),
                 "dynamo": dict(dynamo=True)}
    for name, (network, channels) in networks.items():
        x = uniform(ROWS, channels, 20)
        for exporter, how in exporters.items():
            for sizes, open_ones in (("", {0: "B", 2: "T"}), ("_fixed", None)):
                if name != "last" and (exporter == "script11" or open_ones is None):
                    continue
                model = export(network, [x], ["x"], ["y"], True, open_ones is None, open_ones, **how)
                write(f"bug_541_{name}_{exporter}{sizes}", model, {"x": x.transpose(0, 2, 1)},
                      {"y": run(model, {"x": x})["y"]})
    x = uniform(ROWS, FEATURES, 20)
    for name, forward, because in (
            ("channels_as_steps", lambda m, x: m.lstm(m.cnn(x)),
             "LSTM '/lstm/LSTM': its input is not all 6 features of '/cnn/cnn.3/MaxPool'"),
            ("reshaped", lambda m, x: m.lstm(x.reshape(ROWS, 20, FEATURES)),
             "LSTM '/lstm/LSTM': its input is not all")):
        network = Network(lambda m, x, f=forward: f(m, x)[0], cnn=cnn(),
                          lstm=nn.LSTM(10 if name == "channels_as_steps" else FEATURES, UNITS, batch_first=True))
        refuse(f"bug_541_{name}", export(network, [x], ["x"], ["y"], True, True, dynamo=False, opset_version=17),
               because)
    one_channel()


def outputs_with_steps_last():
    """What a convolution gives, or scores turned for a loss: features last here, as everywhere."""
    nn = torch.nn

    def scores(m, x):
        return m.fc(m.lstm(m.cnn(x).permute(0, 2, 1))[0]).permute(0, 2, 1)

    def convolved(m, x):
        return m.head(m.lstm(x)[0].permute(0, 2, 1))
    for name, network, channels in (
            ("scores", Network(scores, cnn=nn.Conv1d(FEATURES, 6, 3), lstm=nn.LSTM(6, UNITS, batch_first=True),
                               fc=nn.Linear(UNITS, 2)), True),
            ("convolved", Network(convolved, lstm=nn.LSTM(FEATURES, UNITS, batch_first=True),
                                  head=nn.Conv1d(UNITS, 3, 1)), False),
            ("one", Network(convolved, lstm=nn.LSTM(FEATURES, UNITS, batch_first=True),
                            head=nn.Conv1d(UNITS, 1, 3, padding=1)), False)):
        x = uniform(ROWS, FEATURES, 11) if channels else uniform(ROWS, 11, FEATURES)
        model = export(network, [x], ["x"], ["y"], True, False, {0: "B", 2: "T"} if channels else None,
                       dynamo=False, opset_version=17)
        write(f"bug_542_{name}", model, {"x": x.transpose(0, 2, 1) if channels else x},
              {"y": run(model, {"x": x})["y"].transpose(0, 2, 1)})


def two_dimensions():
    """Floats of rows and steps, or rows and features: what is missing is put in by the graph."""
    nn = torch.nn
    for name, shape, axis, features in (("steps", (STEPS, ROWS), 2, 1), ("features", (ROWS, FEATURES), 0, FEATURES)):
        nodes = [helper.make_node("Unsqueeze", ["X", "axis"], ["X3"]),
                 lstm(["X3", "W", "R"], ["Y"], hidden_size=UNITS)]
        constants = weights(features=features, bias=False) | {"axis": np.array([axis])}
        model = graph(nodes, {"X": ["N", "M"]}, {"Y": None}, constants)
        x = uniform(*shape)
        shape = (ROWS, 1, FEATURES) if name == "features" else (STEPS, ROWS, 1)
        write(f"bug_543_input_of_{name}", model, {"X": x.reshape(shape)}, run(model, {"X": x}))

    def signal(m, x):
        return m.fc(m.lstm(m.cnn(x.unsqueeze(1)).permute(0, 2, 1))[0][:, -1])

    def table(m, x):
        return m.fc(m.lstm(torch.relu(m.first(x)).unsqueeze(1))[0][:, -1])
    for name, network, width, shape in (
            ("signal", Network(signal, cnn=nn.Conv1d(1, 6, 3), lstm=nn.LSTM(6, UNITS, batch_first=True),
                               fc=nn.Linear(UNITS, 2)), 20, (ROWS, 20, 1)),
            ("table", Network(table, first=nn.Linear(FEATURES, 6), lstm=nn.LSTM(6, UNITS, batch_first=True),
                              fc=nn.Linear(UNITS, 2)), FEATURES, (ROWS, 1, FEATURES))):
        x = uniform(ROWS, width)
        for exporter, how in (("script17", dict(dynamo=False, opset_version=17)), ("dynamo", dict(dynamo=True))):
            model = export(network, [x], ["x"], ["y"], True, False,
                           {0: "B", 1: "T"} if name == "signal" else {0: "B"}, **how)
            write(f"bug_543_{name}_{exporter}", model, {"x": x.reshape(shape)}, {"y": run(model, {"x": x})["y"]})
    windows_of_a_row = Network(lambda m, x: m.lstm(x.reshape(ROWS, 5, 4))[0], lstm=nn.LSTM(4, UNITS, batch_first=True))
    refuse("bug_543_windows_of_a_row", export(windows_of_a_row, [uniform(ROWS, 20)], ["x"], ["y"], True, True,
                                              dynamo=False, opset_version=17), "LSTM '/lstm/LSTM': its input is not all")


def one_channel():
    """[B,1,T] of any T was taken for one step of one feature, where T was open."""
    made = weights(features=1) | {"K": uniform(1, 1, 3), "begin": np.array([0]), "end": np.array([1 << 40]),
                                  "last": np.array([2]), "two": np.array([2])}
    tail = [helper.make_node("Transpose", ["y"], ["TBF"], perm=[2, 0, 1], name="turn"),
            lstm(["TBF", "W", "R", "B"], ["Y"], hidden_size=UNITS)]
    x = uniform(ROWS, 1, STEPS)
    for name, node in (("convolved", helper.make_node("Conv", ["X", "K"], ["y"], name="conv", pads=[1, 1])),
                       ("alone", helper.make_node("Identity", ["X"], ["y"]))):
        model = graph([node] + tail, {"X": ["B", 1, "T"]}, {"Y": None}, made)
        write(f"bug_540_{name}", model, {"X": x.transpose(0, 2, 1)}, run(model, {"X": x}))
    every_other = helper.make_node("Slice", ["X", "begin", "end", "last", "two"], ["y"], name="cut")
    refuse("bug_540_every_other_step", graph([every_other] + tail, {"X": ["B", 1, "T"]}, {"Y": None}, made),
           "LSTM 'lstm': X: all steps of all rows, as [T,B,I], expected")


def slopes_and_padded_pools():
    """PReLU of one slope, and what is padded as PyTorch does, of which nothing outside counts."""
    nn = torch.nn

    def network(*parts):
        return Network(lambda m, x: m.lstm(m.parts(x).permute(0, 2, 1))[0], parts=nn.Sequential(*parts),
                       lstm=nn.LSTM(6, UNITS, batch_first=True))

    def conv():
        return nn.Conv1d(FEATURES, 6, 3)
    each = nn.PReLU(6)
    x = uniform(ROWS, FEATURES, 20)
    for name, parts in (("544_prelu", [conv(), nn.PReLU()]), ("544_prelu_of_each", [conv(), each]),
                        ("545_max", [conv(), nn.MaxPool1d(2, 2, 1), nn.MaxPool1d(3, 2, 1)]),
                        ("545_average", [conv(), nn.AvgPool1d(4, 3, 2, count_include_pad=False)])):
        model = export(network(*parts), [x], ["x"], ["y"], True, False, {0: "B", 2: "T"}, dynamo=False,
                       opset_version=17)
        write(f"bug_{name}", model, {"x": x.transpose(0, 2, 1)}, {"y": run(model, {"x": x})["y"]})
    nn.init.uniform_(each.weight, 0, 1)
    refuse("bug_544_slopes", export(network(conv(), each), [x], ["x"], ["y"], True, True, dynamo=False,
                                    opset_version=17),
           "PRelu '/parts/parts.1/PRelu': slope: a known number, the same for all features, expected")
    made = weights() | {"one": np.array([1])}
    pool = helper.make_node("MaxPool", ["X"], ["x"], name="pool", kernel_shape=[2], pads=[2, 2])
    turn = helper.make_node("Transpose", ["x"], ["TBF"], perm=[2, 0, 1])
    refuse("bug_545_a_window_outside", graph([pool, turn, lstm(["TBF", "W", "R", "B"], ["Y"], hidden_size=UNITS)],
                                             {"X": ["B", FEATURES, "T"]}, {"Y": None}, made),
           "MaxPool 'pool': pads: fewer than 2, kernel_shape, expected, got 2 and 2")


def open_features():
    """Of an input that is open in all dimensions: as many features as the first layer that takes them says."""
    made = weights() | {"K": uniform(FEATURES, FEATURES, 3), "G": uniform(2, FEATURES), "one": np.array([1]),
                        "zero": np.array([0]), "end": np.array([2])}
    made |= {k: np.abs(uniform(FEATURES)) for k in "abcd"}
    norm = helper.make_node("BatchNormalization", ["X", "a", "b", "c", "d"], ["x"])
    middle = [helper.make_node("MaxPool", ["X"], ["m"], kernel_shape=[2]),
              helper.make_node("Conv", ["m", "K"], ["x"])]
    end = [helper.make_node("Transpose", ["x"], ["TBF"], perm=[2, 0, 1]),
           lstm(["TBF", "W", "R", "B"], ["Y"], hidden_size=UNITS)]
    x = uniform(ROWS, FEATURES, 9)
    for name, nodes in (("norm", [norm]), ("pool", middle)):
        model = graph(nodes + end, {"X": ["B", "C", "T"]}, {"Y": None}, made)
        write(f"bug_546_open_{name}", model, {"X": x.transpose(0, 2, 1)}, run(model, {"X": x}))
    one = weights(features=1) | {"end": np.array([2]), "one": np.array([1])}
    nodes = [helper.make_node("Squeeze", ["X", "end"], ["x"]), helper.make_node("Unsqueeze", ["x", "one"], ["B1T"]),
             helper.make_node("Transpose", ["B1T"], ["TBF"], perm=[2, 0, 1]), end[1]]
    model = graph(nodes, {"X": ["B", "T", "C"]}, {"Y": None}, one)
    x = uniform(ROWS, 9, 1)
    write("bug_546_open_squeezed", model, {"X": x}, run(model, {"X": x}))
    # Rows last, which lstmd does not have: with one row it was one feature.
    nodes = [helper.make_node("Transpose", ["X"], ["TBF"], perm=[0, 2, 1]), end[1]]
    refuse("bug_540_rows_last", graph(nodes, {"X": ["T", 1, "B"]}, {"Y": None}, one),
           "LSTM 'lstm': X: all steps of all rows, as [T,B,I], expected")


def along_channels():
    """Softmax over the channels of [B,C,T], Max and Min with one number, Celu that is an Elu."""
    nn, functional = torch.nn, torch.nn.functional
    numbers = torch.tensor(-0.2), torch.tensor(0.3)

    def network(act):
        return Network(lambda m, x: m.lstm(act(m.conv(x)).permute(0, 2, 1))[0], conv=nn.Conv1d(FEATURES, 6, 3),
                       lstm=nn.LSTM(6, UNITS, batch_first=True))

    def exported(act, **how):
        how = dict(dynamo=True) if how else dict(dynamo=False, opset_version=17)
        return export(network(act), [x], ["x"], ["y"], True, False, {0: "B", 2: "T"}, **how)
    x = uniform(ROWS, FEATURES, 11)
    for name, act, how in (
            ("softmax", lambda x: functional.softmax(x, 1), {}),
            ("log_softmax", lambda x: functional.log_softmax(x, 1), {"dynamo": True}),
            ("clamp", lambda x: x.clamp(min=0), {"dynamo": True}),
            ("bounds", lambda x: torch.minimum(numbers[1], torch.maximum(x, numbers[0])), {}),
            ("celu", functional.celu, {})):
        model = exported(act, **how)
        write(f"bug_547_{name}", model, {"x": x.transpose(0, 2, 1)}, {"y": run(model, {"x": x})["y"]})
    for name, act, because in (
            ("softmax_of_steps", lambda x: functional.softmax(x, 2), "Softmax '/Softmax': its input is not all 6 features"),
            ("celu_of_2", lambda x: functional.celu(x, 2.0), "Celu '/Celu': alpha: 1 expected, got 2"),
            ("max_of_two", lambda x: torch.maximum(x, x * 0.1), "Max '/Max': joins two branches"),
            ("max_of_each", lambda x: torch.maximum(x, torch.arange(6.0)[:, None]),
             "Max '/Max': of features and one known number expected")):
        refuse(f"bug_547_{name}", exported(act), because)
    made = weights(bias=False) | {"low": np.array(-0.2, np.float32), "one": np.array([1])}
    turn = helper.make_node("Transpose", ["y"], ["TBF"], perm=[2, 0, 1])
    end = [turn, lstm(["TBF", "W", "R"], ["Y"], hidden_size=UNITS)]
    for name, node, because in (
            ("min_of_three", helper.make_node("Min", ["X", "low", "low"], ["y"], name="min"),
             "Min 'min': two inputs expected, got 3"),
            ("softmax_of_the_rest", helper.make_node("Softmax", ["X"], ["y"], name="softmax", axis=1),
             "Softmax 'softmax': axis: 2, the features, expected, got 1")):
        refuse(f"bug_547_{name}", graph([node] + end, {"X": ["B", FEATURES, "T"]}, {"Y": None}, made, opset=12), because)


def flat_channels():
    """[B,C,T] as [B,C*T], which a config's layer flattens as [B,T*C]."""
    nn = torch.nn
    steps = 11

    def head(m, x):
        return m.fc(m.cnn(m.lstm(x)[0].permute(0, 2, 1)).flatten(1))

    def viewed(m, x):
        return m.fc(m.lstm(x)[0].permute(1, 2, 0).reshape(x.size(1), -1))

    def encoder(m, x):
        z = m.fc(m.conv(x).flatten(1))
        return m.lstm(z.unsqueeze(1).repeat(1, steps, 1))[0]
    for name, network, x, rows_axis in (
            ("head", Network(head, lstm=nn.LSTM(FEATURES, UNITS, batch_first=True), fc=nn.Linear(4 * 6, 2),
                             cnn=nn.Sequential(nn.Conv1d(UNITS, 6, 3), nn.ReLU(), nn.MaxPool1d(2))),
             uniform(ROWS, steps, FEATURES), 0),
            ("viewed", Network(viewed, lstm=nn.LSTM(FEATURES, UNITS, bidirectional=True),
                               fc=nn.Linear(steps * 2 * UNITS, 3, bias=False)), uniform(steps, ROWS, FEATURES), 1),
            ("encoder", Network(encoder, conv=nn.Conv1d(FEATURES, 6, 3, 2), fc=nn.Linear(6 * 5, 3),
                                lstm=nn.LSTM(3, UNITS, batch_first=True)), uniform(ROWS, FEATURES, steps), 0)):
        for exporter, how in (("script17", dict(dynamo=False, opset_version=17)), ("dynamo", dict(dynamo=True))):
            model = export(network, [x], ["x"], ["y"], True, False, {rows_axis: "B"}, **how)
            write(f"bug_548_{name}_{exporter}", model, {"x": x.transpose(0, 2, 1) if name == "encoder" else x},
                  {"y": run(model, {"x": x})["y"]})
    lstm_first = dict(lstm=nn.LSTM(FEATURES, UNITS, batch_first=True), fc=nn.Linear(15 * UNITS, 2))
    for name, turn in (("every_third_step", lambda y: y.reshape(-1, 5, 3, UNITS).permute(0, 2, 3, 1)),
                       ("channels_backwards", lambda y: y.permute(0, 2, 1).flip(1))):
        network = Network(lambda m, x, turn=turn: m.fc(turn(m.lstm(x)[0]).flatten(1)), **lstm_first)
        refuse(f"bug_548_{name}", export(network, [uniform(ROWS, 15, FEATURES)], ["x"], ["y"], True, True,
                                         dynamo=False, opset_version=17), "Gemm '/fc/Gemm': its input is not all")


if FOLDER.exists():
    shutil.rmtree(FOLDER)
operators()
branches()
shapes_that_differ()
not_chains()
files()
element_types()
torch_files()
keras_files()
lengths()
truths()
reductions()
clips()
unknown_features()
scalars()
norms_in_parts()
beside()
autoencoders()
windows()
global_pools()
batch_norms()
functions_in_parts()
squeezed_outputs()
merged_directions()
computed_numbers()
channels_first()
outputs_with_steps_last()
two_dimensions()
slopes_and_padded_pools()
open_features()
along_channels()
flat_channels()

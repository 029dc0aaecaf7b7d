"""Keras models computed by NumPy in float64, straight from Keras' documentation of its layers: no
framework, and nothing of the converter's.

keras_numpy.py GOLDEN_FOLDER computes every case of keras and keras_files again and compares.
keras_numpy.py --answer MODEL [--config JSON] [--steps T] [--rows B] OUT.safetensors makes up an
input for any .h5, .keras or model.json, and writes it with the answer.
"""
import argparse
import io
import json
import math
import pathlib
import re
import sys
import zipfile

import h5py
import numpy as np
from safetensors.numpy import load_file, save_file

BOUND = 5e-6


# ---- activations ----

def erf(x):
    return np.vectorize(math.erf, otypes=[float])(x)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

FUNCTIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "softmax": softmax,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "swish": lambda x: x / (1 + np.exp(-x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "relu6": lambda x: np.clip(x, 0, 6),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
    "log_sigmoid": lambda x: -np.logaddexp(-x, 0),
    "log_softmax": lambda x: x - x.max(-1, keepdims=True)
    - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)),
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
}


def activation(value, version):
    if value is None:
        return FUNCTIONS["linear"]
    if isinstance(value, dict):
        return lambda x: activation_layer(value["class_name"], value["config"], x)
    if value == "hard_sigmoid":
        slope = 1 / 6 if version >= 3 else 0.2
        return lambda x: np.clip(slope * x + 0.5, 0, 1)
    return FUNCTIONS[value]


def activation_layer(name, config, x):
    if name == "LeakyReLU":
        slope = config.get("negative_slope", config.get("alpha", 0.3))
        return np.where(x > 0, x, slope * x)
    if name == "ELU":
        return np.where(x > 0, x, config["alpha"] * np.expm1(np.minimum(x, 0)))
    if name == "ReLU":
        slope = config.get("negative_slope") or 0
        y = np.where(x > 0, x, slope * x)
        return y if config.get("max_value") is None else np.minimum(y, config["max_value"])
    if name == "ThresholdedReLU":
        return np.where(x > config["theta"], x, 0)
    if name == "Softmax":
        return softmax(x)
    raise SystemExit(f"no such activation: {name}")


# ---- layers: (config, weights, x, mask, version) -> x, mask ----

def lstm_steps(config, weights, x, mask, version, zero):
    """outputs [B,T,H] in the order walked, h, c."""
    units = config.get("units", config.get("output_dim"))
    sigma = activation(config.get("recurrent_activation", config.get("inner_activation")), version)
    tau = activation(config.get("activation"), version)
    if len(weights) == 12:  # Keras 1: i, c, f, o
        weights = [np.concatenate([weights[3 * g + k] for g in (0, 2, 1, 3)], -1) for k in range(3)]
    kernel, recurrent = weights[:2]
    bias = weights[2] if len(weights) > 2 else np.zeros(4 * units)
    if len(bias) == 8 * units:  # CuDNNLSTM; Keras' own conversion, gate by gate
        sigma, tau = FUNCTIONS["sigmoid"], np.tanh
        gates = [k.T.reshape(k.shape, order="F") for k in np.hsplit(kernel, 4)]
        kernel = np.hstack(gates)
        recurrent = np.hstack([k.T for k in np.hsplit(recurrent, 4)])
        bias = bias[:4 * units] + bias[4 * units:]
    rows, steps, _ = x.shape
    h, c = np.zeros((rows, units)), np.zeros((rows, units))
    last, outputs = np.zeros((rows, units)), []
    for t in range(steps):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        new_c = sigma(f) * c + sigma(i) * tau(g)
        new_h = sigma(o) * tau(new_c)
        on = np.ones((rows, 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(on, new_h, h), np.where(on, new_c, c)
        outputs.append(np.where(on, new_h, 0 if zero else last))
        last = np.where(on, new_h, last)
    return np.stack(outputs, 1) if outputs else np.zeros((rows, 0, units)), last, h, c


def lstm_walk(config, weights, x, mask, version, zero, backwards):
    if backwards:
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    return lstm_steps(config, weights, x, mask, version, zero)


def lstm(config, weights, x, mask, version):
    sequence, last, h, c = lstm_walk(config, weights, x, mask, version,
                                     config.get("zero_output_for_mask"), config.get("go_backwards"))
    states = [h, c] if config.get("return_state") else []
    if config.get("return_sequences"):
        return sequence, mask, states
    return last, None, states


def bidirectional(config, weights, x, mask, version, tf):
    inner = config["layer"]["config"]
    zero = tf and inner.get("return_sequences")
    half = len(weights) // 2
    ahead = lstm_walk(inner, weights[:half], x, mask, version, zero, False)
    back = lstm_walk(inner, weights[half:], x, mask, version, zero, True)
    sequences = bool(inner.get("return_sequences"))
    a, b = (ahead[0], back[0][:, ::-1]) if sequences else (ahead[1], back[1])
    merged = {"concat": lambda: np.concatenate([a, b], -1), "sum": lambda: a + b,
              "mul": lambda: a * b, "ave": lambda: (a + b) / 2}[config["merge_mode"]]()
    states = [ahead[2], ahead[3], back[2], back[3]] if inner.get("return_state") else []
    return merged, mask if sequences else None, states


def one(value):
    return value[0] if isinstance(value, (list, tuple)) else value


def same_padding(steps, size, stride, dilation=1):
    span = (size - 1) * dilation + 1
    total = max((-(-steps // stride) - 1) * stride + span - steps, 0)
    return total // 2, total - total // 2


def conv1d(config, weights, x, version, theano):
    kernel = weights[0]
    size = one(config.get("kernel_size", config.get("filter_length")))
    if kernel.ndim == 4:
        kernel = kernel[:, 0] if kernel.shape[:2] == (size, 1) else kernel[..., 0].transpose(2, 1, 0)
    if theano:
        kernel = kernel[::-1]
    stride = one(config.get("strides", config.get("subsample_length", 1)))
    dilation = one(config.get("dilation_rate", 1))
    padding = config.get("padding", config.get("border_mode"))
    ends = {"valid": (0, 0), "causal": ((size - 1) * dilation, 0),
            "same": same_padding(x.shape[1], size, stride, dilation)}[padding]
    x = np.pad(x, ((0, 0), ends, (0, 0)))
    count = (x.shape[1] - (size - 1) * dilation - 1) // stride + 1
    y = sum(x[:, k * dilation:k * dilation + (count - 1) * stride + 1:stride] @ kernel[k]
            for k in range(size))
    if len(weights) > 1:
        y = y + weights[1]
    return activation(config.get("activation"), version)(y)


def pool1d(name, config, x):
    size = one(config.get("pool_size", config.get("pool_length")))
    stride = one(config.get("strides", config.get("stride"))) or size
    steps = x.shape[1]
    if config.get("padding", config.get("border_mode")) == "same":
        before, _ = same_padding(steps, size, stride)
        starts = [i * stride - before for i in range(-(-steps // stride))]
    else:
        starts = range(0, steps - size + 1, stride)
    reduce = np.max if name.startswith("Max") else np.mean
    return np.stack([reduce(x[:, max(s, 0):s + size], axis=1) for s in starts], 1)


def normalize(name, config, weights, x):
    weights = list(weights)
    gamma = weights.pop(0) if config.get("scale", True) else 1
    beta = weights.pop(0) if config.get("center", True) else 0
    if name == "LayerNormalization":
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    else:
        mean, variance = weights
    return (x - mean) / np.sqrt(variance + config["epsilon"]) * gamma + beta


IDLE = {"Identity", "InputLayer", "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout",
        "AlphaDropout", "ActivityRegularization"}
# Keras 3's, beside the path: what the layers that make masks do to them is the same.
MASK_OPERATIONS = {"NotEqual", "Any"}
FUNCTION_LAYERS = {"LeakyReLU", "ELU", "ReLU", "ThresholdedReLU", "Softmax"}


def standardize(config, weights, x):
    if config["mean"] is not None:
        weights = np.array(config["mean"], float), np.array(config["variance"], float)
    mean, deviation = weights[0], np.maximum(np.sqrt(weights[1]), 1e-7)
    return x * deviation + mean if config.get("invert") else (x - mean) / deviation


def called(name, x, layer):
    """A function called on a tensor, of those that the cases have."""
    call = layer["inbound_nodes"][0]
    named = layer["config"] if isinstance(call, dict) else call[3]
    number = [a for a in call["args"] if not isinstance(a, dict)] if isinstance(call, dict) else [
        call[2] if call[0] == "_CONSTANT_VALUE" else named.get("y")]
    first = isinstance(call["args"][0], float | int) if isinstance(call, dict) else (
        call[0] == "_CONSTANT_VALUE")
    if name in ("Mean", "math.reduce_mean"):
        return x.mean(1)
    if name == "ReLU":
        return np.clip(x, 0, named["max_value"])
    if name == "clip_by_value":
        return np.clip(x, named["clip_value_min"], named["clip_value_max"])
    if name in ("Gelu", "nn.gelu") and named.get("approximate", False):
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))
    if name in ("Multiply", "math.multiply"):
        return x * number[0]
    if name in ("Add", "math.add", "__operators__.add"):
        return x + number[0]
    if name in ("Subtract", "math.subtract"):
        return number[0] - x if first else x - number[0]
    if name in ("TrueDivide", "math.truediv"):
        return x / number[0]
    return FUNCTIONS_CALLED[name](x)


CALLED_ALSO = {"Mean", "ReLU", "Multiply", "Add", "Subtract", "TrueDivide"}
FUNCTIONS_CALLED = {
    "Relu": FUNCTIONS["relu"], "nn.relu": FUNCTIONS["relu"],
    "Softmax": softmax, "nn.softmax": softmax,
    "Sigmoid": FUNCTIONS["sigmoid"], "math.sigmoid": FUNCTIONS["sigmoid"],
    "LeakyRelu": FUNCTIONS["leaky_relu"], "nn.leaky_relu": FUNCTIONS["leaky_relu"],
    "Gelu": FUNCTIONS["gelu"], "nn.gelu": FUNCTIONS["gelu"],
    "Elu": FUNCTIONS["elu"], "nn.elu": FUNCTIONS["elu"],
    "HardSigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}


def apply_layer(layer, weights, x, mask, model):
    """x, mask, states after one layer."""
    name, config, version = layer["class_name"], layer["config"], model.version
    if name == "TFOpLambda":
        return called(config["function"], x, layer), None, []
    if "trainable" not in config and name in CALLED_ALSO.union(FUNCTIONS_CALLED):
        return called(name, x, layer), None, []
    if name == "TimeDistributed":
        layer = config["layer"]
        name, config = layer["class_name"], layer["config"]
        if name == "Flatten":
            return x, mask, []
    if name == "RNN": # of the cases, all of an LSTMCell
        name, config = "LSTM", config | config["cell"]["config"]
    if name in IDLE | MASK_OPERATIONS:
        return x, mask, []
    if name in ("LSTM", "CuDNNLSTM"):
        return lstm(config, weights, x, mask, version)
    if name == "Bidirectional":
        return bidirectional(config, weights, x, mask, version, model.tf)
    if name == "Embedding":
        mask = x != 0 if config.get("mask_zero") else None
        return weights[0][x.astype(int)], mask, []
    if name == "Masking":
        mask = np.any(x != config["mask_value"], axis=-1)
        return x * mask[..., None], mask, []
    if name in ("Dense", "TimeDistributedDense"):
        y = x @ weights[0] + (weights[1] if len(weights) > 1 else 0)
        return activation(config.get("activation"), version)(y), mask, []
    if name == "Activation":
        return activation(config["activation"], version)(x), mask, []
    if name in FUNCTION_LAYERS:
        return activation_layer(name, config, x), mask, []
    if name in ("BatchNormalization", "LayerNormalization"):
        return normalize(name, config, weights, x), mask, []
    if name == "Normalization": # of the cases, none on masked steps
        return standardize(config, weights, x), mask, []
    if name == "Rescaling":
        return x * config["scale"] + config["offset"], mask, []
    if name in ("GetItem", "SlicingOpLambda"): # of the cases, all [:, -1, :] or [:, -1]
        return x[:, -1], None, []
    if name == "Flatten":
        return x.reshape(len(x), -1), None, []
    if name == "Reshape":
        return x.reshape([len(x)] + list(config["target_shape"])), None, []
    if name == "RepeatVector":
        return np.repeat(x[:, None], config["n"], 1), None, []
    if name in ("Conv1D", "Convolution1D"):
        return conv1d(config, weights, x, version, model.theano), None, []
    if name in ("MaxPooling1D", "AveragePooling1D"):
        return pool1d(name, config, x), None, []
    if name == "GlobalMaxPooling1D":
        return x.max(1), None, []
    if name == "GlobalAveragePooling1D":
        if mask is None:
            return x.mean(1), None, []
        return (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True), None, []
    raise SystemExit(f"no such layer: {name}")


# ---- files ----

class Model:
    """layers: in order of the chain; weights[i]: arrays of layers[i]."""

    def __init__(self, topology, version, backend=""):
        while isinstance(topology, str):
            topology = json.loads(topology)
        for key in ("modelTopology", "model_config"):
            version = topology.get("keras_version", version)
            backend = topology.get("backend", backend)
            topology = topology.get(key, topology)
        version = topology.get("keras_version", version) or ("3" if "module" in topology else "1")
        self.text = "2" if version.startswith("tfjs") else version
        self.version = int(self.text.split(".")[0])
        minor = re.match(r"\d+\.(\d+)", self.text)
        self.tf = (self.version >= 3 or "-tf" in self.text or
                   (self.version == 2 and minor is not None and int(minor[1]) >= 4))
        self.theano = topology.get("backend", backend) == "theano"
        self.topology = topology
        self.layers, self.weights = [], []

    def run(self, x):
        mask, states = None, []
        x = np.asarray(x, np.float64)
        for layer, weights in zip(self.layers, self.weights):
            x, mask, states = apply_layer(layer, [np.asarray(w, np.float64) for w in weights], x, mask,
                                          self)
        return [x] + states

    def input_shape(self):
        for layer in self.layers:
            for key in ("batch_shape", "batch_input_shape"):
                if key in layer["config"]:
                    return layer["config"][key][1:]
        shape = self.topology["config"].get("build_input_shape") if isinstance(
            self.topology["config"], dict) else None
        return shape[1:] if shape else self.layers[0]["build_config"]["input_shape"][1:]


def layers_of(model):
    """A model's own layers, in the config's order."""
    config = model["config"]
    return config if isinstance(config, list) else config["layers"]


def is_model(layer):
    return layer["class_name"] in ("Sequential", "Model", "Functional")


def flat(layer):
    return [leaf for sub in layers_of(layer) for leaf in flat(sub)] if is_model(layer) else [layer]


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def weight_count(layer, names):
    """How many of a nested model's weights are this layer's; by what Keras 2 calls them."""
    own = layer["config"]["name"]
    return [n for n in names if f"{own}/" in n or n.startswith(own + "_")]


def fill_from_groups(model, root):
    """The groups of .h5, found by the layers' own names where the file has them, else in order."""
    names = [text(n) for n in root.attrs["layer_names"]]
    lists = {n: [text(w) for w in root[n].attrs["weight_names"]] for n in names}
    own = layers_of(model.topology)
    titles = [layer.get("name", layer["config"]["name"] if isinstance(layer["config"], dict)
                        and "name" in layer["config"] else None) for layer in own]
    if not set(names) <= set(titles):
        full = iter([n for n in names if lists[n]])
        blank = IDLE | FUNCTION_LAYERS | {
            "Activation", "Rescaling", "Flatten", "Reshape", "RepeatVector", "Masking", "MaxPooling1D",
            "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D"}
        titles = [None if layer["class_name"] in blank else next(full) for layer in own]
    for title, layer in zip(titles, own):
        arrays = lists.get(title, [])
        for leaf in flat(layer):
            mine = arrays if leaf is layer else weight_count(leaf, arrays)
            model.layers.append(leaf)
            model.weights.append([root[title][w][()] for w in mine])


def snake(name):
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def all_vars(group):
    """Arrays of a layer's group: its own vars, then those of the parts that are computed with."""
    found = [group["vars"][k][()] for k in sorted(group["vars"], key=int)] if "vars" in group else []
    for part in ("cell", "layer", "forward_layer", "backward_layer"):
        if part in group and not (part == "layer" and "forward_layer" in group):
            found += all_vars(group[part])
    return found


def fill_from_vars(model, root, topology):
    counts = {}
    for layer in layers_of(topology):
        name = snake(layer["class_name"])
        number = counts.get(name, 0)
        counts[name] = number + 1
        path = f"layers/{name}" + (f"_{number}" if number else "")
        if is_model(layer):
            fill_from_vars(model, root[path], layer)
            continue
        model.layers.append(layer)
        model.weights.append(all_vars(root[path]) if path in root else [])


def load_hdf5(file, config, version=None):
    version = text(file.attrs.get("keras_version", version))
    topology = text(file.attrs["model_config"]) if "model_config" in file.attrs else config
    model = Model(topology, version, text(file.attrs.get("backend", "")))
    root = file["model_weights"] if "model_weights" in file else file
    if "layer_names" in root.attrs:
        fill_from_groups(model, root)
    else:
        fill_from_vars(model, root, model.topology)
    return model


def load_zip(path):
    archive = zipfile.ZipFile(path)
    version = json.loads(archive.read("metadata.json"))["keras_version"]
    file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    return load_hdf5(file, archive.read("config.json").decode(), version)


def load_tfjs(path):
    content = json.loads(path.read_text())
    model, arrays = Model(content, None), {}
    for group in content["weightsManifest"]:
        data = b"".join((path.parent / p).read_bytes() for p in group["paths"])
        for weight in group["weights"]:
            count = int(np.prod(weight["shape"]))
            quantization = weight.get("quantization", {})
            kind = np.dtype(quantization.get("dtype", weight["dtype"])).newbyteorder("<")
            values = np.frombuffer(data, kind, count).astype(np.float64)
            if "scale" in quantization:
                values = (values * quantization["scale"] + quantization["min"]).astype(np.float32)
            arrays[weight["name"]] = values.reshape(weight["shape"])
            data = data[count * kind.itemsize:]
    order = ["kernel", "recurrent_kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance",
             "embeddings"]
    for layer in flat(model.topology):
        mine = [n for n in arrays if f"/{layer['config']['name']}/" in f"/{n}"]
        mine.sort(key=lambda n: ("backward_" in n, order.index(n.rsplit("/", 1)[1])))
        model.layers.append(layer)
        model.weights.append([arrays[n] for n in mine])
    return model


def load(path, config=None):
    path = pathlib.Path(path)
    if path.suffix == ".json":
        return load_tfjs(path)
    if zipfile.is_zipfile(path):
        return load_zip(path)
    return load_hdf5(h5py.File(path), None if config is None else pathlib.Path(config).read_text())


# ---- what it is asked ----

def make_input(model, steps, rows):
    shape = list(model.input_shape())
    shape[0] = steps or shape[0] or 9
    random = np.random.default_rng(1)
    if len(shape) == 1:
        first = next(x for x in model.layers if x["class_name"] == "Embedding")
        return random.integers(0, first["config"]["input_dim"], [rows] + shape)
    return random.uniform(-1, 1, [rows] + shape).astype(np.float32)


def answer(arguments):
    model = load(arguments.answer, arguments.config)
    x = make_input(model, arguments.steps, arguments.rows)
    outputs = model.run(x)
    tensors = {f"output{i}": y.astype(np.float32) for i, y in enumerate(outputs)}
    save_file({"input": x} | tensors, arguments.where)
    print(arguments.answer, x.shape, [y.shape for y in outputs])


def check(folder):
    worst = 0
    cases = [p for kind in ("keras", "keras_files") for p in sorted((folder / kind).glob("*"))
             if (p / "io.safetensors").exists()]
    for case in cases:
        file = next(p for p in case.iterdir() if p.stem == "model")
        config = next((p for p in case.iterdir() if p.name == "architecture.json"), None)
        tensors = load_file(case / "io.safetensors")
        outputs = load(file, config).run(tensors["input"])
        for i, y in enumerate(outputs):
            error = np.abs(y - tensors[f"output{i}"]).max(initial=0)
            worst = max(worst, error)
            if y.shape != tensors[f"output{i}"].shape or not error <= BOUND:
                sys.exit(f"{case}: output{i} is {error} away")
    print(f"{len(cases)} cases, worst {worst:.2g}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("where")
    parser.add_argument("--answer")
    parser.add_argument("--config")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rows", type=int, default=3)
    arguments = parser.parse_args()
    answer(arguments) if arguments.answer else check(pathlib.Path(arguments.where))


main()

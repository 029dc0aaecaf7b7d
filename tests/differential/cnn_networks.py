"""Convolutions, pools, norms and activations around an LSTM, as PyTorch's two exporters write them.
PyTorch answers."""

import contextlib
import io
import logging

import onnx
import torch
from network import Network, Run, often
from torch import nn
from torch.nn import functional

RUNS = 3
ACTIVATIONS = {
    "relu": functional.relu, "tanh": torch.tanh, "elu": functional.elu, "relu6": functional.relu6,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2), "softplus": functional.softplus,
    "hardsigmoid": functional.hardsigmoid, "hardswish": functional.hardswish,
    "selu": functional.selu, "hardtanh": functional.hardtanh, "silu": functional.silu,
    "gelu": functional.gelu, "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "prelu": lambda x: functional.prelu(x, torch.tensor([0.15])),
    "softsign": functional.softsign, "mish": functional.mish, "logsigmoid": functional.logsigmoid,
    "celu": functional.celu, "clamp_min": lambda x: x.clamp(min=0),
    "clamp_max": lambda x: x.clamp(max=0.4), "clamp": lambda x: x.clamp(-0.3, 0.6),
    "bounds": lambda x: torch.minimum(torch.maximum(x, torch.tensor(-0.3)), torch.tensor(0.6)),
}


class Convolution(nn.Module):
    """With zeros beside the steps in one of the ways that people write."""

    def __init__(self, random, channels):
        super().__init__()
        self.out = random.choice([1, 3, 6, 9])
        size, dilation = random.choice([1, 2, 3, 4, 5]), random.choice([1, 1, 2])
        self.pads, self.how = (0, 0), random.choice(["valid", "same", "causal", "both", "both"])
        stride = 1 if self.how == "same" else random.choice([1, 1, 2, 3])
        padding = "same" if self.how == "same" else random.choice([1, 2]) if self.how == "both" else 0
        if self.how == "causal":
            self.pads = ((size - 1) * dilation, 0)
        self.conv = nn.Conv1d(channels, self.out, size, stride, padding, dilation,
                              bias=often(random, 0.8))
        self.told = f"{self.how} {self.conv}"

    def forward(self, x):
        return self.conv(functional.pad(x, self.pads) if any(self.pads) else x)


def random_pool(random):
    size = random.choice([2, 3])
    return random.choice([
        nn.MaxPool1d(size), nn.MaxPool1d(3, 1), nn.MaxPool1d(size, size + 1), nn.MaxPool1d(3, 1, 1),
        nn.MaxPool1d(2, 2, 1), nn.MaxPool1d(3, 2, 1), nn.MaxPool1d(5, 3, 2),
        nn.MaxPool1d(2, ceil_mode=True), nn.AvgPool1d(size), nn.AvgPool1d(size, 1),
        nn.AvgPool1d(3, 1, 1, count_include_pad=False),
        nn.AvgPool1d(4, 2, 2, count_include_pad=False)])


def random_norm(random, channels, affine):
    norm = nn.BatchNorm1d(channels, affine=affine)
    norm.running_mean.uniform_(-0.5, 0.5)
    norm.running_var.uniform_(0.5, 1.5)
    if norm.affine:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    return norm


class Activation(nn.Module):
    def __init__(self, random):
        super().__init__()
        self.name = random.choice(list(ACTIVATIONS))
        self.told = self.name

    def forward(self, x):
        return ACTIVATIONS[self.name](x)


def random_function(random):
    """Of [B,C,T], each element for itself or over the channels."""
    over_channels = [nn.Softmax(1), nn.LogSoftmax(1)]
    return random.choice(over_channels) if often(random, 0.2) else Activation(random)


def random_parts(random, channels):
    """[B,C,T] to [B,C',T'], and C'."""
    parts = [random_norm(random, channels, often(random, 0.8))] if often(random, 0.2) else []
    for _ in range(random.choice([1, 1, 2])):
        parts.append(Convolution(random, channels))
        channels = parts[-1].out
        extra = [random_norm(random, channels, often(random, 0.8)), random_function(random)]
        parts += random.sample(extra, random.choice([0, 1, 2, 2]))
        if often(random, 0.5):
            parts.append(random_pool(random))
    return parts, channels


class Ending(nn.Module):
    """[B,T,F] to what is answered. Flat: of those T alone, by steps or by channels."""

    def __init__(self, random, features, steps):
        super().__init__()
        self.how = random.choice(["all", "turned", "last", "mean", "max", "average_pool", "max_pool",
                                  "norm", "last_of_one", "flat", "flat_channels", "flat_channels"])
        self.is_flat = self.how.startswith("flat")
        # Behind merged directions an exporter has lost the channels that weights would tell.
        self.norm = random_norm(random, features, True) if self.how == "norm" else None
        self.act = Activation(random) if often(random, 0.5) else None
        convolved = self.how == "flat_channels" and often(random, 0.5)
        self.conv = nn.Conv1d(features, features, 3, padding=1) if convolved else nn.Identity()
        self.fc = nn.Linear(features * (steps if self.is_flat else 1), random.choice([1, 4]),
                            bias=often(random, 0.8))
        self.squeezes = self.how != "turned" and self.fc.out_features == 1 and often(random, 0.5)

    def features(self, y):
        if self.how == "last":
            return y[:, -1]
        if self.how == "last_of_one":
            return y[:, -1:]
        if self.how == "mean":
            return y.mean(1)
        if self.how == "max":
            return y.max(1)[0]
        if self.how == "average_pool":
            return functional.adaptive_avg_pool1d(y.transpose(1, 2), 1).squeeze(-1)
        if self.how == "max_pool":
            return functional.adaptive_max_pool1d(y.transpose(1, 2), 1).flatten(1)
        if self.is_flat:
            return (y if self.how == "flat" else self.conv(y.transpose(1, 2))).flatten(1)
        return self.norm(y.transpose(1, 2)).transpose(1, 2) if self.how == "norm" else y

    def forward(self, y):
        y = self.fc(self.features(y))
        y = y.squeeze(-1) if self.squeezes else y.transpose(1, 2) if self.how == "turned" else y
        return self.act(y) if self.act is not None else y


class Cnn(nn.Module):
    """takes: the dimensions of its input, B rows, C channels, T steps. Flat ones take `steps` alone."""

    def __init__(self, random, steps):
        super().__init__()
        self.channels = random.choice([1, 2, 5])
        self.takes = random.choice(["BTC", "BCT", "BCT"] + ["BT"] * (self.channels == 1))
        self.begins = "lstm" if often(random, 0.1) else random.choice(["parts", "norm", "scale"])
        self.norm = (random_norm(random, self.channels, often(random, 0.8))
                     if self.begins == "norm" else None)
        parts, channels = random_parts(random, self.channels)
        parts, channels = ([], self.channels) if self.begins == "lstm" else (parts, channels)
        self.parts = nn.Sequential(*parts).eval()
        steps = self.parts(torch.zeros(1, self.channels, steps)).shape[2]
        self.lstm = nn.LSTM(channels, random.choice([2, 5, 8]), random.choice([1, 1, 2]),
                            batch_first=often(random, 0.7), bidirectional=often(random, 0.3))
        self.merge = random.choice([None, "sum", "mul"]) if self.lstm.bidirectional else None
        directions = 2 if self.lstm.bidirectional and self.merge is None else 1
        self.ending = Ending(random, self.lstm.hidden_size * directions, steps)

    def taken(self, x):
        """[B,T,C] as the network takes it."""
        return x if self.takes == "BTC" else x.transpose(1, 2) if self.takes == "BCT" else x.squeeze(2)

    def begin(self, x):
        """[B,C,T] of what it takes."""
        if self.takes != "BCT":
            x = x.permute(0, 2, 1) if self.takes == "BTC" else x.unsqueeze(1)
        if self.begins == "scale":
            return (x - 0.1) / 1.5
        return self.norm(x) if self.norm is not None else x

    def steps(self, x):
        """What the LSTM gives for [B,C,T], [B,T,F]."""
        if self.lstm.batch_first:
            return self.lstm(x.permute(0, 2, 1))[0]
        return self.lstm(x.permute(2, 0, 1))[0].transpose(0, 1)

    def forward(self, x):
        y = self.steps(self.parts(self.begin(x)))
        if self.merge is not None:
            forward, backward = y.chunk(2, -1)
            y = forward + backward if self.merge == "sum" else forward * backward
        return self.ending(y)

    def answer(self, x, fixed):
        """With the dimensions that lstmd gives it, as the converter notes. Steps of one feature that
        are squeezed are a vector where there are so many and no others."""
        y, width = self(self.taken(x)), self.ending.fc.out_features
        if self.ending.how == "turned":
            return y.transpose(1, 2)
        steps = self.ending.how in ("all", "norm")
        if steps and fixed:
            return y
        return y.reshape(len(x), -1, width) if steps else y.reshape(len(x), width)


def export(random, network, x, path):
    """Returns how it was exported, and whether it takes requests of that size alone. Behind an
    AvgPool1d or PReLU the older exporter leaves sizes open all the same, which squeezed steps show."""
    dynamo, fixed = often(random, 0.1), often(random, 0.3)
    fixed = fixed and (dynamo or not network.ending.squeezes)
    how = {"dynamo": True, "external_data": False} if dynamo else {
        "dynamo": False, "opset_version": random.choice([12, 13, 17])}
    x, steps = network.taken(x), network.takes.index("T")
    names = {0: "B"} if network.ending.is_flat else {0: "B", steps: "T"}
    if not fixed and dynamo:
        how["dynamic_shapes"] = ({axis: torch.export.Dim.AUTO for axis in names},)
    elif not fixed:
        how["dynamic_axes"] = {"x": names}
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(network, (x,), path, input_names=["x"], output_names=["y"], verbose=False,
                          **how)
    shape = onnx.load(path).graph.input[0].type.tensor_type.shape
    return f"{how} {tuple(x.shape)}", not all(shape.dim[i].dim_param for i in (0, steps))


@torch.no_grad()
def random_run(network, shape, fixed):
    x = torch.randn(*shape)
    return Run({"x": x.numpy()}, {"y": network.answer(x, fixed).numpy()})


def networks(random, folder, count):
    logging.disable(logging.WARNING)
    torch.manual_seed(random.getrandbits(32))
    for i in range(count):
        steps, rows = random.choice([120, 131, 142]), random.choice([2, 3])
        network, path = Cnn(random, steps).eval(), f"{folder}/cnn-{i}.onnx"
        how, fixed = export(random, network, torch.randn(rows, steps, network.channels), path)
        shapes = [(rows, steps, network.channels)] + [
            (random.choice([1, 2, 4]), random.choice([123, 136, 161]), network.channels)
            for _ in range(RUNS - 1)]
        yield Network(path, f"{how} {network.takes} {network.begins} {network.ending.how}\n{network}",
                      [random_run(network, shape, fixed)
                       for shape in (shapes[:1] if fixed else shapes)])

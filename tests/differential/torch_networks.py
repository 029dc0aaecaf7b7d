"""torch.nn.LSTM with all its arguments, saved in the ways people save them."""

import torch
from network import Network, Run, often
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

RUNS = 3


def random_lstm(random):
    hidden = random.choice([1, 2, 7, 8, 16, 33])
    layers = random.choice([1, 1, 2, 3])
    arguments = {
        "input_size": random.choice([1, 3, 8, 17]), "hidden_size": hidden, "num_layers": layers,
        "bias": often(random, 0.8), "bidirectional": often(random, 0.4),
        "proj_size": hidden // 2 if often(random, 0.25) else 0,
        "dropout": 0.3 if layers > 1 else 0.0,
    }
    return nn.LSTM(**arguments).eval(), arguments


def save(random, lstm, path):
    """Returns the form it was saved in."""
    weights = lstm.state_dict()
    form = random.choice(["state_dict", "checkpoint", "narrow", "module."])
    if form == "narrow":
        kind = random.choice([torch.float16, torch.bfloat16, torch.float64])
        weights = {name: tensor.to(kind) for name, tensor in weights.items()}
        lstm.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    elif form == "module.":
        weights = {form + name: tensor for name, tensor in weights.items()}
    elif form == "checkpoint":
        weights = {"epoch": 3, "state_dict": weights, "optimizer": {"lr": 0.1, "betas": (0.9, 0.99)}}
    torch.save(weights, path, _use_new_zipfile_serialization=often(random, 0.8))
    return form


@torch.no_grad()
def answer(lstm, x, states, lengths):
    if lengths is None:
        return lstm(x, states)
    packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
    output, final = lstm(packed, states)
    return pad_packed_sequence(output, total_length=len(x))[0], final


def random_run(random, lstm):
    steps, rows = random.choice([1, 2, 9]), random.choice([1, 2, 5])
    cells = lstm.num_layers * (2 if lstm.bidirectional else 1)
    inputs = {"input": torch.randn(steps, rows, lstm.input_size)}
    states = lengths = None
    if often(random, 0.5):
        inputs["h_0"] = torch.randn(cells, rows, lstm.proj_size or lstm.hidden_size)
        inputs["c_0"] = torch.randn(cells, rows, lstm.hidden_size)
        states = inputs["h_0"], inputs["c_0"]
    if often(random, 0.4):
        inputs["lengths"] = lengths = torch.randint(1, steps + 1, (rows,))
    output, (h_n, c_n) = answer(lstm, inputs["input"], states, lengths)
    outputs = {"output": output, "h_n": h_n, "c_n": c_n}
    return Run(*({name: tensor.numpy() for name, tensor in tensors.items()}
                 for tensors in (inputs, outputs)))


def networks(random, folder, count):
    torch.manual_seed(random.getrandbits(32))
    for i in range(count):
        lstm, arguments = random_lstm(random)
        path = f"{folder}/torch-{i}.pt"
        form = save(random, lstm, path)
        yield Network(path, f"{form} {arguments}", [random_run(random, lstm) for _ in range(RUNS)])

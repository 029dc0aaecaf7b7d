"""Files of weights in every form that PyTorch users have, with what the network answers.

torch_files.py GOLDEN_FOLDER writes GOLDEN_FOLDER/torch_files/CASE/: the file as it was saved (model.*),
`arguments` (lstm-convert's own, one a line) and io.safetensors: input, output0, computed by torch in
float32 from the weights as the file has them. Cases of torch_files/refused/ hold one file each and
`because`, a part of the text that must be said.
"""
import argparse
import collections
import datetime
import enum
import io
import pathlib
import shutil
import sys
import zipfile
from collections import OrderedDict

import numpy
import safetensors.torch
import torch
from torch import nn

FOLDER = pathlib.Path(sys.argv[1]) / "torch_files"
STEPS, ROWS, INPUT, HIDDEN = 5, 2, 3, 4


def make_lstm(**arguments):
    return nn.LSTM(INPUT, HIDDEN, **arguments)


def answer(lstm, state, head=lambda output: output):
    """Input and output of the LSTM with these weights, whatever their type, in float32."""
    lstm.load_state_dict({name: value.float() for name, value in state.items()})
    first = (ROWS, STEPS) if lstm.batch_first else (STEPS, ROWS)
    x = torch.randn(*first, INPUT)
    with torch.no_grad():
        return x, head(lstm(x)[0])


def write(name, content, x, output, arguments=(), suffix="pt"):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    (folder / f"model.{suffix}").write_bytes(content)
    (folder / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    tensors = {"input": x.contiguous(), "output0": output.contiguous()}
    safetensors.torch.save_file(tensors, folder / "io.safetensors")


def refuse(name, content, because, arguments=(), suffix="pt"):
    folder = FOLDER / "refused" / name
    folder.mkdir(parents=True)
    (folder / f"model.{suffix}").write_bytes(content)
    if arguments:
        (folder / "arguments").write_text("".join(f"{argument}\n" for argument in arguments))
    (folder / "because").write_text(because + "\n")


def saved(value, **arguments):
    file = io.BytesIO()
    torch.save(value, file, **arguments)
    return file.getvalue()


def rezipped(content, method=zipfile.ZIP_STORED, root=None, change=lambda pickle: pickle):
    """The same container with other compression, root folder or pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", method) as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry.endswith("/data.pkl"):
                data = change(data)
            name = f"{root}/{entry.split('/', 1)[1]}" if root else entry
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            new.writestr(info, data)
    return out.getvalue()


def in_one_storage(state):
    """Views of one storage, as cuDNN lays weights out."""
    flat = torch.cat([torch.zeros(7)] + [value.reshape(-1) for value in state.values()])
    views, at = OrderedDict(), 7
    for name, value in state.items():
        views[name] = flat[at:at + value.numel()].view(value.shape)
        at += value.numel()
    return views


def with_prefix(state, prefix):
    return OrderedDict((prefix + name, value) for name, value in state.items())


def containers():
    lstm = make_lstm(num_layers=2)
    state = lstm.state_dict()
    write("one_storage", saved(in_one_storage(state)), *answer(lstm, state))
    write("legacy_one_storage", saved(in_one_storage(state), _use_new_zipfile_serialization=False),
          *answer(lstm, state))
    lstm = make_lstm()
    state = lstm.state_dict()
    write("deflated", rezipped(saved(state), zipfile.ZIP_DEFLATED, "checkpoint.pth"),
          *answer(lstm, state))
    cpu, cuda = b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:5"
    write("cuda", rezipped(saved(state), change=lambda data: data.replace(cpu, cuda)),
          *answer(lstm, state))
    for protocol in 3, 4, 5:
        write(f"protocol_{protocol}", saved(state, pickle_protocol=protocol), *answer(lstm, state))


def objects():
    lstm = make_lstm(bidirectional=True, batch_first=True)
    state = lstm.state_dict()
    write("data_parallel", saved({"state_dict": with_prefix(state, "module.rnn."), "epoch": 3}),
          *answer(lstm, state), ["--batch-first"])

    parameters = {name: nn.Parameter(value) for name, value in state.items()}
    write("parameters", saved(parameters), *answer(lstm, state), ["--batch-first"])

    lstm = make_lstm()
    optimizer = torch.optim.Adam(lstm.parameters())
    lstm(torch.randn(STEPS, ROWS, INPUT))[0].sum().backward()
    optimizer.step()
    state = lstm.state_dict()
    checkpoint = {"epoch": 7, "model_state_dict": state, "loss": 0.25, "best": None,
                  "optimizer_state_dict": optimizer.state_dict(), "done": False}
    write("checkpoint", saved(checkpoint), *answer(lstm, state))
    write("legacy_checkpoint", saved(checkpoint, _use_new_zipfile_serialization=False),
          *answer(lstm, state))

    cell = nn.LSTMCell(INPUT, HIDDEN)
    as_lstm = {name + "_l0": value for name, value in cell.state_dict().items()}
    write("cell", saved(with_prefix(cell.state_dict(), "decoder.cell.")), *answer(make_lstm(), as_lstm))

    lstm = make_lstm(proj_size=2, bias=False)
    write("projection", saved(lstm.state_dict()), *answer(lstm, lstm.state_dict()))


def element_types():
    lstm = make_lstm()
    for name, kind in ("double", torch.float64), ("half", torch.float16), ("bfloat16", torch.bfloat16):
        state = {key: value.to(kind) for key, value in lstm.state_dict().items()}
        write(name, saved(state), *answer(make_lstm(), state))
        write(f"safetensors_{name}", safetensors.torch.save(state), *answer(make_lstm(), state),
              suffix="safetensors")
    state = {key: value.t().contiguous().t() for key, value in lstm.state_dict().items()}
    assert not state["weight_ih_l0"].is_contiguous()
    write("transposed", saved(state), *answer(make_lstm(), state))


def heads():
    lstm, fc, out = make_lstm(), nn.Linear(HIDDEN, 6), nn.Linear(6, 2)
    state = with_prefix(lstm.state_dict(), "encoder.")
    state.update(with_prefix(fc.state_dict(), "fc.0."))
    state.update(with_prefix(out.state_dict(), "fc.2."))
    x, output = answer(lstm, lstm.state_dict(),
                       lambda h: torch.sigmoid(out(torch.relu(fc(h)))))
    write("head", saved(state), x, output,
          ["--layers", "lstm encoder, linear fc.0, relu, dropout, linear fc.2, sigmoid"])
    x, output = answer(lstm, lstm.state_dict())
    write("head_left_aside", saved(state), x, output, ["--lstm-only"])
    refuse("head", saved(state), "'fc.0.bias' [6], 'fc.0.weight' [6,4], 'fc.2.bias'")

    other = make_lstm()
    state = with_prefix(lstm.state_dict(), "encoder.")
    state.update(with_prefix(other.state_dict(), "decoder."))
    write("second_of_two", saved(state), *answer(other, other.state_dict()),
          ["--prefix", "decoder", "--lstm-only"])
    refuse("two", saved(state), "several LSTMs: 'decoder.', 'encoder.'")


class LastStep(nn.Module):
    def forward(self, x):
        return x[-1]


class Steps(nn.Module):
    """Conv1d and BatchNorm1d want [B,F,T]."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x.permute(1, 2, 0)).permute(2, 0, 1)


class Rnn(nn.LSTM):
    def forward(self, x):
        return super().forward(x)[0]


class FinalStates(nn.LSTM):
    def forward(self, x):
        h = super().forward(x)[1][0]
        return torch.cat((h[-2], h[-1]), -1)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.forward = function


def chain(name, chain_text, x, *modules):
    """modules, one after the other, saved under their numbers in the list."""
    model = nn.Sequential(*modules).eval()
    state = OrderedDict((key.replace(".module.", "."), value)
                        for key, value in model.state_dict().items())
    with torch.no_grad():
        output = model(x)
    write(name, saved(state), x, output, ["--layers", chain_text])


def trained(norm):
    """With statistics and factors that are not all 0 and 1."""
    for value in list(norm.parameters()) + [b for b in norm.buffers() if b.is_floating_point()]:
        nn.init.uniform_(value, 0.5, 1.5)
    return norm


def chains():
    x = torch.randn(STEPS, ROWS, INPUT)
    chain("chain_tagger", "embedding 0, lstm 1, layer_norm 2, linear 3, log_softmax",
          torch.randint(0, 11, (STEPS, ROWS)), nn.Embedding(11, 5),
          Rnn(5, HIDDEN, 2, bidirectional=True), trained(nn.LayerNorm(2 * HIDDEN)),
          nn.Linear(2 * HIDDEN, 6), nn.LogSoftmax(-1))
    chain("chain_forecast", "lstm 0, lstm 1, last_step, linear 3, leaky_relu alpha=0.2, linear 5", x,
          Rnn(INPUT, HIDDEN), Rnn(HIDDEN, 6, bias=False), LastStep(), nn.Linear(6, 8),
          nn.LeakyReLU(0.2), nn.Linear(8, 1))
    chain("chain_conv", "conv1d 0 padding=1, batch_norm 1, relu, lstm 3, linear 4, hard_sigmoid_keras3",
          x, Steps(nn.Conv1d(INPUT, 8, 3, padding=1)), Steps(trained(nn.BatchNorm1d(8))), nn.ReLU(),
          Rnn(8, HIDDEN, proj_size=3), nn.Linear(3, 2), nn.Hardsigmoid())
    chain("chain_final_states", "lstm 0 return_sequences=false, linear 1, softmax", x,
          FinalStates(INPUT, HIDDEN, 2, bidirectional=True), nn.Linear(2 * HIDDEN, 3), nn.Softmax(-1))
    chain("chain_flat", f"lstm 0, flatten steps={STEPS}, linear 2, elu", x, Rnn(INPUT, HIDDEN),
          Function(lambda h: h.transpose(0, 1).reshape(ROWS, -1)), nn.Linear(STEPS * HIDDEN, 2),
          nn.ELU())
    chain("chain_mean", "lstm 0, global_average_pool1d, linear 2", x, Rnn(INPUT, HIDDEN),
          Function(lambda h: h.mean(0)), nn.Linear(HIDDEN, 2))
    chain("chain_max", "lstm 0, global_max_pool1d", x, Rnn(INPUT, HIDDEN),
          Function(lambda h: h.max(0).values))
    chain("chain_norm_epsilon", "layer_norm 0 epsilon=0.01, lstm 1, gelu", x,
          trained(nn.LayerNorm(INPUT, eps=0.01)), Rnn(INPUT, HIDDEN), nn.GELU())


def numpy_files():
    lstm = make_lstm()
    state = lstm.state_dict()
    for name, kind in ("f2", numpy.float16), ("f4", numpy.float32), ("f8", numpy.float64):
        arrays = {key: value.numpy().astype(kind) for key, value in state.items()}
        rounded = {key: torch.from_numpy(value) for key, value in arrays.items()}
        file = io.BytesIO()
        (numpy.savez_compressed if name == "f2" else numpy.savez)(file, **arrays)
        write(f"npz_{name}", file.getvalue(), *answer(make_lstm(), rounded), suffix="npz")
    file = io.BytesIO()
    numpy.savez(file, **{key: numpy.asfortranarray(value.numpy()) for key, value in state.items()})
    write("npz_fortran", file.getvalue(), *answer(lstm, state), suffix="npz")

    for name, array, because in (
            ("npz_object", numpy.array([{}, 1], dtype=object), "descr: '<f4', '<f8', '<f2'"),
            ("npz_big_endian", numpy.zeros((16, 3), ">f4"), "got '>f4'"),
            ("npz_gates_apart", numpy.zeros((4, 7), "<f4"), "no LSTM found: weights named")):
        file = io.BytesIO()
        numpy.savez(file, weight_ih=array)
        refuse(name, file.getvalue(), because, suffix="npz")


def others():
    refuse("gru", saved(nn.GRU(INPUT, HIDDEN).state_dict()), "is a GRU, not an LSTM")
    refuse("rnn", saved(nn.RNN(INPUT, HIDDEN).state_dict()), "is a plain RNN, not an LSTM")
    module = make_lstm()
    refuse("module", saved(module), "the pickle wants 'torch.nn.modules.rnn.LSTM'")
    refuse("legacy_module", saved(module, _use_new_zipfile_serialization=False),
           "the pickle wants 'torch.nn.modules.rnn.LSTM'")
    state = module.state_dict()
    refuse("system", rezipped(saved(state), change=lambda data: data.replace(
        b"ctorch._utils\n_rebuild_tensor_v2\n", b"cos\nsystem\n", 1)), "the pickle wants 'os.system'")
    refuse("no_tensors", saved({"epoch": 1}), "no state_dict found")
    refuse("two_dicts", saved({"encoder": state, "decoder": state}),
           "several LSTMs: 'decoder.', 'encoder.'")
    refuse("infinite", saved({**state, "bias_ih_l0": state["bias_ih_l0"] / 0}), "'bias_ih_l0'")
    refuse("quantized", saved({**state, "weight_hh_l0": torch.ones(16, 4, dtype=torch.int8)}),
           "float32, float16, bfloat16 or float64 expected, got int8")
    refuse("bug_430_negated_view", saved({**state, "weight_hh_l0": torch._neg_view(state["weight_hh_l0"])}),
           "tensor 'weight_hh_l0': a view with the neg bit")
    refuse("missing", saved({**state, "weight_ih_l1": torch.ones(16, 4)}), "'weight_hh_l1' is missing")


def dict_of_dicts():
    lstm, fc = make_lstm(), nn.Linear(HIDDEN, 2)
    optimizer = torch.optim.Adam(lstm.parameters())
    x, output = answer(lstm, lstm.state_dict(), fc)
    modules = {"lstm": lstm.state_dict(), "fc": fc.state_dict(), "step": 9,
               "optimizer": optimizer.state_dict()}
    write("dict_of_dicts", saved(modules), x, output, ["--layers", "lstm lstm, linear fc"])


def gates_apart():
    """LSTMs written out by hand keep a matrix for each gate, of h and x stacked."""
    lstm, out = make_lstm(), nn.Linear(HIDDEN, 2)
    x, output = answer(lstm, lstm.state_dict(), out)
    state = {name: value.numpy() for name, value in lstm.state_dict().items()}
    rows = {name: numpy.split(value, 4) for name, value in state.items()}
    hx, xh = {}, {}
    for gate, letter in enumerate("ifco"):
        ih, hh = rows["weight_ih_l0"][gate], rows["weight_hh_l0"][gate]
        bias = rows["bias_ih_l0"][gate] + rows["bias_hh_l0"][gate]
        hx[f"W{letter}"] = numpy.hstack([hh, ih]).astype(numpy.float64)
        hx[f"b{letter}"] = bias[:, None].astype(numpy.float64)
        xh[f"W_{letter.replace('c', 'g')}"] = numpy.hstack([ih, hh])
    hx["Wy"] = out.weight.detach().numpy()
    hx["by"] = out.bias.detach().numpy()[:, None]

    def npz(arrays):
        file = io.BytesIO()
        numpy.savez(file, **arrays)
        return file.getvalue()

    write("npz_gates_hx", npz(hx), x, output,
          ["--gate-columns", "hx", "--layers", "lstm lstm, linear y"], suffix="npz")
    unbiased = {name: value * ("weight" in name) for name, value in lstm.state_dict().items()}
    write("npz_gates_xh", npz(xh), *answer(lstm, unbiased), ["--gate-columns", "xh"], suffix="npz")
    refuse("npz_gates_of_which_columns", npz(xh), "--gate-columns hx or xh tells", suffix="npz")
    refuse("npz_gates_of_two_widths", npz(xh | {"W_f": xh["W_f"][:, 1:]}),
           "'W_f': a gate's [H,H+I] expected", ["--gate-columns", "xh"], suffix="npz")
    refuse("npz_gate_without_bias", npz({n: a for n, a in hx.items() if n != "bf"}),
           "a bias for each of the four gates expected, got 3", ["--gate-columns", "hx"], "npz")
    for name, twice, because in (("c_and_g", {"Wg": hx["Wc"]}, "'Wc' and 'Wg'"),
                                 ("spelt_twice", {"W_i": hx["Wi"]}, "'W_i' and 'Wi'"),
                                 ("bias_twice", {"bg": hx["bc"]}, "'bc' and 'bg'")):
        refuse(f"bug_450_{name}", npz(hx | twice), f"{because}: one array for each gate expected",
               ["--gate-columns", "hx", "--layers", "lstm lstm, linear y"], "npz")
    refuse("npz_gate_columns", npz(xh), "hx or xh expected, got 'ih'", ["--gate-columns", "ih"], "npz")
    refuse("gate_columns_of_none", saved(lstm.state_dict()), "weights 'Wi', 'Wf', 'Wc' and 'Wo'",
           ["--gate-columns", "hx"])


def left_aside():
    """What training scripts keep beside the weights, of which none is one."""
    lstm = make_lstm()
    state = lstm.state_dict()
    checkpoint = {"args": argparse.Namespace(hidden=HIDDEN, lr=numpy.float32(0.1), milestones=[3, 5]),
                  "model_state_dict": state, "best_loss": numpy.float64(0.25),
                  "epoch": numpy.int64(7), "device": torch.device("cuda", 0),
                  "shape": torch.Size([3, 4]), "correct": numpy.bool_(True)}
    write("bug_480_left_aside", saved(checkpoint), *answer(lstm, state))
    write("bug_480_left_aside_legacy", saved(checkpoint, _use_new_zipfile_serialization=False),
          *answer(lstm, state))
    write("bug_480_left_aside_protocol_4", saved(checkpoint, pickle_protocol=4),
          *answer(lstm, state))
    refuse("bug_480_array_as_a_weight", saved({**state, "bias_hh_l0": state["bias_hh_l0"].numpy()}),
           "the pickle wants 'numpy")
    refuse("bug_480_namespace", saved(argparse.Namespace(**state)), "got another object")


class Mode(enum.Enum):
    """Of no module that lstm-convert knows."""

    TRAIN = "train"


def objects_beside():
    """What scripts keep beside the weights, of classes known and unknown."""
    lstm = make_lstm()
    state = lstm.state_dict()
    checkpoint = {"epoch": 3, "seen": {1, 2}, "frozen": frozenset("ab"), "type": torch.float32,
                  "counts": collections.Counter("aab"), "lists": collections.defaultdict(list, a=[1]),
                  "path": pathlib.PurePosixPath("/data/x"), "at": datetime.datetime(2026, 1, 2, 3),
                  "took": datetime.timedelta(hours=1), "mode": Mode.TRAIN,
                  "confusion": numpy.zeros([2, 2]), "loss": torch.nn.MSELoss(), "state_dict": state}
    write("bug_507_objects_beside", saved(checkpoint), *answer(lstm, state))
    write("bug_507_objects_beside_protocol_4", saved(checkpoint, pickle_protocol=4),
          *answer(lstm, state))
    write("bug_507_objects_beside_legacy",
          saved(checkpoint, _use_new_zipfile_serialization=False), *answer(lstm, state))
    refuse("bug_507_object_as_the_model", saved({"model": lstm, "ema": state}),
           "the pickle wants 'torch.nn.modules.rnn.LSTM'")
    refuse("bug_507_object_beside_dicts", saved({"network": lstm, "ema": state}),
           "the pickle wants 'torch.nn.modules.rnn.LSTM'")
    refuse("bug_507_dict_of_ones_own", saved({"state_dict": collections.UserDict(state)}),
           "the pickle wants 'UserDict.IterableUserDict'")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    torch.manual_seed(20)
    for make in containers, objects, element_types, heads, chains, numpy_files, others, dict_of_dicts, \
            gates_apart, left_aside, objects_beside:
        make()


main()

"""torch.nn.LSTM's answers: sizes of the seed, no bias, batch_first, projections, depth, ragged rows,
saturated gates.

torch_cases.py GOLDEN_FOLDER writes GOLDEN_FOLDER/torch/CASE/: the state_dict as torch saves it
(model.pt) and as safetensors, io.safetensors (input, h_0, c_0 and lengths where the case has them,
output, h_n, c_n, and the answers in float64, ..._f64) and case.json: the arguments, and how far
torch's float32 is from float64.
"""
import io
import json
import pathlib
import shutil
import sys

import safetensors.torch
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FOLDER = pathlib.Path(sys.argv[1]) / "torch"


def run(lstm, x, states, lengths):
    """output, h_n, c_n."""
    if lengths is None:
        output, (h_n, c_n) = lstm(x, states)
        return output, h_n, c_n
    first = lstm.batch_first
    packed = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
    output, (h_n, c_n) = lstm(packed, states)
    output, _ = pad_packed_sequence(output, batch_first=first, total_length=x.shape[int(first)])
    return output, h_n, c_n


def write(name, lstm, tensors, lengths, error):
    folder = FOLDER / name
    folder.mkdir(parents=True)
    torch.save(lstm.state_dict(), folder / "model.pt")
    safetensors.torch.save_file(lstm.state_dict(), folder / "model.safetensors")
    safetensors.torch.save_file({key: value.contiguous() for key, value in tensors.items()},
                                folder / "io.safetensors")
    (folder / "case.json").write_text(json.dumps({
        "source": f"torch.nn.LSTM {torch.__version__.split('+')[0]}",
        "input_size": lstm.input_size, "hidden_size": lstm.hidden_size,
        "num_layers": lstm.num_layers, "bias": lstm.bias, "bidirectional": lstm.bidirectional,
        "proj_size": lstm.proj_size, "batch_first": lstm.batch_first,
        "initial_states": "h_0" in tensors, "lengths": lengths,
        "max_abs_error_of_source_vs_f64": error}, indent=1) + "\n")


@torch.no_grad()
def case(name, steps, rows, lstm, states=False, lengths=None, scale=1.0):
    shape = (rows, steps) if lstm.batch_first else (steps, rows)
    tensors = {"input": torch.randn(*shape, lstm.input_size) * scale}
    cells = lstm.num_layers * (2 if lstm.bidirectional else 1)
    initial = None
    if states:
        initial = (torch.randn(cells, rows, lstm.proj_size or lstm.hidden_size),
                   torch.randn(cells, rows, lstm.hidden_size))
        tensors["h_0"], tensors["c_0"] = initial
    if lengths is not None:
        tensors["lengths"] = torch.tensor(lengths)
    names = "output", "h_n", "c_n"
    answers = run(lstm, tensors["input"], initial, lengths)

    file = io.BytesIO()
    torch.save(lstm, file)
    exact = torch.load(io.BytesIO(file.getvalue()), weights_only=False).double()
    truth = run(exact, tensors["input"].double(),
                None if initial is None else tuple(state.double() for state in initial), lengths)
    error = max((a.double() - b).abs().max().item() for a, b in zip(answers, truth))
    tensors.update(zip(names, answers))
    tensors.update(zip((f"{n}_f64" for n in names), truth))
    write(name, lstm, tensors, lengths, error)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    torch.manual_seed(1)
    case("seed_simple", 17, 2, nn.LSTM(10, 7))
    case("seed_bidirectional", 17, 2, nn.LSTM(10, 7, bidirectional=True))
    case("seed_stacked3_bidirectional", 17, 2, nn.LSTM(10, 7, 3, bidirectional=True))
    case("one_by_one", 1, 1, nn.LSTM(1, 1))
    case("no_bias", 9, 4, nn.LSTM(5, 33, bias=False), states=True)
    case("batch_first", 11, 3, nn.LSTM(6, 9, 2, bidirectional=True, batch_first=True), states=True)
    case("single_step_states", 1, 3, nn.LSTM(12, 16, 2), states=True)
    case("deep_5", 8, 2, nn.LSTM(4, 11, 5))
    case("projection", 13, 2, nn.LSTM(8, 24, 2, bidirectional=True, proj_size=5), states=True)
    case("ragged", 19, 5, nn.LSTM(7, 17), states=True, lengths=[19, 12, 12, 3, 1])
    case("ragged_bidirectional_stacked", 14, 4, nn.LSTM(7, 10, 2, bidirectional=True), states=True,
         lengths=[14, 9, 2, 1])
    case("saturated", 40, 2, nn.LSTM(6, 8), states=True, scale=80.0)
    case("wide_130", 6, 9, nn.LSTM(21, 130), states=True)


main()

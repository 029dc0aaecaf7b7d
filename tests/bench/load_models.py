"""Models to be served under load: safetensors and configs with weights of no meaning."""

import array
import json
import pathlib
import random
import struct

# name: input size, hidden size, layers
MODELS = {
    "deep": (1024, 1024, 1),
    "vad": (128, 128, 1),
    "forecast": (16, 128, 2),
    "text": (16, 512, 2),
}

# Numbers are drawn once and tiled; the length is prime, so that no two rows are alike.
BLOCK = 65537
SEED = 1


def _tensors(input_size, hidden, layers):
    """(name, shape) of every weight, as torch.nn.LSTM names them."""
    for layer in range(layers):
        width = input_size if layer == 0 else hidden
        yield f"weight_ih_l{layer}", (4 * hidden, width)
        yield f"weight_hh_l{layer}", (4 * hidden, hidden)
        yield f"bias_ih_l{layer}", (4 * hidden,)
        yield f"bias_hh_l{layer}", (4 * hidden,)


def _count(shape):
    return shape[0] * (shape[1] if len(shape) > 1 else 1)


def _write_weights(path, input_size, hidden, layers):
    drawn = random.Random(SEED)
    scale = hidden ** -0.5
    block = array.array("f", (drawn.uniform(-scale, scale) for _ in range(BLOCK))).tobytes()
    header, offset = {}, 0
    for name, shape in _tensors(input_size, hidden, layers):
        size = 4 * _count(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.write((block * (offset // len(block) + 1))[:offset])


def write(folder, names):
    """Writes these models into the folder; the paths of their configs."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    configs = []
    for name in names:
        input_size, hidden, layers = MODELS[name]
        _write_weights(folder / f"{name}.safetensors", input_size, hidden, layers)
        sizes = {"input_size": input_size, "hidden_size": hidden, "num_layers": layers}
        config = folder / f"{name}.json"
        config.write_text(json.dumps({"weights": f"{name}.safetensors", "lstm": sizes}) + "\n",
                          encoding="ascii")
        configs.append(config)
    return configs


def step_flops(name):
    """Of one row's step; multiply and add count as two."""
    input_size, hidden, layers = MODELS[name]
    depth = sum((input_size if layer == 0 else hidden) + hidden for layer in range(layers))
    return 8 * hidden * depth

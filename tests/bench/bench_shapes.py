"""The shapes that are measured, T,B,I,H,L,D, and what bounds a pass."""

import bisect
import math

SHAPES = {
    "seed_simple": (17, 2, 10, 7, 1, 1),
    "seed_bidir": (17, 2, 10, 7, 1, 2),
    "seed_stack3bi": (17, 2, 10, 7, 3, 2),
    "vad_step": (1, 1, 128, 128, 1, 1),
    "vad_chunk": (32, 1, 128, 128, 1, 1),
    "forecast": (48, 32, 16, 128, 2, 1),
    "forecast_b1": (48, 1, 16, 128, 2, 1),
    "text": (50, 16, 256, 512, 2, 1),
    "speech_bi": (100, 1, 80, 512, 3, 2),
    "deep_b1": (25, 1, 1024, 1024, 1, 1),
    "deep_step": (1, 1, 1024, 1024, 1, 1),
    "deep_b32": (25, 32, 1024, 1024, 1, 1),
    "deep_b4_1536": (50, 4, 1536, 1536, 1, 1),
}


def text_of(shape):
    return ",".join(str(size) for size in shape)


def layer_inputs(shape):
    """What each layer takes at a step."""
    _, _, input_size, hidden, layers, directions = shape
    return [input_size] + [directions * hidden] * (layers - 1)


def flops(shape):
    """Of the matrix products of a pass; multiply and add count as two."""
    steps, batch, _, hidden, _, directions = shape
    depth = sum(width + hidden for width in layer_inputs(shape))
    return 8.0 * hidden * directions * depth * steps * batch


class Peaks:
    """What machine-peaks measured for a number of threads."""

    def __init__(self):
        self.gflops = 0.0
        self._gbps = {}

    def add(self, fields):
        """One line of machine-peaks. Of several measurements the best counts."""
        if fields["peak"] == "fma":
            self.gflops = max(self.gflops, float(fields["gflops"]))
        else:
            size = int(fields["bytes"])
            self._gbps[size] = max(self._gbps.get(size, 0.0), float(fields["gbps"]))

    def gbps(self, size):
        """Reading size bytes again and again: between two measured sizes, by their logarithms. What
        can be read of a larger buffer can be of a smaller one."""
        sizes = sorted(self._gbps)
        rates = [max(self._gbps[s] for s in sizes[i:]) for i in range(len(sizes))]
        if size <= sizes[0]:
            return rates[0]
        if size >= sizes[-1]:
            return rates[-1]
        above = bisect.bisect_left(sizes, size)
        low, high = sizes[above - 1], sizes[above]
        share = math.log(size / low) / math.log(high / low)
        return rates[above - 1] + share * (rates[above] - rates[above - 1])


def bound_us(shape, peaks):
    """The least a pass can take: the larger of its arithmetic at the peak, and of its reading. Each
    pass reads all weights once, from where the whole model fits, and at every further step each
    direction's recurrent weights, from where those fit."""
    steps, _, _, hidden, _, directions = shape
    recurrent = 4 * 4 * hidden * hidden
    inputs = layer_inputs(shape)
    model = sum(directions * (recurrent + 4 * 4 * hidden * width) for width in inputs)
    again = len(inputs) * directions * (steps - 1) * recurrent
    reading = model / peaks.gbps(model) + again / peaks.gbps(recurrent)
    return max(flops(shape) / peaks.gflops, reading) * 1e-3

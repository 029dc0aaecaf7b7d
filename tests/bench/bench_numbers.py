"""The numbers that every measured program computes with: the twin of bench_numbers.c."""

import numpy

STREAM_WEIGHT_IH, STREAM_WEIGHT_HH, STREAM_BIAS_IH, STREAM_BIAS_HH, STREAM_CELL = range(5)
STREAM_INPUT, STREAM_H_0, STREAM_C_0 = range(1 << 20, (1 << 20) + 3)


def _mix(z):
    z = z + numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def tensor(shape, stream, scale):
    """A float32 array: element i depends on stream and i alone."""
    index = numpy.arange(numpy.prod(shape), dtype=numpy.uint64)
    bits = _mix(numpy.uint64(stream << 32) | index) >> numpy.uint64(40)
    unit = bits.astype(numpy.float32) / numpy.float32(8388608) - numpy.float32(1)
    return (unit * numpy.float32(scale)).reshape(shape)

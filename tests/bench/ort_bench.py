"""ort_bench: the pass of lstm-bench computed by ONNX Runtime on the CPU.

    ort_bench.py --shape T,B,I,H,L,D --threads N [--seconds S] [--output FILE] --model FILE.onnx

The model is onnx_model.py's of that shape. Inputs and outputs are bound beforehand, all graph
optimisations are on, execution is sequential with N threads inside an operator. What the call
itself costs, Python and all, is measured on a model of the same inputs and outputs that computes
nothing.
"""

import argparse
import statistics
import time

import numpy
import onnxruntime

import bench_numbers as numbers
import onnx_model

OVERHEAD_SHARE = 0.2  # of the seconds, on top
WARM_UP_SHARE = 0.1
SAMPLES_MIN = 3


def create_session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def bind(session, arrays):
    """A binding of every input and output of the session, and the outputs' values."""
    binding = session.io_binding()
    for node in session.get_inputs():
        value = onnxruntime.OrtValue.ortvalue_from_numpy(arrays[node.name])
        binding.bind_ortvalue_input(node.name, value)
    outputs = []
    for node in session.get_outputs():
        zeros = numpy.zeros(node.shape, dtype=numpy.float32)
        outputs.append(onnxruntime.OrtValue.ortvalue_from_numpy(zeros))
        binding.bind_ortvalue_output(node.name, outputs[-1])
    return binding, outputs


def measure(session, binding, seconds):
    """Microseconds of one run: median, minimum."""
    # What session.run_with_iobinding calls, without the wrapper's own microsecond.
    run, bound = session._sess.run_with_iobinding, binding._iobinding
    clock = time.perf_counter_ns
    end = clock() + seconds * WARM_UP_SHARE * 1e9
    while clock() < end:
        run(bound, None)
    samples = []
    end = clock() + seconds * 1e9
    while len(samples) < SAMPLES_MIN or clock() < end:
        start = clock()
        run(bound, None)
        samples.append(clock() - start)
    return statistics.median(samples) / 1e3, min(samples) / 1e3


def lstm_inputs(shape):
    steps, batch, input_size, hidden, layers, directions = shape
    states = (layers, directions, batch, hidden)
    h_0 = numbers.tensor(states, numbers.STREAM_H_0, 1)
    c_0 = numbers.tensor(states, numbers.STREAM_C_0, 1)
    arrays = {"X": numbers.tensor((steps, batch, input_size), numbers.STREAM_INPUT, 1)}
    for layer in range(layers):
        arrays[f"h_0_{layer}"], arrays[f"c_0_{layer}"] = h_0[layer], c_0[layer]
    return arrays


def measure_overhead(shape, threads, seconds):
    session = create_session(onnx_model.empty_model(shape).SerializeToString(), threads)
    zero = numpy.zeros(1, dtype=numpy.float32)
    binding, _ = bind(session, {node.name: zero for node in session.get_inputs()})
    return measure(session, binding, seconds)[1]


def write_answer(outputs, path):
    """Output, h_n, c_n as raw floats, from Y, then each layer's h_n and c_n."""
    arrays = [value.numpy() for value in outputs]
    with open(path, "wb") as file:
        for array in arrays[:1] + arrays[1::2] + arrays[2::2]:
            file.write(array.tobytes())


def flops(shape):
    """Of the matrix products; multiply and add count as two."""
    steps, batch, input_size, hidden, layers, directions = shape
    depth = input_size + hidden + (layers - 1) * (directions * hidden + hidden)
    return 8.0 * hidden * directions * depth * steps * batch


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--model", required=True)
    parser.add_argument("--output")
    options = parser.parse_args()
    shape = [int(size) for size in options.shape.split(",")]

    overhead = measure_overhead(shape, options.threads, options.seconds * OVERHEAD_SHARE)
    session = create_session(options.model, options.threads)
    binding, outputs = bind(session, lstm_inputs(shape))
    median, least = measure(session, binding, options.seconds)
    print(f"peer=onnxruntime-{onnxruntime.__version__} shape={options.shape} "
          f"threads={options.threads} us_median={median:.3f} us_min={least:.3f} "
          f"gflops={flops(shape) / median * 1e-3:.2f} overhead_us={overhead:.3f}")
    if options.output:
        write_answer(outputs, options.output)


if __name__ == "__main__":
    main()

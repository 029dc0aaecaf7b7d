"""The speed table: lstmd and its peers over all shapes, on this machine, in one run.

    run_bench.py [--shape NAME]... [--threads N]... [--peer NAME]... [--rounds N] [--seconds S]
                 [--patience S] [--record | --no-record]

Programs run in turn, shape by shape and round by round, so that whatever else the machine does hits
all of them alike; a run beside other processes' work is repeated while patience lasts. A program's
time is the median of its rounds' medians, and the least of their minima. In the first round every
program's answer is compared with lstmd's. A run of everything is recorded: a section at the end of
SPEED.md, and speed.svg made anew.
"""

import argparse
import array
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import quiet_machine
import speed_chart
import speed_record
from bench_shapes import SHAPES, Peaks, text_of

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "bench"
VENV = ROOT / "build" / "bench-venv"
LIBRARIES = VENV / "peers"

TIMEOUT_SECONDS = 300
DIFFERENCE_MAX = 2e-5


class Program:
    """A measuring program: prints one line of name=value for a shape and a number of threads."""

    def __init__(self, name, command, library_path=(), environment=(), needs_model=False):
        self.name = name
        self.command = [str(part) for part in command]
        self.needs_model = needs_model
        self.environment = dict(os.environ, **dict(environment))
        if library_path:
            self.environment["LD_LIBRARY_PATH"] = ":".join(str(path) for path in library_path)

    def arguments(self, shape, threads, seconds, output):
        arguments = ["--shape", text_of(shape), "--threads", str(threads)]
        arguments += ["--seconds", str(seconds)]
        if self.needs_model:
            arguments += ["--model", str(model_file(shape))]
        return arguments + (["--output", str(output)] if output else [])


# A copy, so that a build in the meantime does not change what is measured.
LSTMD = Program("lstmd", [BUILD / "lstm-bench"])

PEERS = [
    Program("onnxruntime", [VENV / "bin" / "python", "-B", HERE / "ort_bench.py"],
            needs_model=True),
    Program("openvino", [BUILD / "openvino-bench"], [LIBRARIES / "openvino" / "lib"],
            needs_model=True),
    # SYCL looks for processors in the OpenCL runtimes it is told of.
    Program("onednn", [BUILD / "onednn-bench"], [LIBRARIES / "onednn" / "lib"],
            {"OCL_ICD_FILENAMES": str(VENV / "lib" / "libintelocl.so")}),
    # Its OpenMP comes with the other one.
    Program("onednn-openmp", [BUILD / "onednn-bench"],
            [LIBRARIES / "onednn-openmp" / "lib", VENV / "lib"]),
]


def fail(text):
    sys.exit(f"run_bench: {text}")


def run(command, environment=None):
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True,
                                timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        fail(f"{' '.join(command)}: not finished after {TIMEOUT_SECONDS} s")
    if result.returncode != 0:
        fail(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def fields_of(line):
    return dict(field.split("=", 1) for field in line.split())


def model_file(shape):
    """The shape's ONNX file, made where it is missing or older than what makes it."""
    path = BUILD / "models" / f"{text_of(shape)}.onnx"
    makers = [HERE / "onnx_model.py", HERE / "bench_numbers.py"]
    if not path.exists() or path.stat().st_mtime < max(m.stat().st_mtime for m in makers):
        path.parent.mkdir(parents=True, exist_ok=True)
        run([str(VENV / "bin" / "python"), "-B", str(makers[0]), text_of(shape), str(path)])
    return path


def measure_peaks(peaks, thread_counts, machine):
    for threads in thread_counts:
        command = [str(BUILD / "machine-peaks"), "--threads", str(threads)]
        for line in machine.run(lambda c=command: run(c)).splitlines():
            peaks.setdefault(threads, Peaks()).add(fields_of(line))


# ---- measuring ----


class Times:
    """A program's rounds at one shape and number of threads."""

    def __init__(self):
        self.medians, self.minima, self.overheads = [], [], []
        self.version = None

    def add(self, fields):
        self.version = fields.get("peer") or fields["kernel"]
        self.medians.append(float(fields["us_median"]))
        self.minima.append(float(fields["us_min"]))
        self.overheads.append(float(fields.get("overhead_us", 0)))

    # What a call costs that computes nothing is taken off once, at its least; but never more than
    # half of the least time, for it was measured at another moment and may have taken longer then.
    overhead = property(lambda self: min(min(self.overheads), min(self.minima) / 2))
    raw_median = property(lambda self: statistics.median(self.medians))
    median = property(lambda self: self.raw_median - self.overhead)
    least = property(lambda self: min(self.minima) - self.overhead)


def floats_of(path):
    floats = array.array("f")
    floats.frombytes(path.read_bytes())
    return floats


def largest_difference(ours, theirs):
    """Infinite when the answers have other sizes or a NaN."""
    if len(ours) != len(theirs):
        return float("inf")
    largest = max(abs(a - b) for a, b in zip(ours, theirs))
    return largest if all(b == b for b in theirs) else float("inf")


def check_answers(name, threads, programs):
    ours = floats_of(answer_file(programs[0]))
    largest = 0.0
    for peer in programs[1:]:
        difference = largest_difference(ours, floats_of(answer_file(peer)))
        if difference > DIFFERENCE_MAX:
            fail(f"{name}, {threads} threads: {peer.name}'s answer is {difference:g} from lstmd's")
        largest = max(largest, difference)
    return largest


def answer_file(program):
    return BUILD / f"answer-{program.name}.bin"


def show_progress(text):
    """A line that the next one replaces; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def measure_shape(name, threads, programs, options, machine):
    """{program name: Times} and the largest difference between answers."""
    shape, difference = SHAPES[name], 0.0
    times = {program.name: Times() for program in programs}
    for number in range(options.rounds):
        for program in programs:
            show_progress(f"{name}, threads {threads}, round {number + 1}: {program.name}")
            output = answer_file(program) if number == 0 else None
            command = program.command + program.arguments(shape, threads, options.seconds, output)
            line = machine.run(lambda p=program, c=command: run(c, p.environment))
            times[program.name].add(fields_of(line))
        if number == 0:
            difference = check_answers(name, threads, programs)
    show_progress("")
    return times, difference


def parse_options():
    parser = argparse.ArgumentParser(prog="make bench BENCH_ARGS=...")
    parser.add_argument("--shape", action="append", choices=SHAPES)
    parser.add_argument("--threads", action="append", type=int)
    parser.add_argument("--peer", action="append", choices=[peer.name for peer in PEERS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--patience", type=float, default=600,
                        help="seconds that waiting for other processes may take altogether")
    parser.add_argument("--record", action=argparse.BooleanOptionalAction)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.record is None:
        options.record = not (options.shape or options.threads or options.peer)
    return options


def main():
    options = parse_options()
    thread_counts = options.threads or [1, 2]
    names = options.shape or list(SHAPES)
    programs = [LSTMD] + [p for p in PEERS if not options.peer or p.name in options.peer]
    record = speed_record.Record(ROOT)
    machine = quiet_machine.QuietMachine(options.patience)

    shutil.copy2(ROOT / "build" / "lstm-bench", BUILD)
    measure_peaks(record.peaks, thread_counts, machine)
    for threads in thread_counts:
        for name in names:
            times, difference = measure_shape(name, threads, programs, options, machine)
            record.add(threads, name, times, difference)
            print(record.line(threads, name), flush=True)
    measure_peaks(record.peaks, thread_counts, machine)

    section = record.section(sys.argv[1:], machine)
    print("\n" + section)
    if options.record:
        record.append_to(HERE / "SPEED.md", section)
        (HERE / "speed.svg").write_text(speed_chart.draw(record), encoding="utf-8")
        print(f"recorded in {HERE.relative_to(ROOT)}/SPEED.md and speed.svg")


if __name__ == "__main__":
    main()

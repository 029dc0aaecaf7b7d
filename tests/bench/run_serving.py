"""Serving one LSTM: lstmd and what else one would take, on this machine, in one run.

    run_serving.py [--server NAME]... [--rounds N] [--seconds S] [--warmup S] [--patience S]
                   [--record | --no-record]

Servers run in turns, one at a time, round by round; lstm-load is the only generator. Of a server's
rounds the median one (by answers a second) is shown. Before anything is measured every server's
answer is compared with lstmd's. A run of all servers is recorded: a section at the end of
SERVING.md.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import re
import shlex
import socket
import statistics
import subprocess
import sys
import urllib.error
import urllib.request

import load_models
import quiet_machine
import served
from served import Load, Server, ServingError
from speed_record import describe_commit, describe_machine, output_of

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ROOT / "build" / "serving"
BINARIES = pathlib.Path(os.environ.get("BIN", ROOT / "build"))

HEADER = """# Serving, measured

Each section is one run of `make bench-serving`; newest last. Numbers compare within a run only.

One LSTM, 128 to 128, float32, zero initial states, one row. `step`: one step, 128 numbers in and
384 out (output, h_n, c_n). `chunk`: 32 steps, 4,096 in and 4,352 out. All servers speak the Open
Inference Protocol's JSON, and lstmd its binary tensors too; the load is lstm-load's, in a closed
loop, on the same machine. Every server's answer is compared with lstmd's in the run.

- **node**: Node's http server and onnxruntime-node, in 1 process or 2 (cluster).
- **fastapi**: FastAPI on uvicorn (uvloop, httptools), orjson, ONNX Runtime; 1 worker or 2.
- **mlserver**: MLServer with a runtime on ONNX Runtime; in its own process, or 2 parallel workers.

Each of their ONNX Runtime sessions computes with one thread. MiB is what all processes of a server
hold in memory at the end (what they share counted once).
"""

STEPS = {"step": 1, "chunk": 32}
CROWD = 32
INPUT_SIZE = load_models.MODELS["vad"][0]
PATH = "/v2/models/vad/infer"
DIFFERENCE_MAX = 2e-5


def fail(reason):
    sys.exit(f"run_serving: {reason}")


def show_progress(line):
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


# ---- servers ----


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def infer(url, steps):
    """The outputs of a request whose input is always the same: {name: numbers}."""
    drawn = random.Random(1)
    values = [round(drawn.uniform(-1, 1), 6) for _ in range(steps * INPUT_SIZE)]
    body = {"inputs": [{"name": "input", "datatype": "FP32", "shape": [steps, 1, INPUT_SIZE],
                        "data": values}]}
    request = urllib.request.Request(url + PATH, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {output["name"]: output["data"] for output in json.load(answer)["outputs"]}


def peer(command, port, environment=(), ends_with=(0,)):
    url = f"http://127.0.0.1:{port}"

    def is_ready():
        try:
            return bool(infer(url, 1))
        except (urllib.error.URLError, OSError):
            return False

    return Server(command, url, is_ready, environment, ends_with)


class Models:
    """The model as each of them wants it."""

    def __init__(self):
        self.config, = load_models.write(PEERS / "models", ["vad"])
        self.onnx = PEERS / "models" / "vad.onnx"
        subprocess.run([PEERS / "mlserver" / "bin" / "python", "-B",
                        HERE / "serving" / "onnx_file.py",
                        self.config.with_suffix(".safetensors"), self.onnx], check=True)

    def lstmd(self, _):
        return served.daemon(BINARIES / "lstmd", [self.config])

    def node(self, processes):
        port, = free_ports(1)
        return peer(["node", HERE / "serving" / "node_server.js", port, self.onnx, processes], port,
                    {"NODE_PATH": PEERS / "node" / "node_modules"}, (-15,))

    def fastapi(self, processes):
        port, = free_ports(1)
        return peer([PEERS / "fastapi" / "bin" / "uvicorn", "fastapi_server:app", "--app-dir",
                     HERE / "serving", "--port", port, "--workers", processes, "--no-access-log",
                     "--log-level", "warning"], port, {"MODEL_FILE": self.onnx}, (0, -15))

    def mlserver(self, processes):
        port, grpc, metrics = free_ports(3)
        folder = PEERS / "mlserver-run"
        folder.mkdir(exist_ok=True)
        settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc,
                    "metrics_port": metrics, "debug": False,
                    "parallel_workers": processes if processes > 1 else 0}
        model = {"name": "vad", "implementation": "mlserver_runtime.OnnxModel",
                 "parameters": {"uri": str(self.onnx)}}
        (folder / "settings.json").write_text(json.dumps(settings), encoding="ascii")
        (folder / "model-settings.json").write_text(json.dumps(model), encoding="ascii")
        return peer([PEERS / "mlserver" / "bin" / "mlserver", "start", folder], port,
                    {"PYTHONPATH": HERE / "serving"}, (0, -15, None))


# name: (method of Models, processes, how tensors are sent)
SERVERS = {
    "lstmd, JSON": ("lstmd", 1, "--json"),
    "lstmd, binary": ("lstmd", 1, "--binary"),
    "node": ("node", 1, "--json"),
    "node, 2 processes": ("node", 2, "--json"),
    "fastapi": ("fastapi", 1, "--json"),
    "fastapi, 2 workers": ("fastapi", 2, "--json"),
    "mlserver": ("mlserver", 1, "--json"),
    "mlserver, 2 workers": ("mlserver", 2, "--json"),
}
OURS = "lstmd, JSON"


def memory_mib(leader):
    """Of all processes in the leader's group; pages they share are shared out among them."""
    total = 0
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[2]) == leader:
                shares = (status.parent / "smaps_rollup").read_text(encoding="ascii")
                total += int(re.search(r"^Pss:\s+(\d+) kB$", shares, re.MULTILINE).group(1))
        except OSError:
            continue  # it has ended
    return total / 1024


# ---- measuring ----


class Round:
    """One server's loads: {(work, connections): lstm-load's fields}, and its memory."""

    def __init__(self):
        self.loads, self.mib = {}, 0.0


def load(server, work, connections, tensors, options, warmup=None):
    return Load(BINARIES / "lstm-load", server.url, options.seconds,
                options.warmup if warmup is None else warmup, "--path", PATH, "--shape", INPUT_SIZE,
                "--steps", STEPS[work], "--connections", connections, tensors).result()


def measure_round(models, name, options):
    kind, processes, tensors = SERVERS[name]
    found = Round()
    with getattr(models, kind)(processes) as server:
        for work in STEPS:
            for connections in (1, CROWD):
                show_progress(f"{name}: {work}, {connections} connections")
                found.loads[work, connections] = load(server, work, connections, tensors, options)
        found.mib = memory_mib(server.process_id)
    show_progress("")
    return found


def largest_difference(ours, theirs):
    if any(len(ours[name]) != len(theirs.get(name, ())) for name in ours):
        return float("inf")
    return max(abs(a - b) for name in ours for a, b in zip(ours[name], theirs[name]))


def check_answers(models, names):
    """Starts each kind of server once; the largest difference from lstmd's answer."""
    with models.lstmd(1) as server:
        expected = infer(server.url, 32)
    largest = 0.0
    for kind in {SERVERS[name][0]: None for name in names}:
        with getattr(models, kind)(1) as server:
            difference = largest_difference(expected, infer(server.url, 32))
        if not difference <= DIFFERENCE_MAX:
            raise ServingError(f"{kind}'s answer is {difference:g} from lstmd's")
        largest = max(largest, difference)
    return largest


def ours_among(names):
    return [name for name in names if SERVERS[name][0] == "lstmd"]


def answer_bytes(fields):
    return round(fields["bytes_in_s"] / fields["good_s"])


class Lone:
    """What a request can at best cost: a constant answer of the same size, and the pass."""

    def __init__(self, found, options):
        self.constant, self.crowd, self.compute = {}, {}, {}
        for work, steps in STEPS.items():
            for name in ours_among(found):
                self._measure_constant(found, name, work, options)
            shape = f"{steps},1,{INPUT_SIZE},{INPUT_SIZE},1,1"
            line = output_of([str(BINARIES / "lstm-bench"), "--shape", shape, "--threads", "1",
                              "--seconds", str(options.seconds)], ROOT)
            self.compute[work] = float(re.search(r"us_median=(\S+)", line).group(1))

    def _measure_constant(self, found, name, work, options):
        size, tensors = answer_bytes(found[name][0].loads[work, 1]), SERVERS[name][2]
        with Server([BINARIES / "bench" / "constant-server", "--bytes", size]) as server:
            self.constant[name, work] = load(server, work, 1, tensors, options)["p50_us"]
            self.crowd[name, work] = load(server, work, CROWD, tensors, options)["good_s"]


# ---- the table ----


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def median_of(rounds, work, connections):
    found = sorted((one.loads[work, connections] for one in rounds), key=lambda f: f["good_s"])
    return found[(len(found) - 1) // 2]


def row(name, rounds, ours):
    cells = [name]
    for work in STEPS:
        crowd = median_of(rounds, work, CROWD)
        times = median_of(ours, work, CROWD)["good_s"] / crowd["good_s"] if ours else 1
        cells += [number(crowd["good_s"]), f"{times:.2f}",
                  f"{number(crowd['p50_us'])} / {number(crowd['p99_us'])}",
                  number(median_of(rounds, work, 1)["p50_us"])]
    return cells + [f"{statistics.median(one.mib for one in rounds):.0f}"]


def table(found):
    heads = [""]
    for work in STEPS:
        heads += [f"{work}: requests/s", "lstmd's JSON ×", "p50 / p99 µs", "alone p50 µs"]
    heads += ["MiB"]
    rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    rows += [row(name, rounds, found.get(OURS)) for name, rounds in found.items()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def lone_lines(found, lone):
    lines = []
    for name in ours_among(found):
        for work in STEPS:
            constant = lone.constant[name, work]
            ours = median_of(found[name], work, 1)["p50_us"]
            lines.append(f"- {name}, {work}, one connection: libmicrohttpd answering a constant of "
                         f"the same size {number(constant)} µs, the pass "
                         f"{number(lone.compute[work])} µs (medians); lstmd {number(ours)} µs, "
                         f"{ours / (constant + lone.compute[work]):.2f} times their sum. "
                         f"{CROWD} connections: the constant {number(lone.crowd[name, work])} "
                         f"requests/s")
    return "\n".join(lines)


def ratio_lines(found):
    """How many times the answers a second of Node's servers."""
    lines = []
    for theirs in (name for name in found if name.startswith("node")):
        quotients = (f"{name.removeprefix('lstmd, ')} {work} {quotient(found, name, theirs, work)}"
                     for name in ours_among(found) for work in STEPS)
        lines.append(f"- lstmd's requests/s over those of {theirs}: {', '.join(quotients)}")
    return "\n".join(lines)


def quotient(found, ours, theirs, work):
    return "{:.1f}".format(median_of(found[ours], work, CROWD)["good_s"] /
                           median_of(found[theirs], work, CROWD)["good_s"])


def versions():
    lines = [f"node {output_of(['node', '--version'], ROOT).strip()}"]
    package = PEERS / "node" / "node_modules" / "onnxruntime-node" / "package.json"
    lines.append(f"onnxruntime-node {json.loads(package.read_text(encoding='utf-8'))['version']}")
    for venv, names in (("fastapi", ("fastapi", "uvicorn", "onnxruntime")),
                        ("mlserver", ("mlserver", "onnxruntime"))):
        code = f"from importlib.metadata import version\nfor n in {names!r}: print(n, version(n))"
        said = output_of([str(PEERS / venv / "bin" / "python"), "-c", code], ROOT)
        lines.append(f"{venv}'s: " + " ".join(said.split()))
    return ", ".join(lines)


# ---- the run ----


def parse_options():
    parser = argparse.ArgumentParser(prog="make bench-serving SERVING_ARGS=...")
    parser.add_argument("--server", action="append", choices=SERVERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--patience", type=float, default=300,
                        help="seconds that waiting for other processes may take altogether")
    parser.add_argument("--record", action=argparse.BooleanOptionalAction)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.record is None:
        options.record = not options.server
    return options


def main():
    options = parse_options()
    names = [OURS] + [name for name in options.server or SERVERS if name != OURS]
    commit = describe_commit(ROOT, ["core", "proto", "server"])
    machine = quiet_machine.QuietMachine(options.patience)
    models = Models()
    difference = check_answers(models, names)
    found = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            found[name].append(machine.run(lambda n=name: measure_round(models, n, options)))
    lone = machine.run(lambda: Lone(found, options))
    now = datetime.datetime.now(datetime.timezone.utc)
    arguments = f' SERVING_ARGS="{shlex.join(sys.argv[1:])}"' if sys.argv[1:] else ""
    section = "\n\n".join([
        f"## {now:%Y-%m-%d %H:%M} UTC, commit {commit}",
        f"- `make bench-serving{arguments}`, {versions()}\n- {describe_machine(ROOT)}\n"
        f"- {machine.disturbed} of {machine.runs} rounds beside more than a tenth of a processor "
        f"of other work\n- largest difference between a server's answer and lstmd's: "
        f"{difference:.1e}",
        f"{CROWD} connections; \"alone\" is one:", table(found), ratio_lines(found),
        lone_lines(found, lone)]) + "\n"
    print(section)
    if options.record:
        path = HERE / "SERVING.md"
        before = path.read_text(encoding="utf-8") if path.exists() else HEADER
        path.write_text(before + "\n" + section, encoding="utf-8")
        print(f"recorded in {path.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except ServingError as error:
        fail(error)

"""The same requests over every wire, in turns, into tests/bench/WIRES.md:  BIN=build run_wires.py [SECONDS]

One step of silero-vad, 512 bytes in, all outputs back: one request at a time, and 32 in flight (over HTTP on 32
connections, over ZeroMQ on one). Medians of three rounds, one daemon for all of them. Bare libzmq is zmq_echo.c: a
ROUTER that answers the same generator with frames of the same sizes and computes nothing; it has one round."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("BIN", "build")
ROUNDS = 3
NAMES = ["HTTP, JSON", "HTTP, binary", "ZeroMQ, tcp", "ZeroMQ, ipc", "bare libzmq, tcp", "bare libzmq, ipc"]

LONE = """
A lone request is slower over ZeroMQ than over HTTP whoever answers it: libzmq's own thread stands between the socket and
the server's on the way in and on the way out, two more wake-ups than HTTP has. Where requests overlap, they are taken and
answered in batches and share passes of the model.
"""


def ready_line(process, begins):
    for line in process.stderr:
        if line.startswith(begins):
            return dict(word.split("=", 1) for word in line.split() if "=" in word)
    raise SystemExit(f"no line that begins with '{begins}'")


def answer_sizes(http):
    """Of the answer's frames: the JSON, each tensor."""
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 1, 128], "parameters": {"binary_data_size": 512}}
    head = json.dumps({"parameters": {"binary_data_output": True}, "inputs": [tensor]}).encode()
    request = urllib.request.Request(
        http + "/v2/models/silero-vad/infer", head + bytes(512),
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))})
    with urllib.request.urlopen(request) as answer:
        size = int(answer.headers["Inference-Header-Content-Length"])
        outputs = json.loads(answer.read(size))["outputs"]
    return [size] + [output["parameters"]["binary_data_size"] for output in outputs]


def start_echo(endpoint, sizes):
    echo = subprocess.Popen([BIN / "bench" / "zmq-echo", endpoint, *map(str, sizes)], stderr=subprocess.PIPE, text=True)
    return echo, ready_line(echo, "zmq-echo ready")["zmq"]


def start(folder):
    daemon = subprocess.Popen(
        [BIN / "lstmd", "--model", ROOT / "deploy" / "models" / "silero-vad.json", "--http", "127.0.0.1:0",
         "--zmq", "tcp://127.0.0.1:0", "--zmq", f"ipc://{folder}/socket"],
        stderr=subprocess.PIPE, text=True)
    said = ready_line(daemon, "lstmd ready")
    tcp, ipc = said["zmq"].split(",")
    http = "http://" + said["http"]
    sizes = answer_sizes(http)
    echoes = [start_echo(endpoint, sizes) for endpoint in ("tcp://127.0.0.1:*", f"ipc://{folder}/echo")]
    urls = [http, http, tcp, ipc] + [url for _, url in echoes]
    wires = [(name, url, "--json" if "JSON" in name else "--binary") for name, url in zip(NAMES, urls)]
    return [daemon] + [echo for echo, _ in echoes], wires


def load(url, form, in_flight, seconds):
    done = subprocess.run(
        [BIN / "lstm-load", "--url", url, form, "--model", "silero-vad", "--shape", "128", "--connections",
         str(in_flight), "--seconds", str(seconds), "--warmup", "0.3"],
        capture_output=True, text=True, check=True)
    said = dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)
    return float(said["good_s"]), float(said["p50_us"]), float(said["p99_us"])


def table(wires, in_flight, seconds):
    runs = {name: [] for name in NAMES}
    for i in range(ROUNDS):
        for name, url, form in wires:
            if i == 0 or not name.startswith("bare"):
                runs[name].append(load(url, form, in_flight, seconds))
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in runs.items()}
    base = medians["HTTP, binary"]
    lines = [f"### {in_flight} in flight", "| | requests/s | to HTTP, binary | p50 µs | to HTTP, binary | p99 µs |",
             "|---|---|---|---|---|---|"]
    for name, (rate, p50, p99) in medians.items():
        lines.append(f"| {name} | {rate:.0f} | {rate / base[0]:.2f} | {p50:.1f} | {p50 / base[1]:.2f} | {p99:.1f} |")
    return "\n".join(lines) + "\n"


def main(seconds="2"):
    with tempfile.TemporaryDirectory() as folder:
        processes, wires = start(folder)
        tables = [table(wires, in_flight, float(seconds)) for in_flight in (1, 32)]
        for process in processes:
            process.terminate()
            process.wait(60)
    text = "# The wires side by side\n`make build/lstmd build/lstm-load build/bench/zmq-echo; BIN=build python3 -B tests/bench/run_wires.py` writes this page. " + __doc__.split("\n\n")[1].replace("\n", " ")
    text += f" Every run took {float(seconds):g} s; generator and daemon shared {os.cpu_count()} processors.\n\n"
    (ROOT / "tests" / "bench" / "WIRES.md").write_text(text + "\n".join(tables) + LONE, encoding="utf-8")
    print("\n".join(tables))


main(*sys.argv[1:])

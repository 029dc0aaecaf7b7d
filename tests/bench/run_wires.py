"""The same requests over every wire, in turns, into tests/bench/WIRES.md:  BIN=build run_wires.py [SECONDS]

One step of silero-vad, 512 bytes in, all outputs back: one request at a time, and 32 in flight (over HTTP on 32
connections, over ZeroMQ on one). Medians of three rounds, one daemon for all of them."""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("BIN", "build")
ROUNDS = 3
NAMES = ["HTTP, JSON", "HTTP, binary", "ZeroMQ, tcp", "ZeroMQ, ipc"]


def start(folder):
    daemon = subprocess.Popen(
        [BIN / "lstmd", "--model", ROOT / "deploy" / "models" / "silero-vad.json", "--http", "127.0.0.1:0",
         "--zmq", "tcp://127.0.0.1:0", "--zmq", f"ipc://{folder}/socket"],
        stderr=subprocess.PIPE, text=True)
    for line in daemon.stderr:
        if line.startswith("lstmd ready"):
            said = dict(word.split("=", 1) for word in line.split() if "=" in word)
            tcp, ipc = said["zmq"].split(",")
            http = "http://" + said["http"]
            return daemon, list(zip(NAMES, [http, http, tcp, ipc], ["--json", "--binary", "--binary", "--binary"]))
    raise SystemExit("the daemon did not get ready")


def load(url, form, in_flight, seconds):
    done = subprocess.run(
        [BIN / "lstm-load", "--url", url, form, "--model", "silero-vad", "--shape", "128", "--connections",
         str(in_flight), "--seconds", str(seconds), "--warmup", "0.5"],
        capture_output=True, text=True, check=True)
    said = dict(word.split("=", 1) for word in done.stdout.split() if "=" in word)
    return float(said["good_s"]), float(said["p50_us"]), float(said["p99_us"])


def table(wires, in_flight, seconds):
    runs = {name: [] for name in NAMES}
    for _ in range(ROUNDS):
        for name, url, form in wires:
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
        daemon, wires = start(folder)
        tables = [table(wires, in_flight, float(seconds)) for in_flight in (1, 32)]
        daemon.terminate()
        daemon.wait(60)
    text = "# The wires side by side\n`BIN=build python3 -B tests/bench/run_wires.py` writes this page. " + __doc__.split("\n\n")[1].replace("\n", " ")
    text += f" Every run took {float(seconds):g} s; generator and daemon shared {os.cpu_count()} processors.\n\n"
    (ROOT / "tests" / "bench" / "WIRES.md").write_text(text + "\n".join(tables), encoding="utf-8")
    print("\n".join(tables))


main(*sys.argv[1:])

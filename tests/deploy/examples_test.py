"""Every client of deploy/examples against the daemon:  examples_test.py LSTMD [NODE_MODULES]

Prints TAP. All must print the same numbers. Those for Node are run where NODE_MODULES, a folder with
zeromq in it, is given (`make examples`)."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
# PyTorch's model of the seed, as README.md shows it.
WANTED = [0.070591785, 0.046749234, -0.014197396, -0.10220872, -0.13339949, 0.09823206, 0.11853891]


def start(lstmd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LSTMD_")}
    daemon = subprocess.Popen(
        [lstmd, "--models", ROOT / "deploy" / "models", "--http", "127.0.0.1:0", "--zmq", "tcp://127.0.0.1:0"],
        stderr=subprocess.PIPE, text=True, env=environment)
    for line in daemon.stderr:
        ready = re.search(r"ready http=(\S+) zmq=(\S+)", line)
        if ready:
            return daemon, "http://" + ready[1], ready[2]
    raise SystemExit("the daemon did not get ready")


def compile_c(source, library, folder):
    program = folder / source.stem
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, source, library], check=True)
    return [program]


def commands(folder, modules):
    yield compile_c(EXAMPLES / "client.c", "-lzmq", folder), "zmq"
    yield compile_c(EXAMPLES / "http_client.c", "-lcurl", folder), "http"
    yield ["/usr/bin/python3", "-B", EXAMPLES / "client.py"], "zmq"
    yield ["/usr/bin/python3", "-B", EXAMPLES / "http_client.py"], "http"
    if modules:
        # Packages are looked for beside the file.
        (folder / "node_modules").symlink_to(pathlib.Path(modules).resolve())
        yield ["node", shutil.copy(EXAMPLES / "client.mjs", folder)], "zmq"
        yield ["node", shutil.copy(EXAMPLES / "http_client.mjs", folder)], "http"


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)][-7:]


def main(lstmd, modules=None):
    failed = 0
    daemon, http, zmq = start(lstmd)
    with tempfile.TemporaryDirectory() as folder:
        for index, (command, wire) in enumerate(commands(pathlib.Path(folder), modules), 1):
            done = subprocess.run([*command, http if wire == "http" else zmq], capture_output=True, text=True,
                                  timeout=60, check=False)
            found = numbers(done.stdout)
            good = done.returncode == 0 and len(found) == 7 and all(
                abs(a - b) < 1e-6 for a, b in zip(found, WANTED))
            failed += not good
            print(f"{'ok' if good else 'not ok'} {index} - {pathlib.Path(command[-1]).name}")
            if not good:
                print("# " + (done.stdout + done.stderr).replace("\n", "\n# "))
    daemon.terminate()
    return 1 if daemon.wait(60) or failed else 0


sys.exit(main(*sys.argv[1:]))

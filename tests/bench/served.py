"""Servers under load, and the load: programs started and stopped, lstm-load against them."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

READY_SECONDS = 60
STOP_SECONDS = 60
SAMPLE_SECONDS = 0.1


class ServingError(Exception):
    pass


def resident_mib(process_id):
    """What the process has in memory, or None when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else None


def processor_seconds(process_id):
    """What the process has had of processors' time."""
    fields = pathlib.Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rsplit(")", 1)[1]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Resident:
    """Samples a process's memory until stopped."""

    def __init__(self, process_id, seconds=SAMPLE_SECONDS):
        self.samples = []  # (seconds since the start, MiB)
        self._process_id, self._seconds = process_id, seconds
        self._start, self._over = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while True:
            mib = resident_mib(self._process_id)
            if mib is not None:
                self.samples.append((time.monotonic() - self._start, mib))
            if self._over.wait(self._seconds):
                return

    def stop(self):
        self._over.set()
        self._thread.join()

    def largest(self):
        return max(mib for _, mib in self.samples)

    def largest_between(self, begin, end):
        return max(mib for at, mib in self.samples if begin <= at < end)


class Server:
    """A program that serves: with Server(...) as server: server.url. It ends with the block.

    Its url is in what it says on stderr, as "... ready ... http=ADDRESS:PORT ...". Programs that do
    not say so are given a url, and asked: is_ready() is whether it answers."""

    def __init__(self, command, url=None, is_ready=None, environment=(), ends_with=(0,)):
        self._command = [str(part) for part in command]
        self._is_ready, self._ends_with = is_ready, ends_with
        self._environment = {key: value for key, value in os.environ.items()
                             if not key.startswith("LSTMD_")} | dict(environment)
        self._process = self._log = None
        self.url = url

    process_id = property(lambda self: self._process.pid)

    def _said(self):
        self._log.seek(0)
        return self._log.read()

    def _find_url(self):
        """Whether it is ready."""
        if self.url is not None:
            return self._is_ready()
        ready = re.search(r" ready .*?http=(\S+) .*\n", " " + self._said())
        self.url = f"http://{ready.group(1)}" if ready else None
        return ready is not None

    def _wait_until_ready(self):
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self._find_url():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        self._end()
        raise ServingError(f"{' '.join(self._command)}: not ready\n{self._said()}")

    def _signal(self, number):
        """Its own processes too, which are of its group."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def _end(self):
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def __enter__(self):
        # pylint: disable-next=consider-using-with
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")
        # pylint: disable-next=consider-using-with
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=self._log,
                                         stderr=self._log, env=self._environment,
                                         start_new_session=True)
        self._wait_until_ready()
        return self

    def __exit__(self, kind, value, traceback):
        code = self._end()
        said = self._said()
        self._log.close()
        if kind is None and code not in self._ends_with:
            raise ServingError(f"{' '.join(self._command)}: exit {code}\n{said}")


def daemon(binary, configs, options=()):
    """lstmd on a free port of this machine."""
    models = [part for config in configs for part in ("--model", config)]
    return Server([binary, "--http", "127.0.0.1:0", *models, *options])


class Load:
    """A run of lstm-load that goes on meanwhile; what it says is result()."""

    def __init__(self, binary, url, seconds, warmup, *options):
        self._command = [str(binary), "--url", url, "--seconds", str(seconds), "--warmup",
                         str(warmup)] + [str(option) for option in options]
        # pylint: disable-next=consider-using-with
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)

    def result(self):
        """{name: number or text}"""
        out, errors = self._process.communicate()
        if self._process.returncode != 0:
            raise ServingError(f"{' '.join(self._command)}: exit {self._process.returncode}\n"
                               f"{out}{errors}")
        return {name: _value_of(text) for name, text in
                (field.split("=", 1) for field in out.split())}


def _value_of(text):
    try:
        return float(text)
    except ValueError:
        return text

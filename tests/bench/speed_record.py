"""What one run of run_bench.py found, and how it is written into SPEED.md."""

import datetime
import math
import re
import statistics
import subprocess

from bench_shapes import SHAPES, bound_us, flops, text_of

HEADER = """# Speed, measured

Each section is one run of `make bench`; newest last. Numbers compare within a run only: other runs
met another machine, or the same one with other work on it.

A pass takes an input [T,B,I] with initial states and gives output and final states, float32,
weights prepared beforehand. Shapes are T,B,I,H,L,D: steps, batch, input size, hidden size, layers,
directions. Times are microseconds, `median / least`: the median of the rounds' medians, the least
of all. `×` is the fastest peer's time over lstmd's: the median of the rounds' quotients of medians;
`× least` is by the least times. GFLOP/s, and the shares of the FMA peak and of the bound, are by
lstmd's least time. The bound is the larger of arithmetic at the peak and of reading: all weights
once, at the speed measured for a buffer of the model's size, and each direction's recurrent weights
again at every further step, at that for their size.

The peers, in their best configuration, in the same run with the same number of threads:

- **onnxruntime**: Python's binding with inputs and outputs bound beforehand, all graph
  optimisations, sequential execution. What its call takes on a model that computes nothing is taken
  off (`onnxruntime raw`: the median as measured).
- **openvino**: C interface, one synchronous request, hint LATENCY, float32 kept.
- **onednn**: C interface, one inference primitive a layer, weights reordered beforehand as the
  primitive asks; Intel's current package, whose CPU engine stands on SYCL and TBB. What that takes
  to hand over an empty primitive a layer is taken off likewise.
- **onednn-openmp**: the same program with the last plain OpenMP build on PyPI.

Nothing is taken off lstmd's own times. Every peer's answer is compared with lstmd's in the run.
"""


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def number(value):
    """Three or four digits that count."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def output_of(command, root):
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout


def describe_commit(root, folders):
    """What is checked out, and whether one of these has changes beside it."""
    commit = output_of(["git", "rev-parse", "--short", "HEAD"], root).strip() or "unknown"
    changed = output_of(["git", "status", "--porcelain", "--", *folders], root)
    return commit + (f" with changes in {', '.join(folders)}" if changed.strip() else "")


def describe_machine(root):
    facts = dict(re.findall(r"^([^:]+):\s*(.+?)\s*$", output_of(["lscpu"], root), re.MULTILINE))
    caches = ", ".join(f"{name} {facts[name + ' cache']}" for name in ("L1d", "L2", "L3")
                       if name + " cache" in facts)
    return (f"{facts.get('Model name', 'unknown')}, family {facts.get('CPU family', '?')} model "
            f"{facts.get('Model', '?')}, {facts.get('CPU(s)', '?')} CPUs ({caches})")


class Record:
    def __init__(self, root):
        # Now: the tree may change while the run goes on.
        self._commit = describe_commit(root, ["core", "server/meeting.c"])
        self._machine = describe_machine(root)
        self.peaks = {}  # threads -> Peaks
        self.difference = 0.0
        self._times = {}  # threads -> shape name -> program name -> Times

    def add(self, threads, name, times, difference):
        self._times.setdefault(threads, {})[name] = times
        self.difference = max(self.difference, difference)

    def thread_counts(self):
        return list(self._times)

    def shape_names(self, threads):
        return list(self._times[threads])

    def ours(self, threads, name):
        return self._times[threads][name]["lstmd"]

    def peers(self, threads, name):
        return {k: v for k, v in self._times[threads][name].items() if k != "lstmd"}

    def _peer_ratios(self, threads, name):
        """{peer: how many times lstmd's time it takes}: the median over the rounds of what each
        round says, because a round's programs meet the machine in the same mood."""
        ours = self.ours(threads, name).medians
        return {peer: statistics.median((theirs - times.overhead) / our
                                        for theirs, our in zip(times.medians, ours))
                for peer, times in self.peers(threads, name).items()}

    def fastest_peer(self, threads, name):
        ratios = self._peer_ratios(threads, name)
        return min(ratios, key=ratios.get)

    def ratio(self, threads, name):
        return min(self._peer_ratios(threads, name).values())

    def least_ratio(self, threads, name):
        """The same by the least times of all rounds."""
        fastest = min(times.least for times in self.peers(threads, name).values())
        return fastest / self.ours(threads, name).least

    def ratios(self, threads):
        return {name: self.ratio(threads, name) for name in self.shape_names(threads)}

    def line(self, threads, name):
        """While the run goes on."""
        ours = self.ours(threads, name)
        return (f"{name:14} threads {threads}: {number(ours.median):>7} us, "
                f"{self.ratio(threads, name):5.2f}x {self.fastest_peer(threads, name)} "
                f"(least {number(ours.least)} us, {self.least_ratio(threads, name):.2f}x)")

    # ---- SPEED.md ----

    def _columns(self, threads):
        """(heading, function of a shape's name) for each column of the table."""
        first = self.shape_names(threads)[0]
        columns = [("shape", lambda name: f"{name} {text_of(SHAPES[name])}"),
                   ("lstmd", lambda name: self._cell(self.ours(threads, name)))]
        for peer, times in self.peers(threads, first).items():
            columns.append((peer, lambda name, p=peer: self._cell(self.peers(threads, name)[p])))
            if times.overhead > 0:
                columns.append((f"{peer} raw", lambda name, p=peer: number(
                    self.peers(threads, name)[p].raw_median)))
        peak = self.peaks[threads]

        def rate(name):
            return flops(SHAPES[name]) / self.ours(threads, name).least * 1e-3

        def of_bound(name):
            return bound_us(SHAPES[name], peak) / self.ours(threads, name).least

        return columns + [
            ("×", lambda name: f"**{self.ratio(threads, name):.2f}**"),
            ("× least", lambda name: f"{self.least_ratio(threads, name):.2f}"),
            ("GFLOP/s", lambda name: f"{rate(name):.1f}"),
            ("of peak", lambda name: f"{rate(name) / peak.gflops:.0%}"),
            ("of bound", lambda name: f"{of_bound(name):.0%}"),
        ]

    @staticmethod
    def _cell(times):
        return f"{number(times.median)} / {number(times.least)}"

    def _table(self, threads):
        columns = self._columns(threads)
        rows = [[heading for heading, _ in columns], ["---"] + ["---:"] * (len(columns) - 1)]
        rows += [[cell(name) for _, cell in columns] for name in self.shape_names(threads)]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def _summary(self, threads):
        ratios = self.ratios(threads)
        least = [self.least_ratio(threads, name) for name in ratios]
        lowest = min(ratios, key=ratios.get)
        return (f"Geometric mean {geometric_mean(ratios.values()):.2f}×, by the least times "
                f"{geometric_mean(least):.2f}×; lowest {ratios[lowest]:.2f}× ({lowest}).")

    def _limits(self, threads):
        peak = self.peaks[threads]
        sizes = (16 << 10, 256 << 10, 4 << 20, 128 << 20)
        rates = ", ".join(f"{peak.gbps(size):.0f}" for size in sizes)
        return (f"FMA peak {peak.gflops:.0f} GFLOP/s; reading 16 KiB, 256 KiB, 4 MiB, 128 MiB "
                f"again and again: {rates} GB/s.")

    def _versions(self):
        threads = self.thread_counts()[0]
        name = self.shape_names(threads)[0]
        versions = [f"lstmd's kernel {self.ours(threads, name).version}"]
        versions += [times.version for times in self.peers(threads, name).values()]
        return ", ".join(versions)

    def section(self, arguments, machine):
        """Markdown."""
        now = datetime.datetime.now(datetime.timezone.utc)
        command = "make bench" + (f' BENCH_ARGS="{" ".join(arguments)}"' if arguments else "")
        parts = [
            f"## {now:%Y-%m-%d %H:%M} UTC, commit {self._commit}",
            f"- `{command}`, {self._versions()}\n"
            f"- {self._machine}\n"
            f"- {machine.disturbed} of {machine.runs} program runs beside more than a tenth of a "
            f"processor of other work\n"
            f"- largest difference between a peer's answer and lstmd's: {self.difference:.1e}",
        ]
        for threads in self.thread_counts():
            plural = "thread" if threads == 1 else "threads"
            parts += [f"### {threads} {plural}", self._limits(threads), self._table(threads),
                      self._summary(threads)]
        return "\n\n".join(parts) + "\n"

    def append_to(self, path, section):
        before = path.read_text(encoding="utf-8") if path.exists() else HEADER
        path.write_text(before + "\n" + section, encoding="utf-8")

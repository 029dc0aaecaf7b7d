"""lstmd under load: batching, short requests beside long ones, overload, and memory over time.

    run_load.py [--scenario NAME]... [--rounds N] [--seconds S] [--warmup S] [--patience S]
                [--soak] [--soak-seconds S] [--record | --no-record]

Every measurement has a daemon of its own, on models made for it with random weights, and lstm-load
beside it on the same machine. What is compared runs in turns; of the rounds the median one is
shown, by answered requests a second, or, where the same are asked of all, by p99. A run of every scenario is recorded: a section at the end of
LOAD.md, and load.svg made anew.
"""

import argparse
import datetime
import os
import pathlib
import shlex
import sys

import load_chart
import load_models
import quiet_machine
import served
from served import Load, Resident, ServingError
from speed_record import describe_commit, describe_machine

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build" / "bench"
BINARIES = pathlib.Path(os.environ.get("BIN", ROOT / "build"))

HEADER = """# Under load, measured

Each section is one run of `make load`; newest last. Numbers compare within a run only.

The daemon and the load generator (`lstm-load`, tests/bench/) share the machine. Latencies are from
the client's side. In an open loop requests are due at random moments (Poisson) whatever the server
does, and latencies count from when they were due. *Batching off* is `--tick-rows 1`: rows of
different requests never share a pass; everything else is the same.

Models (random weights, float32, tensors binary unless said otherwise): `deep` one LSTM 1024 to
1024, `vad` 128 to 128, `forecast` 16 to 128 in two layers, `text` 16 to 512 in two layers.
"""

BATCHING_OFF = ["--tick-rows", "1"]
OFFERED = (0.25, 0.5, 0.8, 1, 2, 5, 10)  # times the capacity
CROWD = 512  # connections of an overload: more than the daemon lets wait


def fail(reason):
    sys.exit(f"run_load: {reason}")


def show_progress(line):
    """A line that the next one replaces; nothing where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


# ---- tables ----


def number(value):
    """Three or four digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def milliseconds(us):
    return number(us / 1000) if us > 0 else "–"


def table(heads, rows):
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)] + rows
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


class Measured:
    """What one run of lstm-load gave, and the daemon's memory meanwhile."""

    def __init__(self, fields, resident):
        self.fields, self.resident = fields, resident

    def __getitem__(self, name):
        return self.fields[name]


class Bench:
    def __init__(self, options):
        self.options = options
        self.machine = quiet_machine.QuietMachine(options.patience)
        self.configs = {path.stem: path for path in
                        load_models.write(BUILD / "load-models", load_models.MODELS)}
        self.points = None  # of the chart: {label: [(offered, good, p50 ms, p99 ms)]}
        self.capacity = None

    def daemon(self, model, options=()):
        return served.daemon(BINARIES / "lstmd", [self.configs[model]], options)

    def load(self, daemon, model, *options):
        return Load(BINARIES / "lstm-load", daemon.url, self.options.seconds, self.options.warmup,
                    "--model", model, *options)

    def _once(self, model, load_options, daemon_options, flood):
        with self.daemon(model, daemon_options) as daemon:
            resident = Resident(daemon.process_id)
            beside = self.load(daemon, model, *flood) if flood else None
            fields = self.load(daemon, model, *load_options).result()
            if beside:
                beside.result()
            resident.stop()
            return Measured(fields, resident)

    def measure(self, model, load_options, daemon_options=(), flood=None):
        """flood: what a second lstm-load does at the same time."""
        show_progress(f"{model} {' '.join(str(o) for o in load_options)} "
                      f"{' '.join(daemon_options)}")
        found = self.machine.run(
            lambda: self._once(model, load_options, daemon_options, flood))
        show_progress("")
        return found

    def compare(self, cases, by="good_s"):
        """{label: arguments of measure} to {label: its median round}."""
        rounds = {label: [] for label in cases}
        for _ in range(self.options.rounds):
            for label, arguments in cases.items():
                rounds[label].append(self.measure(*arguments))
        return {label: sorted(found, key=lambda m: m[by])[(len(found) - 1) // 2]
                for label, found in rounds.items()}


# ---- scenarios: each gives a heading and what stands below it ----


def figures(label, found, first):
    return [label, number(found["good_s"]), f"{found['good_s'] / first['good_s']:.2f}×",
            milliseconds(found["p50_us"]), milliseconds(found["p99_us"]),
            f"{found['own_cpu']:.2f}"]


FIGURES = ["", "requests/s", "× the first", "p50 ms", "p99 ms", "lstm-load's CPU"]


def comparison(bench, cases):
    found = bench.compare(cases)
    first = next(iter(found.values()))
    return table(FIGURES, [figures(label, one, first) for label, one in found.items()])


def deep(bench):
    """Streams of one step at a time through a model larger than the caches near the core."""
    parts = []
    for title, extra in (("Stateless: h_0 and c_0 are sent with each step", ["--states"]),
                         ("Sequences kept by the server", ["--sequences", "100"])):
        step = ["--binary", *extra, "--steps", "1", "--connections"]
        parts += [title + ":", comparison(bench, {
            "1 client": ("deep", [*step, 1]),
            "16 clients, batching off": ("deep", [*step, 16], BATCHING_OFF),
            "16 clients": ("deep", [*step, 16]),
        })]
    return "deep: 16 streams, a step at a time", parts


def small(bench):
    """Where batching has little to win: it must not cost either."""
    def work(model, steps, connections, tensors, options=()):
        return (model, [tensors, "--steps", steps, "--connections", connections], options)

    cases = {}
    for name, model, steps in (("vad, 1 step", "vad", 1), ("vad, 32 steps", "vad", 32),
                               ("forecast, 48 steps", "forecast", 48)):
        for tensors in ("--json", "--binary"):
            label = f"{name}, {tensors[2:]}"
            cases[f"{label}, batching off"] = work(model, steps, 32, tensors, BATCHING_OFF)
            cases[label] = work(model, steps, 32, tensors)
    found = bench.compare(cases)
    rows = []
    for label, one in found.items():
        off = found.get(f"{label}, batching off", one)
        rows.append(figures(label, one, off))
    return ("Small models, 32 clients",
            [table(["", "requests/s", "× batching off"] + FIGURES[3:], rows)])


def beside_long(bench):
    """Short requests, alone and beside a flood of long ones."""
    short = ["--binary", "--steps", 32]
    most = bench.measure("vad", [*short, "--connections", 16])["good_s"]
    some = [*short, "--connections", 64, "--rate", f"{most / 5:.0f}"]
    long = ["--binary", "--steps", 2000, "--connections", 16]
    found = bench.compare({
        "alone": ("vad", some),
        "beside 16 clients of 2,000 steps": ("vad", some, (), long),
        "the same, batching off": ("vad", some, BATCHING_OFF, long),
    }, by="p99_us")
    rows = [[label, number(one["good_s"])] + [milliseconds(one[name]) for name in
                                              ("p50_us", "p99_us", "p999_us", "max_us")]
            for label, one in found.items()]
    return (f"vad: requests of 32 steps, {most / 5:,.0f}/s at random moments (a fifth of what the "
            "daemon answers at most)",
            [table(["", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"], rows)])


def overloading(steps):
    return ["--binary", "--steps", steps]


OVERLOADED = overloading(25)
# The more there is to compute, the fewer requests the same overload is, and the less it costs to
# tell most of them that there is no room.
LONGER, OFFERED_LONGER = (100, 200), (1, 10)


def capacity_of(bench, request):
    return bench.compare({"": ("text", [*request, "--connections", 64])})[""]["good_s"]


def overload_row(factor, offered, found):
    return [f"{factor:g} × ({offered:,.0f}/s)", number(found["good_s"]),
            milliseconds(found["p50_us"]), milliseconds(found["p99_us"]),
            number(found["refused_s"]), milliseconds(found["refused_p50_us"]),
            milliseconds(found["refused_p99_us"]), f"{found['own_cpu']:.2f}",
            f"{found['unsent']:,.0f}", f"{found.resident.largest():.0f}"]


OVERLOAD = ["offered", "answered/s", "p50 ms", "p99 ms", "refused/s", "refusal p50 ms",
            "refusal p99 ms", "lstm-load's CPU", "never sent", "daemon MiB"]


def overload_table(bench, request, capacity, factors, options=()):
    """Also the chart's points."""
    rows, points = [], []
    for factor in factors:
        offered = factor * capacity
        found = bench.measure("text", [*request, "--connections", CROWD, "--rate",
                                       f"{offered:.1f}", "--expect-503"], options)
        if found["refused_silently"] > 0 or found["good_s"] == 0:
            raise ServingError("overload: a 503 without Retry-After, or no answer at all")
        rows.append(overload_row(factor, offered, found))
        points.append((offered, found["good_s"], found["p50_us"] / 1000, found["p99_us"] / 1000))
    return table(OVERLOAD, rows), points


REFUSAL_BYTES = 64  # about


def sockets_sentence(bench, request, offered):
    """What is left for answers where nothing is computed and nothing refused."""
    options, shape = bench.options, load_models.MODELS["text"][0]
    show_progress(f"sockets alone, {offered:,.0f}/s")
    with served.Server([BUILD / "constant-server", "--bytes", REFUSAL_BYTES]) as server:
        found = Load(BINARIES / "lstm-load", server.url, options.seconds, 0, "--model", "text",
                     "--shape", shape, "--path", "/", *request, "--connections", CROWD, "--rate",
                     f"{offered:.1f}").result()
        taken = served.processor_seconds(server.process_id) / options.seconds
    show_progress("")
    processors = len(os.sched_getaffinity(0))
    left = 1 - (taken + found["own_cpu"]) / processors
    return (f"At {offered:,.0f}/s sockets alone (libmicrohttpd answering everything with a "
            f"constant, and lstm-load) take {taken + found['own_cpu']:.2f} of {processors} "
            f"processors: {100 * left:.0f} % are left.")


def overload(bench):
    """Up to ten times of what can be computed, batching on and off at the same rates; and of longer
    requests."""
    bench.capacity = capacity_of(bench, OVERLOADED)
    bench.points, parts = {}, []
    for label, options in (("batching", ()), ("batching off", BATCHING_OFF)):
        shown, bench.points[label] = overload_table(bench, OVERLOADED, bench.capacity, OFFERED,
                                                    options)
        parts += [label.capitalize() + ":", shown]
    parts.append(sockets_sentence(bench, OVERLOADED, OFFERED[-1] * bench.capacity))
    for steps in LONGER:
        capacity = capacity_of(bench, overloading(steps))
        parts += [f"Requests of {steps} steps, batching; capacity {capacity:,.0f}/s:",
                  overload_table(bench, overloading(steps), capacity, OFFERED_LONGER)[0],
                  sockets_sentence(bench, overloading(steps), OFFERED_LONGER[-1] * capacity)]
    parts.append(f"*Never sent*: due while all {CROWD} connections were busy, and still when the "
                 "measurement had been over for as long as lstm-load waits.")
    return (f"Overload: text, 25 steps; capacity {bench.capacity:,.0f}/s with 64 clients that wait "
            "for their answers", parts + ["![Latency and goodput](load.svg)"])


SOAK_SHARES = 10


def soak(bench):
    """Twice the capacity for minutes: memory must not grow."""
    offered, seconds = 2 * (bench.capacity or capacity_of(bench, OVERLOADED)), bench.options.soak_seconds
    show_progress(f"soak, {seconds:g} s")
    with bench.daemon("text") as daemon:
        resident = Resident(daemon.process_id, seconds / 100)
        found = Load(BINARIES / "lstm-load", daemon.url, seconds, 0, "--model", "text", *OVERLOADED,
                     "--connections", CROWD, "--rate", f"{offered:.1f}", "--expect-503").result()
        resident.stop()
    show_progress("")
    length = seconds / SOAK_SHARES
    shares = [resident.largest_between(i * length, (i + 1) * length) for i in range(SOAK_SHARES)]
    return (f"Soak: text at twice the capacity ({offered:,.0f}/s) for {seconds:g} s",
            [f"{found['good_s']:,.0f} answered/s, {found['refused_s']:,.0f} refused/s, "
             f"p99 of answers {milliseconds(found['p99_us'])} ms, errors {found['errors']:.0f}. "
             f"Most memory in each tenth, MiB: {', '.join(f'{mib:.1f}' for mib in shares)}."])


SCENARIOS = {"deep": deep, "small": small, "beside-long": beside_long, "overload": overload,
             "soak": soak}
USUAL = [name for name in SCENARIOS if name != "soak"]


# ---- the run ----


def parse_options():
    parser = argparse.ArgumentParser(prog="make load LOAD_ARGS=...")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=float, default=1)
    parser.add_argument("--patience", type=float, default=300,
                        help="seconds that waiting for other processes may take altogether")
    parser.add_argument("--soak", action="store_true", help="the long overload, after the others")
    parser.add_argument("--soak-seconds", type=float, default=600)
    parser.add_argument("--record", action=argparse.BooleanOptionalAction)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.record is None:
        options.record = not options.scenario
    return options


def record(bench, section):
    path = HERE / "LOAD.md"
    before = path.read_text(encoding="utf-8") if path.exists() else HEADER
    path.write_text(before + "\n" + section, encoding="utf-8")
    if bench.points:
        chart = load_chart.draw("lstmd from idle to overloaded", bench.points, bench.capacity)
        (HERE / "load.svg").write_text(chart, encoding="utf-8")
    print(f"recorded in {path.relative_to(ROOT)} and load.svg")


def main():
    options = parse_options()
    bench = Bench(options)
    commit, machine = describe_commit(ROOT, ["core", "proto", "server"]), describe_machine(ROOT)
    parts = []
    names = (options.scenario or USUAL) + (["soak"] if options.soak else [])
    for name in names:
        heading, paragraphs = SCENARIOS[name](bench)
        parts += [f"### {heading}"] + paragraphs
        print("\n\n".join([f"\n### {heading}"] + paragraphs), flush=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    command = " ".join(["make load"] + ([f'LOAD_ARGS="{shlex.join(sys.argv[1:])}"']
                                        if sys.argv[1:] else []))
    facts = [f"## {now:%Y-%m-%d %H:%M} UTC, commit {commit}",
             f"- `{command}`\n- {machine}\n- {bench.machine.disturbed} of {bench.machine.runs} "
             "measurements beside more than a tenth of a processor of other work"]
    if options.record:
        record(bench, "\n\n".join(facts + parts) + "\n")


if __name__ == "__main__":
    try:
        main()
    except ServingError as error:
        fail(error)

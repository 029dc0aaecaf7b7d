"""Measuring beside other work: when a run is worth keeping, and when to wait.

What others take is every processor's busy time, the hypervisor's share included, without that of
this program's own finished children.
"""

import os
import resource
import time

QUIET = 0.1  # processors' worth of other work that does not count
WATCH_SECONDS = 0.2
WAIT_SECONDS = 5
ATTEMPTS = 4


def _busy_seconds():
    """Of all processors since boot: user, nice, system, irq, softirq, steal."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _own_seconds():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime + time.process_time()


class Watch:
    """From its making on: how many processors' worth of work others did."""

    def __init__(self):
        self._start = (time.monotonic(), _busy_seconds(), _own_seconds())

    def others(self):
        start, busy, own = self._start
        elapsed = max(time.monotonic() - start, 1e-3)
        return max(0.0, (_busy_seconds() - busy - (_own_seconds() - own)) / elapsed)


class QuietMachine:
    """Waits and repeats for at most patience seconds altogether."""

    def __init__(self, patience):
        self._patience = patience
        self.runs = 0
        self.disturbed = 0

    def _wait(self):
        end = time.monotonic() + WAIT_SECONDS
        while self._patience > 0 and time.monotonic() < end:
            watch, start = Watch(), time.monotonic()
            time.sleep(WATCH_SECONDS)
            if watch.others() <= QUIET:
                return
            self._patience -= time.monotonic() - start

    def run(self, function):
        """function(), repeated while others disturb it; the result of the least disturbed time."""
        best = None
        for _ in range(ATTEMPTS):
            self._wait()
            start, watch = time.monotonic(), Watch()
            result = function()
            others = watch.others()
            if best is None or others < best[0]:
                best = (others, result)
            if others <= QUIET or self._patience <= 0:
                break
            self._patience -= time.monotonic() - start
        self.runs += 1
        self.disturbed += best[0] > QUIET
        return best[1]

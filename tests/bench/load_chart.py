"""The chart of an overload: latency and goodput against the offered load."""

import math

from speed_chart import BAR_COLOURS, FAINT, FONT, GRID, INK, PEER_LINE, rectangle, text

WIDTH = 860
LEFT, RIGHT = 76, 24
TOP, PANEL, BETWEEN, BOTTOM = 104, 230, 64, 62

COLOURS = [BAR_COLOURS[0], PEER_LINE]


def path(points, colour, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"'
            f'{dashes}/>')


def dot(x, y, colour):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'


def rule(x1, y1, x2, y2, colour=GRID, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="1"{dashes}/>')


def short(value):
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


class Axis:
    """Values on a logarithmic scale, low at start, high at end (pixels)."""

    def __init__(self, values, start, end):
        self._low = math.log10(min(values)) - 0.06
        self._high = math.log10(max(values)) + 0.06
        self._start, self._end = start, end

    def place(self, value):
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self):
        """1, 2 and 5 times powers of ten."""
        for power in range(math.floor(self._low), math.ceil(self._high) + 1):
            for digit in (1, 2, 5):
                value = digit * 10.0 ** power
                if self._low <= math.log10(value) <= self._high:
                    yield value


class Chart:
    """series: {label: [(offered/s, good/s, p50 ms, p99 ms)]}; capacity: requests/s."""

    def __init__(self, title, series, capacity):
        self.title, self.series, self.capacity = title, series, capacity
        points = [point for line in series.values() for point in line]
        self.x = Axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
        self.latency = Axis([ms for point in points for ms in point[2:]], TOP + PANEL, TOP)
        self.second = TOP + PANEL + BETWEEN
        self.good = Axis([point[1] for point in points], self.second + PANEL, self.second)
        self.height = self.second + PANEL + BOTTOM

    def _grid(self, axis, top):
        parts = []
        for value in axis.ticks():
            y = axis.place(value)
            parts += [rule(LEFT, y, WIDTH - RIGHT, y),
                      text(LEFT - 8, y + 4, short(value), 11, FAINT, "end")]
        for value in self.x.ticks():
            x = self.x.place(value)
            parts += [rule(x, top, x, top + PANEL),
                      text(x, top + PANEL + 16, short(value), 11, FAINT, "middle")]
        x = self.x.place(self.capacity)
        return parts + [rule(x, top, x, top + PANEL, FAINT, "4 3")]

    def _lines(self, axis, index, dash=""):
        parts = []
        for colour, line in zip(COLOURS, self.series.values()):
            points = [(self.x.place(point[0]), axis.place(point[index])) for point in line]
            parts.append(path(points, colour, dash))
            parts += [dot(x, y, colour) for x, y in points]
        return parts

    def _head(self):
        parts = [text(24, 34, self.title, 19, weight="600"),
                 text(24, 56, "Requests arrive at random moments, whatever the server does; "
                              "latencies count from when they were due.", 12, FAINT),
                 text(24, 72, "The dashed upright line is the capacity, measured with clients that "
                              "wait for their answers.", 12, FAINT)]
        x = WIDTH - RIGHT
        for colour, label in reversed(list(zip(COLOURS, self.series))):
            parts.append(text(x, 33, label, 12, anchor="end"))
            x -= 7.0 * len(label) + 16
            parts.append(rectangle(x, 23, 12, 12, colour))
            x -= 14
        return parts

    def draw(self):
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
                 f'height="{self.height}" viewBox="0 0 {WIDTH} {self.height}" role="img" {FONT}>',
                 f"<title>{self.title}</title>",
                 rectangle(0, 0, WIDTH, self.height, "#ffffff", 6)]
        parts += self._head()
        parts += self._grid(self.latency, TOP) + self._grid(self.good, self.second)
        parts += self._lines(self.latency, 3) + self._lines(self.latency, 2, "2 4")
        parts += self._lines(self.good, 1)
        parts += [text(24, TOP - 10, "latency of answered requests, ms: p99 whole, median dotted",
                       12, INK, weight="600"),
                  text(24, self.second - 10, "answered requests/s", 12, INK, weight="600"),
                  text(WIDTH - RIGHT, self.height - 22, "offered requests/s", 12, FAINT, "end")]
        return "\n".join(parts + ["</svg>"]) + "\n"


def draw(title, series, capacity):
    """The text of an SVG file."""
    return Chart(title, series, capacity).draw()

"""The chart of a run: how many times as fast as its fastest peer lstmd is, shape by shape."""

import math
from xml.sax.saxutils import escape

from bench_shapes import SHAPES, text_of
from speed_record import geometric_mean

WIDTH = 860
LEFT = 190  # where bars begin
LABEL_ROOM = 150  # right of the longest bar
TOP = 104
BAR, GAP, GROUP_GAP = 13, 2, 13
BOTTOM = 56

BAR_COLOURS = ["#1f5f8b", "#74b3d8", "#b9d8ea"]  # by number of threads: fewest first
INK, FAINT, GRID, PEER_LINE = "#1c2733", "#66727f", "#e3e8ec", "#c2410c"
FONT = "font-family=\"'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif\""


def text(x, y, content, size=12, colour=INK, anchor="start", weight="normal"):
    """On a white edge, so that it can be read where lines cross it."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}" stroke="#ffffff" stroke-width="3" '
            f'stroke-linejoin="round" paint-order="stroke">{escape(content)}</text>')


def rectangle(x, y, width, height, colour, radius=2.0):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{radius}" fill="{colour}"/>')


def line(x, top, bottom, colour, width, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"{dashes}/>')


class Chart:
    def __init__(self, record):
        self.record = record
        self.threads = record.thread_counts()
        self.names = record.shape_names(self.threads[0])
        self.group = len(self.threads) * (BAR + GAP) - GAP
        self.end = TOP + len(self.names) * (self.group + GROUP_GAP) - GROUP_GAP
        largest = max(max(record.ratios(t).values()) for t in self.threads)
        self.scale = (WIDTH - LEFT - LABEL_ROOM) / max(largest, 2.0)
        self.ticks = range(0, math.floor(max(largest, 2.0)) + 1)

    def x(self, ratio):
        return LEFT + ratio * self.scale

    def head(self):
        parts = [text(24, 34, "lstmd against its fastest peer", 19, weight="600"),
                 text(24, 56, "How many times as fast as the fastest of ONNX Runtime, OpenVINO and "
                              "oneDNN, by median times;", 12, FAINT),
                 text(24, 72, "float32, same machine, same run, same number of threads. "
                              "Longer is better.", 12, FAINT)]
        x = WIDTH - 24
        for index in reversed(range(len(self.threads))):
            threads = self.threads[index]
            label = f"{threads} thread{'' if threads == 1 else 's'}"
            parts.append(text(x, 33, label, 12, anchor="end"))
            x -= 7.0 * len(label) + 16
            parts.append(rectangle(x, 23, 12, 12, BAR_COLOURS[index]))
            x -= 14
        return parts

    def axis(self):
        parts = []
        for tick in self.ticks:
            if tick != 1:
                parts.append(line(self.x(tick), TOP - 8, self.end + 6, GRID, 1))
            parts.append(text(self.x(tick), self.end + 22, f"{tick}×", 11, FAINT, "middle"))
        return parts

    def peer_line(self):
        return [line(self.x(1), TOP - 8, self.end + 6, PEER_LINE, 1.2, "4 3"),
                text(self.x(1), TOP - 13, "fastest peer", 11, PEER_LINE, "middle")]

    def _places(self):
        """(shape's name, threads, top of the bar, colour) for every bar."""
        for row, name in enumerate(self.names):
            top = TOP + row * (self.group + GROUP_GAP)
            for index, threads in enumerate(self.threads):
                yield name, threads, top + index * (BAR + GAP), BAR_COLOURS[index]

    def bars(self):
        return [rectangle(LEFT, top, self.record.ratio(threads, name) * self.scale, BAR, colour)
                for name, threads, top, colour in self._places()]

    def names_of_shapes(self):
        parts = []
        for row, name in enumerate(self.names):
            middle = TOP + row * (self.group + GROUP_GAP) + self.group / 2
            parts += [text(LEFT - 12, middle - 1, name, 12.5, anchor="end", weight="600"),
                      text(LEFT - 12, middle + 12, text_of(SHAPES[name]), 10, FAINT, "end")]
        return parts

    def values(self):
        parts = []
        for name, threads, top, _ in self._places():
            ratio, y = self.record.ratio(threads, name), top + BAR - 2.5
            peer = self.record.fastest_peer(threads, name)
            parts += [text(self.x(ratio) + 46, y, peer, 10, FAINT),
                      text(self.x(ratio) + 6, y, f"{ratio:.2f}×", 11, weight="600")]
        return parts

    def foot(self):
        means = ", ".join(
            f"{geometric_mean(self.record.ratios(threads).values()):.2f}× with {threads} "
            f"thread{'' if threads == 1 else 's'}" for threads in self.threads)
        return [text(24, self.end + BOTTOM - 8,
                     f"Geometric mean {means}. Shapes: steps, batch, input, hidden, layers, "
                     "directions. Numbers: SPEED.md.", 11, FAINT)]

    def draw(self):
        height = self.end + BOTTOM + 6
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                 f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" {FONT}>',
                 "<title>lstmd against its fastest peer</title>",
                 rectangle(0, 0, WIDTH, height, "#ffffff", 6)]
        parts += self.head() + self.axis() + self.bars() + self.peer_line()
        parts += self.names_of_shapes() + self.values() + self.foot()
        return "\n".join(parts + ["</svg>"]) + "\n"


def draw(record):
    """The text of an SVG file."""
    return Chart(record).draw()

"""Charts as SVG that the server draws: a path in a box of fixed units, stretched by the stylesheet.

Words stand beside the picture, in HTML, so that they neither stretch nor need a script; so does the table.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

WIDTH, HEIGHT = 1000, 100  # units of the picture


class Point(NamedTuple):
    at: datetime
    value: int


class Slot(NamedTuple):
    """Where a point stands: the strip that the pointer may rest on, and its column within."""

    x: float
    width: float
    y: float
    height: float
    point: Point


class Chart(NamedTuple):
    """`top` is the value at the upper edge; `line` and `area` are path data; `highest` is the best point."""

    points: Sequence[Point]
    top: int
    line: str
    area: str
    slots: list[Slot]

    @property
    def highest(self) -> Point:
        return max(self.points, key=lambda point: point.value)

    @property
    def total(self) -> int:
        return sum(point.value for point in self.points)


def chart(points: Sequence[Point]) -> Chart:
    """Of at least one point; equal steps from left to right."""
    top = _round_up(max(point.value for point in points))
    step = WIDTH / len(points)
    slots = []
    for index, point in enumerate(points):
        height = HEIGHT * point.value / top
        slots.append(
            Slot(round(index * step, 2), round(step, 2), round(HEIGHT - height, 2), round(height, 2), point)
        )
    along = [(0.0, slots[0].y), *((slot.x + step / 2, slot.y) for slot in slots), (WIDTH, slots[-1].y)]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in along)
    return Chart(points, top, line, f"{line}V{HEIGHT}H0Z", slots)


def _round_up(value: int) -> int:
    """1, 2 or 5 with zeros, an even number of steps above 1: what one can read off."""
    size = 1
    while True:
        for step in (2, 4, 10):
            if value <= step * size:
                return step * size
        size *= 10

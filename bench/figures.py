"""What was measured: a value per figure, contender and round."""

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from bench.load import Void

T = TypeVar("T")
Key = tuple[str, str]  # figure, contender


@dataclass
class Figures:
    values: dict[Key, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    remarks: list[str] = field(default_factory=list)
    voids: list[str] = field(default_factory=list)
    round: int = 0

    def note(self, figure: str, who: str, value: float) -> None:
        self.values[figure, who][self.round] = value

    def in_turn(self, contenders: list[T]) -> list[T]:
        """In the other order every second round, so that none always comes first."""
        return contenders[::-1] if self.round % 2 else contenders

    @contextmanager
    def unless_void(self, name: str) -> Iterator[None]:
        """A void run is noted, and the others go on."""
        try:
            yield
        except Void as void:
            self.voids.append(f"VOID: {name}, round {self.round + 1}: {void}")
            print(self.voids[-1], file=sys.stderr)

    def doubt(self, share: float, what: str) -> None:
        """A client that needed almost all of its core may have been what was measured."""
        if share > 0.9:
            self.remark(f"The client took {share:.0%} of a core at: {what}.")

    def remark(self, words: str) -> None:
        """A sentence for the reader, once."""
        if words not in self.remarks:
            self.remarks.append(words)

    def median(self, key: Key) -> float | None:
        values = self.values.get(key)
        return statistics.median(values.values()) if values else None

    def ratios(self, key: Key, other: Key) -> list[float]:
        """Each of the rounds that have both."""
        mine, theirs = self.values.get(key, {}), self.values.get(other, {})
        return [mine[i] / theirs[i] for i in mine if theirs.get(i)]

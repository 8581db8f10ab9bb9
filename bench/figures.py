"""What was measured: a value per figure, contender and round."""

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
Key = tuple[str, str]  # figure, contender


@dataclass
class Figures:
    values: dict[Key, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    remarks: list[str] = field(default_factory=list)
    round: int = 0

    def note(self, figure: str, who: str, value: float) -> None:
        self.values[figure, who][self.round] = value

    def in_turn(self, contenders: list[T]) -> list[T]:
        """In the other order every second round, so that none always comes first."""
        return contenders[::-1] if self.round % 2 else contenders

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

"""How much is measured: whole, or --quick, a smoke run whose figures mean nothing."""

from dataclasses import dataclass

from bench.load import descriptor_limit

SIZES = (512, 2048, 16_000)  # characters; a broadcast may have 16 KB of JSON
JUDGED = 2048  # of them the one that the bars are for: heard three times as often, where one is


@dataclass(frozen=True)
class Plan:
    clients: int  # where nothing else is said
    few: int
    crowd: int
    most: int  # as many as the descriptor limit allows
    sizes: tuple[int, ...]
    blocks: int  # of broadcasts, per figure
    changes: int  # per figure, of what pages show
    idle_seconds: float
    herd_seconds: float
    tenants: int  # with five viewers each
    edits: int  # of the storm
    quick: bool

    @classmethod
    def whole(cls, clients: int, most: int) -> "Plan":
        most = max(clients * 2, min(most, descriptor_limit()))
        return cls(
            clients, clients // 5, clients * 2, most, SIZES, 2, 4, 15.0, 3.0, clients // 5, 1_000, False
        )

    @classmethod
    def smoke(cls, clients: int) -> "Plan":
        return cls(
            clients, clients // 2, clients, clients, (JUDGED,), 1, 1, 1.0, 0.5, clients // 5, 100, True
        )

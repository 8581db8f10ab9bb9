"""Over the database itself: LISTEN and NOTIFY, on two connections of its own.

NOTIFY stands outside the transaction that it tells of: inside, PostgreSQL would make all of them wait for
one another.
"""

import psycopg

CHANNEL = "statuspage_rings"
OPTIONS = "-c statement_timeout=2000"


class PostgresLink:
    def __init__(self, database_url: str) -> None:
        url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._ear, self._mouth = (
            psycopg.connect(url, autocommit=True, connect_timeout=2, keepalives_idle=5, options=OPTIONS)
            for _ in range(2)
        )
        self._ear.execute(f"LISTEN {CHANNEL}")

    def send(self, text: str) -> None:
        self._mouth.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))

    def receive(self, seconds: float) -> list[str]:
        return [notice.payload for notice in self._ear.notifies(timeout=seconds, stop_after=1)]

    def close(self) -> None:
        self._ear.close()
        self._mouth.close()

"""How many connections to the database there are, and how soon one is given up."""

from typing import Any
from urllib.parse import urlsplit


def of(url: str, node: str) -> dict[str, Any]:
    """What SQLAlchemy's create_engine() takes beside the URL. `node` is how the database lists this one."""
    if url.startswith("sqlite"):
        return {"pool_size": 20, "max_overflow": 20}
    return {
        "pool_size": 20,
        "max_overflow": 20,
        "pool_pre_ping": True,
        "pool_timeout": 20,
        "connect_args": {
            name: value
            for name, value in {**GIVES_UP, "application_name": f"statuspage {node}".strip()}.items()
            if f"{name}=" not in urlsplit(url).query
        },
    }


# libpq's parameters, in seconds and milliseconds: a database whose machine or line is gone without a word
# holds nobody for longer. What the URL says itself stands.
GIVES_UP = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}

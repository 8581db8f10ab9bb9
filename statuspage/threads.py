"""Threads of the system, for what would stop all greenlets of this process meanwhile."""

from collections.abc import Callable
from typing import Any

from gevent import get_hub, monkey


def in_a_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do it in one where greenlets share this one, and here where they do not; what it returns or raises."""
    if not monkey.is_module_patched("threading"):
        return work(*arguments)
    found, error = get_hub().threadpool.apply(_outcome, (work, arguments))
    if error:
        raise error
    return found


def _outcome(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, Exception | None]:
    """gevent would print what is raised, whoever expects it."""
    try:
        return work(*arguments), None
    except Exception as error:
        return None, error

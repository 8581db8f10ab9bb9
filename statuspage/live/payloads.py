"""What Socket.IO events carry: the object that came, checked, and the words that go back."""

from typing import Any

from pydantic import ValidationError

from ..clock import iso, now
from ..models.errors import Refusal
from ..schemas.live import Payload
from .entry import Joined
from .message import Message


def payload(schema: type[Payload], data: tuple[Any, ...]) -> Any:
    """The one object that an event carries; nothing at all is an empty one. Refusal, or pydantic's error."""
    if len(data) > 1:
        raise Refusal("Send one object with an event.")
    return schema.model_validate({} if not data or data[0] is None else data[0])


def position(joined: Joined) -> dict[str, Any]:
    """Where who joined goes on from."""
    return {
        "cursor": joined.cursor,
        "replayed": joined.replayed,
        "reset": joined.reset,
        "timestamp": iso(now()),
    }


def refused(name: str, words: str) -> Message:
    """The answer of that name to what was not done."""
    if name == "error":
        return Message("error", {"message": words})
    return Message(name, {"error": words, "timestamp": iso(now())})


def words(error: ValidationError) -> str:
    """What is wrong with a payload, in one sentence."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if not first["loc"]:
        return "Send one object with an event."
    place = ".".join(str(step) for step in first["loc"])
    return f"{place[:60]}: {first['msg']}."

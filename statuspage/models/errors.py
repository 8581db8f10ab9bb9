"""What the rules refuse, in domain words. web/errors.py and live/sockets.py say them to people."""


class Refusal(Exception):
    """A sentence for a person: what happened and what to do. `field` names the input it is about."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class Invalid(Refusal):
    """The value itself cannot be accepted."""


class Conflict(Refusal):
    """The value would be fine, but not in the present state."""


class NotAllowed(Refusal):
    """Known, but this role may not do it."""


class NotFound(Refusal):
    """Unknown, or out of reach: the two are told apart nowhere."""

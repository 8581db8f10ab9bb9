"""Throttle: how often somebody may try to sign in. It slows guessing, and locks nobody out.

Each address has a budget, and each account one for browsers that never signed in to it. A browser that
did carries a mark (OWASP, "device cookies"), and has a budget of its own that no stranger can use up.
"""

from hashlib import sha256

from flask import Response, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

MINUTES = 10
PER_ADDRESS = RateLimitItemPerMinute(50, MINUTES)
PER_ACCOUNT = RateLimitItemPerMinute(10, MINUTES)
DEVICE = "known"  # the name of the mark's cookie
DEVICE_SECONDS = 365 * 86_400


class TooManyTries(Exception):
    """The budget is used up. Answered 429 with Retry-After."""

    def __init__(self) -> None:
        self.message = f"Too many tries. Wait {MINUTES} minutes, then try again."
        self.seconds = MINUTES * 60
        super().__init__(self.message)


class Throttle:
    """One per application, in this process's memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, email: str) -> None:
        """Before a password is looked at: TooManyTries when this browser has none left for the account."""
        if not self._limiter.test(PER_ADDRESS, _address()) or not self._limiter.test(
            PER_ACCOUNT, _budget(email)
        ):
            raise TooManyTries

    def note_failure(self, email: str) -> None:
        self._limiter.hit(PER_ADDRESS, _address())
        self._limiter.hit(PER_ACCOUNT, _budget(email))


def mark_device(response: Response, email: str) -> None:
    """This browser has signed in to the account: strangers' tries do not count against it."""
    response.set_cookie(
        DEVICE,
        _serializer().dumps(_account(email)),
        max_age=DEVICE_SECONDS,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
        path="/sign-in",
    )


def _address() -> str:
    return f"address:{request.remote_addr}"


def _budget(email: str) -> str:
    """Whose budget a try is taken from: the known browser's, or that of all strangers to the account."""
    account = _account(email)
    try:
        known = _serializer().loads(request.cookies.get(DEVICE, "")) == account
    except BadSignature:
        known = False
    return f"device:{request.cookies[DEVICE]}" if known else f"account:{account}"


def _account(email: str) -> str:
    return sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()[:32]


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="known device")

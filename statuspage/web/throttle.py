"""Throttle: how often somebody may try to sign in. It slows guessing, and locks nobody out.

Each address has a budget, and each account one for browsers that never signed in to it. A browser that
did carries a mark (OWASP, "device cookies"), and has a budget of its own that no stranger can use up.
"""

import math
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from flask import Response, current_app, request
from itsdangerous import BadSignature, URLSafeSerializer
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

MINUTES = 10
PER_ADDRESS = RateLimitItemPerMinute(50, MINUTES)
PER_ACCOUNT = RateLimitItemPerMinute(10, MINUTES)
DEVICE = "known"  # the name of the mark's cookie
DEVICE_SECONDS = 365 * 86_400

Budget = tuple[RateLimitItem, str]


class TooManyTries(Exception):
    """The budget is used up. Answered 429 with Retry-After."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        minutes = math.ceil(self.seconds / 60)
        self.message = f"Too many tries. Wait {minutes} minute{'s' if minutes > 1 else ''}, then try again."
        super().__init__(self.message)


@dataclass
class Attempt:
    failed: bool = False


class Throttle:
    """One per application, in this process's memory."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._under_way: Counter[str] = Counter()  # a password takes a moment: many at once are many

    @contextmanager
    def attempt(self, email: str = "", *, user_id: str = "") -> Iterator[Attempt]:
        """Around the look at a password: TooManyTries before it when none is left; only failures count.

        `user_id`: of somebody who is signed in already; strangers have no part in that budget.
        """
        budgets = ((PER_ADDRESS, _address()), (PER_ACCOUNT, f"user:{user_id}" if user_id else _budget(email)))
        for budget in budgets:
            self._check(budget)
        attempt, names = Attempt(), [name for _, name in budgets]
        self._under_way.update(names)
        try:
            yield attempt
        finally:
            self._under_way -= Counter(names)
            if attempt.failed:
                for limit, name in budgets:
                    self._limiter.hit(limit, name)

    def _check(self, budget: Budget) -> None:
        limit, name = budget
        free_at, left = self._limiter.get_window_stats(limit, name)
        if left <= self._under_way[name]:
            raise TooManyTries(1 if left > 0 else free_at - time.time())


def mark_device(response: Response, email: str) -> None:
    """This browser has signed in to the account: strangers' tries do not count against it."""
    response.set_cookie(
        DEVICE,
        _serializer().dumps([_account(email), secrets.token_urlsafe(9)]),
        max_age=DEVICE_SECONDS,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
        path="/sign-in",
    )


def _address() -> str:
    """Whoever has an address of IPv6 has at least 2^64 of them; one of IPv4 may come in the form of IPv6."""
    said = request.remote_addr or ""
    try:
        found = ip_address(said)
    except ValueError:
        return f"address:{said}"
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped  # RFC 4291, 2.5.5.2: how a server that listens on :: sees IPv4
        return f"address:{mapped}" if mapped else f"address:{int(found) >> 64:x}::"
    return f"address:{found}"


def _budget(email: str) -> str:
    """Whose budget a try is taken from: the known browser's, or that of all strangers to the account."""
    account = _account(email)
    with suppress(BadSignature, ValueError):
        known, device = _serializer().loads(request.cookies.get(DEVICE, ""))
        if known == account:
            return f"device:{device}"
    return f"account:{account}"


def _account(email: str) -> str:
    return sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()[:32]


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.config["SECRET_KEY"], salt="known device")

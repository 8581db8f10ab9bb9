"""Every request has an id, in its answer and in each line of the log, and its time is measured."""

import logging
import time

from flask import Flask, Response, g, request

from .. import logs
from . import metrics
from .door import SHARED

log = logging.getLogger(__name__)
SLOW_SECONDS = 2.0
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def register(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()
        g.request_id = logs.begin_request(request.headers.get("X-Request-Id", ""))

    @app.after_request
    def end(response: Response) -> Response:
        if "begun" not in g:
            return response
        seconds = time.perf_counter() - g.begun
        if SHARED not in request.environ:  # the same bytes go to others
            response.headers["X-Request-Id"] = g.request_id
        rule = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"  # a client may say anything
        metrics.REQUESTS.labels(method, rule, str(response.status_code)).observe(seconds)
        if not _waits_by_design(response) and (seconds > SLOW_SECONDS or response.status_code >= 500):
            path = rule if "secret" in (request.view_args or {}) else request.path  # a link that signs in
            log.warning(
                "%s %s was answered %d in %.3f s",
                request.method,
                path,
                response.status_code,
                seconds,
                extra={"method": request.method, "path": path, "status": response.status_code},
            )
        return response


def _waits_by_design(response: Response) -> bool:
    """A held poll is not slow, and who asks whether this node is ready expects a no."""
    return "wait" in request.args and response.status_code < 500 or request.path == "/readyz"

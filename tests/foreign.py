"""A foreign site: pages on an origin of their own, which is none of ours."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

STRICT = "default-src 'none'; script-src {server}; frame-src {server}; img-src {server}"


class ForeignSite:
    """Serves HTML from `pages` by path, with this Content-Security-Policy. Also a context manager."""

    def __init__(self, policy: str = "") -> None:
        self.pages: dict[str, str] = {}
        self._policy = policy
        self._listener = ThreadingHTTPServer(("127.0.0.2", 0), self._handler())
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.2:{self._listener.server_port}"

    def close(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = site.pages.get(self.path)
                self.send_response(200 if page else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                if site._policy:
                    self.send_header("Content-Security-Policy", site._policy)
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write((page or "").encode())

            def log_message(self, *_: Any) -> None: ...

        return Handler

"""What every answer says to browsers: what it may load, who may frame it, what it may leak."""

from flask import Flask, Response


def register(app: Flask) -> None:
    policy = content_security_policy(app.extensions["assets"].import_map_hash)

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        response.headers.setdefault("X-Frame-Options", "DENY")
        return response


def content_security_policy(inline_hash: str) -> str:
    """Only our own files; the one inline script (the import map) by its hash (W3C CSP Level 3)."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {inline_hash}",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )

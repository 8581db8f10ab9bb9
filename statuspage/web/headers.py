"""What every answer says to browsers: what it may load, who may frame it, what it may leak."""

from flask import Flask, Response

from .assets import Assets, Inline

NOBODY = "frame-ancestors 'none'"


def register(app: Flask) -> None:
    assets: Assets = app.extensions["assets"]
    policy = page_policy(assets)

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
        if NOBODY in response.headers["Content-Security-Policy"]:  # the older header knows no list of sites
            response.headers.setdefault("X-Frame-Options", "DENY")
        return response


def page_policy(assets: Assets, *styles: Inline) -> str:
    """Of a page: with our scripts and styles that stand in it, and with these styles."""
    sources = " ".join(style.source for style in (assets.page_style, *styles))
    return content_security_policy(assets.inline_scripts, sources)


def content_security_policy(scripts: str = "", styles: str = "", frame_ancestors: str = "'none'") -> str:
    """Only our own files; what must stand in the document itself by its hash (W3C CSP Level 3)."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {scripts}".rstrip(),
            f"style-src 'self' {styles}".rstrip(),
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {frame_ancestors}",
        )
    )

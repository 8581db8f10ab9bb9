"""Parsing: what settings of the web say. A ValueError is a sentence that says what to write."""

import re
from urllib.parse import urlsplit


def origins(text: str) -> list[str]:
    origins = [origin.strip().rstrip("/") for origin in text.split(",") if origin.strip()]
    for origin in origins:
        parts = urlsplit(origin)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or parts.geturl() != f"{parts.scheme}://{parts.netloc}"
        ):
            raise ValueError(f"“{origin}” is no origin; write https://status.example.org")
    return origins


def origin(text: str) -> str:
    found = origins(text)
    if len(found) != 1:
        raise ValueError("write one, like https://status.example.org")
    return found[0]


def snapshots(text: str) -> str:
    if not re.fullmatch(r"/.*|s3://[a-z0-9][a-z0-9.-]+(/[^?#]*)?", text):
        raise ValueError("write /whole/path/of/a/folder or s3://bucket/prefix")
    return text

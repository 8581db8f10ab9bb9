"""Secrets: shown once, to whoever will bring them again. Only a hash is kept."""

import hashlib
import secrets


def new_secret(prefix: str = "") -> str:
    """256 random bits as text: so many that a plain hash keeps them safe."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

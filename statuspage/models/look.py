"""The looks of an organization: an accent colour that stays readable, and a logo that is a picture."""

import hashlib
import re
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Mapped, mapped_column

from .errors import Invalid

# What links in the accent stand on, in static/css: the page, what is raised, an embed's tint of each trouble.
LIGHT = ("#ffffff", "#f6f8fa", "#f7f3eb", "#faf1eb", "#fbedee", "#ebf3fc")
DARK = ("#0d1117", "#151b23", "#2b2519", "#2f231d", "#312125", "#18273a")
READABLE = 4.5  # WCAG 2.2, 1.4.3: contrast of text with what it stands on
MOST_BYTES = 262_144  # of a logo
STEPS = 400  # towards black or white: finer than a colour of 24 bits

PNG, JPEG, RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"
SVG = re.compile(  # what may stand before the root element; possessive, so that no file makes it try twice
    rb"\A(?:\xef\xbb\xbf)?\s*+(?:(?:<\?xml[^>]*+>|<!--(?:(?!-->).)*+-->|<!DOCTYPE\s+svg[^>\[]*+>)\s*+)*+<svg[\s>]",
    re.DOTALL,
)


class Look:
    """Columns and verb of an Organization, kept apart from the log that it is."""

    if TYPE_CHECKING:
        id: Mapped[str]

        def record(self, name: str, type: str, subject: str) -> Any: ...

    accent: Mapped[str | None]  # a colour, `#rrggbb`
    logo: Mapped[bytes | None] = mapped_column(deferred=True)
    logo_type: Mapped[str | None]  # its media type
    logo_hash: Mapped[str | None]  # of its bytes: names the version in its URL

    def set_look(self, *, accent: str | None = None, logo: bytes | None = None) -> None:
        """Change what is given; what is given empty is taken away. Invalid (field `accent` or `logo`).

        The media type of a logo is read from its bytes, whatever its file was called.
        """
        before = (self.accent, self.logo_hash)
        if accent is not None:
            self.accent = check_accent(accent) if accent.strip() else None
        if logo is not None:
            self.logo_type = logo_type(logo) if logo else None
            self.logo_hash = hashlib.sha256(logo).hexdigest()[:12] if logo else None
            self.logo = logo or None
        if before != (self.accent, self.logo_hash):
            self.record("settings", "look", self.id)


# --- colours ---------------------------------------------------------------------------------------


def check_accent(text: str) -> str:
    """The colour as `#rrggbb`, if links in it can be read on light pages; else Invalid (field `accent`)."""
    found = re.fullmatch(r"#?([0-9a-f]{3}|[0-9a-f]{6})", text.strip().lower())
    if not found:
        raise Invalid("Write the colour like #0969da.", "accent")
    digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
    accent = f"#{digits}"
    if (reached := _least(accent, LIGHT)) < READABLE:
        raise Invalid(
            f"{accent} is too light to be read on pale backgrounds: its contrast is {_ratio(reached)}:1, "
            f"and text needs {READABLE}:1. The nearest darker colour that has it is {light_accent(accent)}.",
            "accent",
        )
    return accent


def light_accent(accent: str) -> str:
    """The same colour, as much darker as it takes to be read on light pages."""
    return _readable(accent, towards="#000000", on=LIGHT)


def dark_accent(accent: str) -> str:
    """The same colour, as much lighter as it takes to be read on dark pages."""
    return _readable(accent, towards="#ffffff", on=DARK)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """The colour on the way from one to the other, in sRGB as `color-mix()` has it."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _readable(colour: str, *, towards: str, on: tuple[str, ...]) -> str:
    """The nearest mixture with `towards` that can be read on all of these."""
    mixtures = (mix(colour, towards, step / STEPS) for step in range(STEPS + 1))
    return next(mixture for mixture in mixtures if _least(mixture, on) >= READABLE)


def _least(colour: str, grounds: tuple[str, ...]) -> float:
    return min(contrast(colour, ground) for ground in grounds)


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = (value / 255 for value in _channels(colour))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _ratio(reached: float) -> str:
    """Cut off, not rounded: 4.49 must not look like enough."""
    return f"{int(reached * 100) / 100:.2f}"


# --- pictures --------------------------------------------------------------------------------------


def logo_type(content: bytes) -> str:
    """The media type that the bytes are of: PNG, JPEG, WebP or SVG. Invalid (field `logo`) for others."""
    if len(content) > MOST_BYTES:
        raise Invalid(f"A logo may have {MOST_BYTES // 1024} KB; this file has more.", "logo")
    if content.startswith(PNG):
        return "image/png"
    if content.startswith(JPEG):
        return "image/jpeg"
    if content.startswith(RIFF) and content[8:12] == b"WEBP":
        return "image/webp"
    if SVG.match(content):
        return "image/svg+xml"
    raise Invalid("A logo is a PNG, JPEG, WebP or SVG picture. This file is none of them.", "logo")

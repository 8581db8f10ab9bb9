"""Text and ids as they come in: how long they may be, and which characters they may not hold."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

# Patterns are also in the OpenAPI document, so they are written for ECMA-262 and for Python alike.
VISIBLE = r"^[\x21-\x7e]+$"
LINE = r"^[^\x00-\x1f\x7f]*$"
PROSE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


def visible(text: str) -> str:
    if not re.fullmatch(VISIBLE, text):
        raise ValueError("An id is made of visible ASCII characters, without spaces")
    return text


def one_line(text: str) -> str:
    if not re.fullmatch(LINE, text):
        raise ValueError("Write one line, without control characters")
    return text


def several_lines(text: str) -> str:
    if not re.fullmatch(PROSE, text):
        raise ValueError("Only line breaks and tabs are allowed among control characters")
    return text


def plain_breaks(text: object) -> object:
    """Forms send CR LF (WHATWG HTML, form submission); here a line ends in LF."""
    return re.sub(r"\r\n?", "\n", text) if isinstance(text, str) else text


def _pattern(pattern: str) -> Any:
    """For the document only: the validator beside it says the same in words."""
    return Field(json_schema_extra={"pattern": pattern})


_line = AfterValidator(one_line)
_prose = (BeforeValidator(plain_breaks), AfterValidator(several_lines))

Id = Annotated[str, Field(min_length=1, max_length=64), _pattern(VISIBLE), AfterValidator(visible)]
Name = Annotated[str, Field(min_length=1, max_length=120), _pattern(LINE), _line]
Title = Annotated[str, Field(min_length=1, max_length=200), _pattern(LINE), _line]
Description = Annotated[str, Field(max_length=2000), _pattern(PROSE), *_prose]
Message = Annotated[str, Field(min_length=1, max_length=10_000), _pattern(PROSE), *_prose]
Slug = Annotated[str, Field(min_length=1, max_length=40)]  # what it may be made of: models/name.py
Position = Annotated[int, Field(ge=0, le=1_000_000)]

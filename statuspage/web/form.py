"""Form: what was typed, what it means, and what is wrong with it, field by field.

A view shows the form, or reads it; what the shape or a rule refuses stands beside its field, and what was
typed stays. With htmx the answer is the same page: it takes the form out of it.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

from flask import Response, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.urls import iri_to_uri

from ..models.errors import Conflict, Invalid
from ..models.idempotency import Reused
from ..schemas.shape import Form as FormShape
from ..schemas.text import plain_breaks

Shape = TypeVar("Shape", bound=FormShape)

WORDS = {
    "missing": "Fill this in.",
    "string_too_short": "Fill this in.",
    "string_too_long": "This is too long: at most {max_length} characters.",
    "string_type": "Fill this in once.",
    "enum": "Choose one of these.",
    "literal_error": "Choose one of these.",
}
OWN_FIELDS = {"csrf", "key", "version", "preview", "again"}
SENT_BEFORE = (
    "This form was sent already. What you changed in it since then was not. Send it again if you mean it."
)


class Save(NamedTuple):
    """Who saved something (no name: nobody who is known here), and when."""

    by: str
    at: datetime


class Stale(Conflict):
    """Somebody saved something since this form was made."""


class Form(Generic[Shape]):
    """`values` is what its fields show first; after a POST it is what was typed, to the letter.

    `version` names what the form began with, until something newer was shown. `theirs` is what somebody else
    saved meanwhile, by field, `newer` who did; `earlier` is the path of what an earlier sending of the same
    form made.
    """

    def __init__(
        self, shape: type[Shape], values: Mapping[str, Any] | None = None, version: str | None = None
    ) -> None:
        self._shape = shape
        self.sent = request.method == "POST"
        self.values: dict[str, Any] = dict(values or {})
        self.version = version or version_of(self.values)
        self._present = ({} if version else dict(self.values)), self.version
        if self.sent:
            self.version = request.form.get("version", "")
            self.values |= typed()
        self.errors: dict[str, str] = {}
        self.theirs: dict[str, Any] = {}
        self.newer: Save | None = None
        self.stale = False
        self.earlier: str | None = None
        self.key = secrets.token_urlsafe(16)  # one submission, however often the button is pressed

    def read(self) -> Shape:
        """What was sent, in its shape; ValidationError for wrong fields."""
        return self._shape.model_validate({name: text for name, text in typed().items() if text != ""})

    def check(self, saved: Mapping[str, Any], last: Save | None, version: str | None = None) -> None:
        """Stale when what is saved, by `last`, is not what the form began with. Call it under the lock."""
        began, self.version = self.version, version or version_of(saved)
        theirs = self._unlike(saved)
        if began and began != self.version and (theirs or version):
            self.theirs, self.newer, self.stale = theirs, last, True
            raise Stale("Somebody else saved something here while you were writing. Yours is not saved yet.")

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """What is refused in the block becomes words beside its field, or above the form under ""."""
        try:
            yield
        except ValidationError as error:
            for item in error.errors():
                self.errors.setdefault(str(item["loc"][0]) if item["loc"] else "", _words(item))
        except Reused as reused:
            self.errors[""], self.stale = SENT_BEFORE, True
            self.earlier = reused.body if isinstance(reused.body, str) else None
            if self.version:  # what stands there now is shown: it was seen
                saved, self.version = self._present
                self.theirs = self._unlike(saved)
        except (Invalid, Conflict) as refusal:
            self.errors[refusal.field or ""] = refusal.message

    def _unlike(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        return {name: text for name, text in saved.items() if _plain(text) != _plain(self.values.get(name))}

    def show(self, template: str, status: int | None = None, **context: Any) -> Response:
        """The page with the form."""
        response = Response(render_template(template, form=self, **context), status or self.status)
        response.headers["Cache-Control"] = "no-store"
        return response

    @property
    def status(self) -> int:
        """409 when something else came first, 422 when something is wrong with it."""
        return 409 if self.stale else 422 if self.errors else 200


def typed() -> dict[str, Any]:
    """The fields of the request: text, or a list of texts where a name ends in `[]` or was sent twice.

    `services.x` and `services.y` are one field, by the names after the dot; empty ones are left out of it.
    """
    fields: dict[str, Any] = {}
    for name, texts in request.form.lists():
        text = texts if name.endswith("[]") or len(texts) > 1 else texts[0]
        outer, dot, inner = name.partition(".")
        if dot and not isinstance(fields.setdefault(outer, {}), dict):
            fields[outer] = {}
        if dot and text:
            fields[outer][inner] = text
        elif not dot and name not in OWN_FIELDS:
            fields[name.removesuffix("[]")] = text
    return fields


def version_of(saved: Mapping[str, Any]) -> str:
    """A short name for these values, which differs when one of them does."""
    said = repr(sorted((name, _plain(text)) for name, text in saved.items()))
    return sha256(said.encode()).hexdigest()[:16]


def _plain(value: Any) -> str:
    return str(plain_breaks(value) or "").strip()


def done(url: str) -> Response:
    """Go there now: a POST that worked leaves no form behind that could be sent again."""
    if "HX-Request" in request.headers:
        return Response(status=204, headers={"HX-Redirect": iri_to_uri(url)})
    return redirect(url, 303)  # type: ignore[return-value]


def _words(item: Any) -> str:
    words = WORDS.get(item["type"])
    if words:
        return words.format(**item.get("ctx", {}))
    said = item["msg"].removeprefix("Value error, ")
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")

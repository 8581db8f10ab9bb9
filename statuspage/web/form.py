"""Form: what was typed, what it means, and what is wrong with it, field by field.

A view shows the form, or reads it; what the shape or a rule refuses stands beside its field, and what was
typed stays. With htmx the answer is the same page: it takes the form out of it.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from flask import Response, redirect, render_template, request
from pydantic import ValidationError
from werkzeug.urls import iri_to_uri

from ..models.errors import Conflict, Invalid
from ..schemas.shape import Form as FormShape

Shape = TypeVar("Shape", bound=FormShape)

WORDS = {
    "missing": "Fill this in.",
    "string_too_short": "Fill this in.",
    "string_too_long": "This is too long: at most {max_length} characters.",
}
OWN_FIELDS = {"csrf", "key", "version"}


class Form(Generic[Shape]):
    """`values` is what its fields show first; after a POST it is what was typed, to the letter."""

    def __init__(self, shape: type[Shape], values: Mapping[str, Any] | None = None) -> None:
        self._shape = shape
        self.sent = request.method == "POST"
        self.values: dict[str, Any] = dict(values or {})
        if self.sent:
            self.values |= typed()
        self.errors: dict[str, str] = {}
        self.key = secrets.token_urlsafe(16)  # one submission, however often the button is pressed

    def read(self) -> Shape:
        """What was sent, in its shape; ValidationError for wrong fields."""
        return self._shape.model_validate({name: text for name, text in typed().items() if text != ""})

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """What is refused in the block becomes words beside its field, or above the form under ""."""
        try:
            yield
        except ValidationError as error:
            for item in error.errors():
                self.errors.setdefault(str(item["loc"][0]) if item["loc"] else "", _words(item))
        except (Invalid, Conflict) as refusal:
            self.errors[refusal.field or ""] = refusal.message

    def show(self, template: str, status: int | None = None, **context: Any) -> Response:
        """The page with the form: 422 when something is wrong with it."""
        code = status or (422 if self.errors else 200)
        response = Response(render_template(template, form=self, **context), code)
        response.headers["Cache-Control"] = "no-store"
        return response


def typed() -> dict[str, Any]:
    """The fields of the request: text, or a list of texts where a name ends in `[]` or was sent twice."""
    fields: dict[str, Any] = {}
    for name, texts in request.form.lists():
        if name not in OWN_FIELDS:
            fields[name.removesuffix("[]")] = texts if name.endswith("[]") or len(texts) > 1 else texts[0]
    return fields


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

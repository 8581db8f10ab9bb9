"""What every shape has in common: camelCase on the wire, and no key that we do not know."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        defer_build=True,  # a command that validates nothing does not pay for it
    )


class Request(Shape):
    """What somebody sends: a body, a form or a query."""

    model_config = ConfigDict(str_strip_whitespace=True, validate_by_name=False)


class Form(Request):
    """What a form of a page sends, by the names of its fields. An empty one counts as left out."""

    model_config = ConfigDict(alias_generator=None, extra="ignore", validate_by_name=True)


class Change(Request):
    """Some of the fields; what is left out stays. `given()` is what was not left out."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="after")
    def _not_empty(self) -> "Change":
        if not self.model_fields_set:
            raise ValueError("Give at least one field")
        return self

    def given(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self.model_fields_set}


class Answer(Shape):
    """What we send. Every key is always there unless its description says otherwise."""

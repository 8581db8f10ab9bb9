"""Text as it comes in, by REST (JSON) and by forms (strings)."""

import pytest
from pydantic import TypeAdapter, ValidationError

from statuspage.schemas.service import NewService, ServiceChange
from statuspage.schemas.text import Description, Id, Message, Name, Title

SINGLE = (Name, Title)
SEVERAL = (Description, Message)


def accepted(kind, text):
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return None


@pytest.mark.parametrize("kind", [*SINGLE, *SEVERAL])
def test_every_script_and_sign_is_welcome(kind):
    for text in ("Störung", "خدمة", "\u202eRTL", "<script>", "👩‍👩‍👧", "a & b", "\u2028"):
        assert accepted(kind, text) == text


@pytest.mark.parametrize("kind", [*SINGLE, *SEVERAL, Id])
def test_control_characters_and_lone_surrogates_are_not(kind):
    for code in (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xD800, 0xDFFF):
        assert accepted(kind, f"a{chr(code)}b") is None, hex(code)


def test_names_are_one_line_and_messages_may_be_several():
    for kind in SINGLE:
        assert [accepted(kind, f"a{space}b") for space in ("\n", "\t", "\r\n")] == [None, None, None]
    for kind in SEVERAL:
        assert accepted(kind, "a\n\tb") == "a\n\tb"
        assert accepted(kind, "a\r\nb\rc") == "a\nb\nc"  # as forms send it


def test_limits_count_characters_after_trimming():
    new = {"organizationId": "o", "name": "  " + "é" * 120 + "  ", "description": "x" * 2000 + "\n"}
    assert len(NewService.model_validate(new).name) == 120
    for field, value in (("name", "é" * 121), ("description", "x" * 2001), ("name", " \t ")):
        with pytest.raises(ValidationError):
            NewService.model_validate({**new, field: value})


def test_a_change_keeps_what_was_left_out_apart_from_what_was_emptied():
    change = ServiceChange.model_validate({"groupId": None, "description": ""})
    assert change.given() == {"group_id": None, "description": ""}
    with pytest.raises(ValidationError, match="at least one"):
        ServiceChange.model_validate({})

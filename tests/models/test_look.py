"""Looks: a colour that cannot be read is refused with one that can, and a logo is what its bytes say."""

import re

import pytest

from statuspage.config import ROOT
from statuspage.database import db, transaction
from statuspage.models.errors import Invalid
from statuspage.models.event import Event
from statuspage.models.look import (
    DARK,
    LIGHT,
    MOST_BYTES,
    check_accent,
    contrast,
    dark_accent,
    light_accent,
    mix,
)

pytestmark = pytest.mark.one_database
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
COLOURS = [
    f"#{red:02x}{green:02x}{blue:02x}" for red in (0, 90, 255) for green in (0, 90, 255) for blue in (0, 255)
]


def test_contrast_is_the_ratio_of_the_guidelines():
    """The pairs and their ratios are those of WCAG's own understanding documents."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.005)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize(
    ("text", "accent"),
    [("#0969da", "#0969da"), ("0969DA", "#0969da"), (" #06c ", "#0066cc"), ("000", "#000000")],
)
def test_a_colour_may_be_written_short_and_in_capitals(text, accent):
    assert check_accent(text) == accent


@pytest.mark.parametrize("text", ["blue", "#12345", "#12345g", "rgb(0,0,0)", "#0969da;}", "#٠٦c", "\x00"])
def test_what_is_no_colour_is_refused(text):
    with pytest.raises(Invalid, match="Write the colour like") as refusal:
        check_accent(text)
    assert refusal.value.field == "accent"


def test_a_colour_too_light_to_read_is_refused_with_its_ratio_and_one_that_will_do():
    with pytest.raises(Invalid) as refusal:
        check_accent("#0a7")
    assert refusal.value.message == (
        "#00aa77 is too light to be read on pale backgrounds: its contrast is 2.62:1, and text needs 4.5:1. "
        "The nearest darker colour that has it is #007d58."
    )
    assert check_accent("#007d58")


def test_every_colour_is_either_accepted_or_answered_with_one_that_is():
    for colour in COLOURS:
        try:
            accent = check_accent(colour)
        except Invalid as refusal:
            accent = check_accent(refusal.message.removesuffix(".").split()[-1])
        assert light_accent(accent) == accent
        assert min(contrast(accent, ground) for ground in LIGHT) >= 4.5
        assert min(contrast(dark_accent(accent), ground) for ground in DARK) >= 4.5


def test_the_backgrounds_are_those_of_the_style_sheets():
    """The page, what is raised, and the tints that an embed has in trouble."""
    base, embed = ((ROOT / f"static/css/{name}.css").read_text() for name in ("base", "embed"))
    pairs = re.findall(r"--(page|raised): light-dark\((#\w+), (#\w+)\)", base)
    troubles = re.findall(r'="(?:degraded|partial|major|main).*--status: light-dark\((#\w+), (#\w+)\)', embed)
    shares = re.search(r"light-dark\(color-mix\(.* (\d+)%.*color-mix\(.* (\d+)%", embed)
    for mode, grounds in enumerate((LIGHT, DARK)):
        page, raised = (pair[1 + mode] for pair in pairs)
        tints = [mix(grounds[0], pair[mode], int(shares[1 + mode]) / 100) for pair in troubles]
        assert grounds == (page.replace("#fff", "#ffffff"), raised, *tints)


@pytest.mark.parametrize(
    ("logo", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a > b -->\n<!DOCTYPE svg>\n<svg>', "image/svg+xml"),
    ],
)
def test_a_logo_is_the_kind_of_picture_that_its_bytes_are(cast, logo, kind):
    with transaction(cast.acme):
        cast.acme.set_look(logo=logo)
    assert (cast.acme.logo_type, cast.acme.logo) == (kind, logo)


@pytest.mark.parametrize(
    "logo",
    [
        b"GIF89a",
        b"<html><svg></svg></html>",
        b"<svgx>",
        b"RIFF\x10\x00\x00\x00WAVE",
        b"<!--" * 50_000,
        b"<!-- -->" * 30_000,
        PNG + bytes(MOST_BYTES),
    ],
    ids=["gif", "html", "another element", "sound", "open comment", "comments", "too large"],
)
def test_what_is_no_small_picture_is_refused_and_nothing_is_changed(cast, logo):
    with transaction(cast.acme):
        cast.acme.set_look(logo=PNG)
    with pytest.raises(Invalid) as refusal, transaction(cast.acme):
        cast.acme.set_look(logo=logo)
    assert refusal.value.field == "logo"
    assert cast.acme.logo == PNG


def test_what_is_given_empty_is_taken_away_and_what_is_left_out_stays(cast):
    with transaction(cast.acme):
        cast.acme.set_look(accent="#06c", logo=PNG)
    with transaction(cast.acme):
        cast.acme.set_look(logo=b"")
    assert (cast.acme.accent, cast.acme.logo, cast.acme.logo_type, cast.acme.logo_hash) == (
        "#0066cc",
        None,
        None,
        None,
    )
    with transaction(cast.acme):
        cast.acme.set_look(accent="")
    assert cast.acme.accent is None


def test_a_new_look_is_a_line_of_the_log_and_the_same_look_is_none(cast):
    with transaction(cast.acme):
        cast.acme.set_look(accent="#06c")
    before = cast.acme.seq
    with transaction(cast.acme):
        cast.acme.set_look(accent="#0066CC")
    assert cast.acme.seq == before
    line = db.session.get(Event, (cast.acme.id, before))
    assert (line.name, line.type, line.data) == ("settings", "look", None)

"""Who may frame the embed: origins as browsers write them, and a sentence for what is none."""

import pytest

from statuspage.database import db, transaction
from statuspage.models.embedding import MOST, allow_embedding
from statuspage.models.errors import Invalid
from statuspage.models.event import Event

pytestmark = pytest.mark.one_database


def allowed(cast, *origins):
    with transaction(cast.acme):
        allow_embedding(cast.acme, origins)
    return cast.acme.embed_origins


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://www.example.org", "https://www.example.org"),
        (" HTTPS://WWW.Example.ORG/ ", "https://www.example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("*", "*"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(cast, written, kept):
    assert allowed(cast, written) == [kept]


def test_the_list_replaces_the_one_before_and_names_each_site_once(cast):
    assert allowed(cast, "https://a.example", "https://A.example/", "https://b.example") == [
        "https://a.example",
        "https://b.example",
    ]
    assert allowed(cast, "https://a.example", "*") == ["*"]
    assert allowed(cast) == []


def test_the_log_tells_of_it(cast):
    before = cast.acme.seq
    allowed(cast, "https://a.example")
    (line,) = db.session.query(Event).filter(Event.organization_id == cast.acme.id, Event.seq > before)
    assert (line.name, line.type, line.subject) == ("settings", "updated", cast.acme.id)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("www.example.org", "does not begin with https://"),
        ("javascript:alert(1)", "does not begin with https://"),
        ("", "does not begin with https://"),
        ("https://", "is no site"),
        ("https://example.org:port", "is no site"),
        ("https://example.org:0", "is no site"),
        ("https://user@example.org", "is no site"),
        ("https://exam ple.org", "is no site"),
        ("https://example.org; script-src x", "is no site"),
        ("https://" + "ü" * 99 + ".example", "is no site"),
        ("https://[::1", "is no site"),
        ("https://*.example.org", "name each site"),
        ("https://example.org/page", "names a page"),
        ("https://example.org?", "names a page"),
        ("https://example.org#x", "names a page"),
    ],
)
def test_what_is_no_origin_is_refused_in_words_and_changes_nothing(cast, written, words):
    allowed(cast, "https://a.example")
    with pytest.raises(Invalid, match=words) as refusal, transaction(cast.acme):
        allow_embedding(cast.acme, ["https://b.example", written])
    assert refusal.value.field == "embed_origins"
    db.session.rollback()
    assert cast.acme.embed_origins == ["https://a.example"]


def test_there_is_an_end_to_the_list(cast):
    with pytest.raises(Invalid, match=f"{MOST} are the most"), transaction(cast.acme):
        allow_embedding(cast.acme, [f"https://{n}.example" for n in range(MOST + 1)])

"""Sessions and passwords: what is stored, what rotates, and what ends when."""

from datetime import timedelta

import pytest

from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.models.access import NOBODY, prove, role_in
from statuspage.models.errors import Invalid
from statuspage.models.event import Event
from statuspage.models.session import GRACE, IDLE, LIFETIME, ROTATED_EVERY, UserSession, find, sessions_of
from statuspage.models.user import User, find_by_password, hash_password

SECOND = timedelta(seconds=1)


@pytest.fixture
def begun(cast):
    """A session of Acme's admin, and its secret."""
    with transaction():
        return UserSession.begin(cast.users["acme-admin"], "Firefox " * 100)


def stored(session: UserSession) -> str:
    row = db.session.execute(UserSession.__table__.select().where(UserSession.id == session.id)).one()
    return str(row)


@pytest.mark.one_database
def test_a_password_is_kept_as_argon2id_and_nothing_else(cast):
    hash = hash_password("correct horse battery")
    assert hash.startswith("$argon2id$v=19$")
    assert "correct" not in hash
    with transaction():
        user = User.create(name="Ann", email=" Ann@Example.org ")
        user.set_password(hash)
    assert user.password_hash.startswith("$argon2id$")
    assert find_by_password("ANN@example.org", "correct horse battery").id == user.id
    assert find_by_password("ann@example.org", "correct horse batterY") is None
    assert find_by_password("nobody@example.org", "correct horse battery") is None


@pytest.mark.one_database
@pytest.mark.parametrize("password", ["", "short", "x" * 9, "x" * 201])
def test_a_weak_or_endless_password_is_refused(app, password):
    with pytest.raises(Invalid) as refused:
        hash_password(password)
    assert refused.value.field == "password"


def test_only_a_hash_of_the_secret_is_stored(begun):
    session, secret = begun
    assert len(secret) > 40
    assert secret not in stored(session)
    assert secret.removeprefix("ss_") not in stored(session)
    assert find(db.session(), secret).id == session.id
    assert find(db.session(), secret[:-1]) is None
    assert find(db.session(), session.hash) is None
    assert find(db.session(), "ss_") is None


def test_no_two_secrets_are_alike(cast):
    with transaction():
        secrets = {UserSession.begin(cast.users["acme-admin"])[1] for _ in range(20)}
    assert len(secrets) == 20


@pytest.mark.parametrize(
    ("column", "age", "usable"),
    [
        ("seen_at", IDLE - 5 * SECOND, True),
        ("seen_at", IDLE + SECOND, False),
        ("expires_at", -5 * SECOND, True),
        ("expires_at", SECOND, False),
    ],
)
def test_it_ends_without_use_and_in_any_case(cast, begun, column, age, usable):
    session, secret = begun
    id = session.id
    assert timedelta(0) <= session.created_at + LIFETIME - session.expires_at < SECOND * 5
    with transaction():
        setattr(session, column, now() - age)
    assert (find(db.session(), secret) is not None) is usable
    assert (prove(db.session(), secret) is not None) is usable
    assert bool(sessions_of(cast.users["acme-admin"])) is usable
    with transaction():
        UserSession.begin(cast.users["acme-admin"])  # tidies up
    assert db.session.query(UserSession).filter_by(id=id).count() == usable


def test_use_does_not_lengthen_its_life(begun):
    session, secret = begun
    end = session.expires_at
    with transaction():
        session.rotated_at = now() - ROTATED_EVERY - SECOND
    with transaction():
        assert session.note_use(secret)
    assert session.expires_at == end


def test_what_a_session_proves_ends_when_it_is_not_used_again(begun):
    session, secret = begun
    with transaction():
        session.seen_at = now() - IDLE + SECOND
    assert prove(db.session(), secret).expires_at <= now() + SECOND


def test_the_secret_is_replaced_after_a_day_and_the_old_one_works_until_the_new_one_comes(begun):
    session, old = begun
    with transaction():
        assert session.note_use(old) is None  # not yet
        session.rotated_at = now() - ROTATED_EVERY - SECOND
        new = session.note_use(old)
        assert session.note_use(new) is None  # others may be under way
    assert new != old
    assert find(db.session(), new).id == find(db.session(), old).id == session.id
    with transaction():
        session.rotated_at = now() - GRACE - SECOND
        assert session.note_use(new) is None
    assert find(db.session(), old) is None
    assert find(db.session(), new).id == session.id


def test_the_end_of_a_session_is_a_line_of_every_log_it_opened(cast, begun):
    session, secret = begun
    proof = prove(db.session(), secret)
    assert role_in(db.session(), proof, cast.acme.scope) == "admin"
    with transaction(cast.acme):
        db.session.get(UserSession, session.id).end()
    last = db.session.query(Event).filter_by(organization_id=cast.acme.id).order_by(Event.seq.desc()).first()
    assert (last.name, last.type, last.subject) == ("access", "signed-out", cast.users["acme-admin"].id)
    assert prove(db.session(), secret) is None
    assert role_in(db.session(), proof, cast.acme.scope) == role_in(db.session(), NOBODY, cast.acme.scope)

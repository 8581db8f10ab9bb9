"""A token that comes again is not looked up again, unless anything changed who has access."""

from dataclasses import replace

import pytest

from statuspage.clock import now
from statuspage.database import db, transaction
from statuspage.live import entry, proofs
from statuspage.live.audience import Seat
from statuspage.live.claim import claimed, proved
from statuspage.live.hub import Hub
from statuspage.live.proofs import brought
from statuspage.models import token as tokens
from statuspage.models.errors import NotFound, Refusal
from statuspage.models.membership import Membership, organizations_of
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from statuspage.models.session import UserSession, change_password
from statuspage.models.status import Visibility
from statuspage.models.token import ApiToken, reach
from statuspage.schemas.live import Authenticate
from tests.live.test_entry import Bystander

WHOLE = Scope("org-456", whole=True)


@pytest.fixture
def acme(watched: Hub, cast):
    """The channel of the application itself: whoever commits rings it."""
    return watched.channel(cast.acme.id)


def knock(channel, secret: str, scope: Scope = WHOLE, view: str = "data") -> Seat:
    """As a client does that brings a token."""
    seat = Seat(Bystander(), scope, view)
    channel.register(seat)
    entry.prove(channel, seat, lambda session: proved(session, secret, scope), brought(secret, None))
    return seat


def let_in(channel, secret: str, scope: Scope = WHOLE) -> bool:
    try:
        knock(channel, secret, scope)
    except (NotFound, Refusal):
        return False
    return True


def test_two_hundred_who_come_back_are_looked_up_once_for_each_token(cast, acme, asked):
    names = ("acme-viewer", "acme-editor", "acme-admin", "acme-owner")
    asked.clear()
    for number in range(200):
        name = names[number % 4]
        seat = knock(acme, cast.tokens[name])
        assert (seat.role, seat.proof.token_id) == (name.removeprefix("acme-"), cast.token_rows[name].id)
    assert len(asked) < 40, asked
    assert set(tokens.last_use.noted) == {cast.token_rows[name].id for name in names}, "and each was used"


def test_a_role_in_one_place_is_none_in_another_nor_is_a_claim(cast, acme):
    """What is kept is for this scope, this claim and this view."""
    secret = cast.tokens["north-editor"]
    assert knock(acme, secret, cast.north.scope).role is Role.EDITOR
    assert knock(acme, secret, cast.acme.scope).role is Role.VIEWER
    assert not let_in(acme, secret, cast.south.scope)
    assert not let_in(acme, secret, WHOLE)

    def claim(**said) -> Role:
        wish = Authenticate(organizationId="org-456", **said)
        seat = Seat(Bystander(), cast.north.scope, "data")
        acme.register(seat)
        return entry.prove(
            acme,
            seat,
            lambda session: claimed(session, secret, cast.north.scope, wish),
            brought(secret, wish.user_id, wish.user_role),
        )

    for _ in range(2):
        assert claim() is Role.EDITOR
        assert claim(userRole="viewer") is Role.VIEWER
        for lie in ({"userId": "somebody"}, {"userRole": "admin"}):
            with pytest.raises(Refusal):
                claim(**lie)
    viewer = cast.tokens["acme-viewer"]
    assert knock(acme, viewer, view="data").role is Role.VIEWER
    for _ in range(2):
        with pytest.raises(NotFound):
            knock(acme, viewer, view="admin/tokens")


def revoke(cast) -> None:
    token = db.session.merge(cast.token_rows["north-editor"])
    with transaction(*reach(token)):
        token.revoke()


def remove_member(cast) -> None:
    with transaction(cast.acme):
        user_id = cast.users["north-editor"].id
        db.session.query(Membership).filter_by(user_id=user_id).one().remove()


def remove_tenant(cast) -> None:
    with transaction(cast.acme):
        cast.north.remove()


def remove_organization(cast) -> None:
    with transaction(cast.acme):
        cast.acme.remove()


ENDS = {each.__name__: each for each in (revoke, remove_member, remove_tenant, remove_organization)}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_what_ends_a_right_ends_it_here(cast, acme, watched, end):
    """In a private tenant: its member's token reads as nobody but the member."""
    with transaction(cast.acme):
        cast.acme.update(visibility=Visibility.PRIVATE)
    secret, north = cast.tokens["north-editor"], cast.north.scope
    assert let_in(acme, secret, north)
    assert let_in(acme, secret, north)
    end(cast)
    assert not let_in(acme, secret, north)


def test_a_role_that_was_changed_is_the_new_one_at_once(cast, acme):
    secret = cast.tokens["acme-admin"]
    assert knock(acme, secret).role is Role.ADMIN
    with transaction(cast.acme):
        Membership.grant(cast.users["acme-admin"], Role.VIEWER, cast.acme)
    assert knock(acme, secret).role is Role.VIEWER


def test_a_new_password_an_end_of_a_session_and_a_new_epoch_have_everybody_looked_up_again(cast, acme, asked):
    secret, user = cast.tokens["acme-viewer"], cast.users["acme-viewer"]

    def sign_out() -> None:
        with transaction():
            session, _ = UserSession.begin(user)
            id = session.id
        with transaction(*organizations_of(user)):
            db.session.get(UserSession, id).end()

    def new_password() -> None:
        with transaction(*organizations_of(user)):
            change_password(db.session.merge(user), "hash")

    def new_epoch() -> None:
        with transaction(cast.acme):
            cast.acme.renew_epoch()
        acme.ring()  # nothing but a restore does it without a line: the next look finds it

    for change in (sign_out, new_password, new_epoch):
        knock(acme, secret)
        asked.clear()
        knock(acme, secret)
        assert asked == []
        change()
        asked.clear()
        knock(acme, secret)
        assert any("FROM api_token" in statement for statement in asked), change


def test_time_ends_it_too(cast, acme, monkeypatch):
    with transaction(cast.acme):
        user = db.session.merge(cast.users["acme-viewer"])
        _, secret = ApiToken.create(user, Role.VIEWER, cast.acme, expires_at=now().replace(year=2999))
    seat = knock(acme, secret)
    assert seat in acme.expiring
    assert knock(acme, secret) in acme.expiring
    for key, (proof, role) in list(acme.proofs._kept.items()):
        acme.proofs._kept[key] = replace(proof, expires_at=now()), role
    with transaction():
        db.session.query(ApiToken).filter_by(id=seat.proof.token_id).one().expires_at = now()
    assert not let_in(acme, secret)


def test_a_session_and_whoever_belongs_elsewhere_are_looked_up_each_time(cast, acme, watched):
    """A cookie is replaced without a word, and what ends another's token is not all in this log."""
    with transaction():
        _, cookie = UserSession.begin(db.session.merge(cast.users["acme-viewer"]))
    for secret in (cookie, cast.tokens["operator"], cast.tokens["globex-owner"]):
        assert let_in(acme, secret, cast.acme.scope)
    assert acme.proofs._kept == {}


def test_a_revocation_elsewhere_that_is_not_seen_yet_ends_the_seat_as_soon_as_it_is(cast):
    """As for those who sit already: this process hears of it from the log."""
    acme = Hub(build="test", push_interval=1).channel(cast.acme.id)
    acme.advance()
    acme.watched = lambda: True
    secret = cast.tokens["north-editor"]
    knock(acme, secret, cast.north.scope)
    revoke(cast)
    seat = knock(acme, secret, cast.north.scope)
    acme.ring()
    acme.advance()
    assert seat.connection.ended
    assert not let_in(acme, secret, cast.north.scope)


def test_few_are_kept_and_no_secret_is_among_them(cast, acme, monkeypatch):
    monkeypatch.setattr(proofs, "MOST", 2)
    for name in ("acme-viewer", "acme-editor", "acme-admin"):
        knock(acme, cast.tokens[name])
    assert len(acme.proofs._kept) == 2
    assert not any(secret in repr(acme.proofs._kept) for secret in cast.tokens.values())

"""What a token is worth: read together with it, and again when a transaction has ended."""

import pytest

from statuspage.database import db, transaction
from statuspage.models.access import prove, role_in
from statuspage.models.membership import Membership
from statuspage.models.role import Role
from statuspage.models.scope import Scope


@pytest.fixture
def proof(cast):
    return prove(db.session(), cast.tokens["acme-admin"])


def test_it_is_one_question(cast, asked):
    scope = cast.acme.scope
    db.session.expunge_all()
    asked.clear()
    proof = prove(db.session(), cast.tokens["acme-admin"])
    assert role_in(db.session(), proof, scope) is Role.ADMIN
    assert len(asked) == 1, asked


def test_it_is_worth_nothing_elsewhere(cast, proof):
    assert role_in(db.session(), proof, cast.globex.scope) in (None, Role.VISITOR)
    assert role_in(db.session(), proof, Scope(cast.globex.id, whole=True)) is None


def test_it_is_nobody_elses(cast, proof):
    other = prove(db.session(), cast.tokens["acme-viewer"])  # read last: it is what was noted
    assert role_in(db.session(), proof, cast.acme.scope) is Role.ADMIN
    assert role_in(db.session(), other, cast.acme.scope) is Role.VIEWER


def test_a_role_that_was_taken_is_gone_with_the_transaction(cast, proof):
    membership = db.session.query(Membership).filter_by(user_id=proof.user_id).one()
    with transaction(cast.acme):
        db.session.delete(membership)
        db.session.flush()
        assert role_in(db.session(), proof, Scope(cast.acme.id, whole=True)) is None
    assert role_in(db.session(), proof, Scope(cast.acme.id, whole=True)) is None

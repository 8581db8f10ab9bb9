"""Convergence: an open page plus the changes it received equals a fresh page. For every verb and view."""

import contextlib
import inspect
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from statuspage.database import db, snapshot, transaction
from statuspage.live import loading
from statuspage.live.hub import Hub
from statuspage.live.message import Cursor
from statuspage.live.views import ADMIN
from statuspage.models.access import Proof
from statuspage.models.errors import NotFound
from statuspage.models.incident import Incident, IncidentUpdate
from statuspage.models.invitation import Invitation
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.scope import Scope
from statuspage.models.service import Service, ServiceGroup
from statuspage.models.status import ServiceStatus
from statuspage.models.token import ApiToken
from tests.cast import Cast
from tests.live.browser_page import Page
from tests.live.verbs import VERBS, take

SOAK = bool(os.environ.get("SOAK"))
READING = {"as_json", "position", "record", "blank", "local_date", "show"}  # no verbs of their own
WHOLE_PAGES = {(Organization, "create"), (Organization, "remove")}  # no page before it, none after


def node() -> Hub:
    """A process: what it remembers is its own, the database is everybody's."""
    return Hub(build="test", push_interval=1e-9)


@pytest.fixture
def stage(cast):
    """The cast with an open incident on each page, so that every verb has something to do."""
    with transaction(cast.acme):
        group = ServiceGroup.create(cast.acme, None, name="Core")
        cast.acme_service.update(group=group)
        own = Incident.open(
            cast.acme, None, title="Own", message="x", services={cast.acme_service.id: ServiceStatus.DEGRADED}
        )
        north = Incident.open(cast.acme, cast.north, title="North", message="x")
    cast.views = [
        (Scope(cast.acme.id), "page"),
        (Scope(cast.acme.id, cast.north.id), "page"),
        (Scope(cast.acme.id, cast.south.id), "page"),
        (Scope(cast.acme.id, whole=True), "page"),
        (Scope(cast.acme.id), f"incident/{own.id}"),
        (Scope(cast.acme.id, cast.north.id), f"incident/{own.id}"),
        (Scope(cast.acme.id, cast.north.id), f"incident/{north.id}"),
        (Scope(cast.acme.id), "embed"),
        (Scope(cast.acme.id, cast.north.id), "embed"),
        (Scope(cast.acme.id), "embed-full"),
        (Scope(cast.acme.id, cast.north.id), "embed-full"),
        *((Scope(cast.acme.id, whole=True), f"admin/{screen}") for screen in ADMIN),
        (Scope(cast.acme.id, whole=True), f"admin/incident/{own.id}"),
    ]
    return cast


def views_of(stage: Cast, verb: str) -> list[tuple[Scope, str]]:
    """An open cockpit may go on showing deeds that the log has forgotten: forgetting is no event."""
    forgets = verb == "Organization.prune"
    return [(scope, view) for scope, view in stage.views if not (forgets and view == "admin/overview")]


def everywhere(cast: Cast) -> Proof:
    """The proof of one who may see every scope, whatever the steps do to other people."""
    return Proof(cast.token_rows["operator"].id, cast.users["operator"].id)


def fresh(page: Page, at: Hub) -> str | None:
    """The same page as somebody sees it who opens it now, there."""
    try:
        return Page(page.scope, page.view, at).dom
    except NotFound:
        return None


def settle_and_compare(page: Page, at: Hub, newcomer: Hub) -> None:
    """What every client does in the end: it asks. Then it shows what a fresh page shows."""
    expected = fresh(page, newcomer)
    if expected is None:
        with pytest.raises(NotFound):
            page.ask(at)
        return
    page.ask(at)
    assert page.dom == expected


@pytest.mark.parametrize("verb", VERBS)
def test_an_open_page_and_its_pushes_equal_a_fresh_page(stage, verb):
    here = node()
    pages = [Page(scope, view, here, everywhere(stage)) for scope, view in views_of(stage, verb)]
    for page in pages:
        page.connect(here)
    for n in (0, 3, 10):
        take(verb, stage, n)
        here.advance(stage.acme.id)
        newcomer = node()
        for page in pages:
            while page.inbox:
                page.receive(page.inbox.pop(0), here)
            expected = fresh(page, newcomer)
            assert expected is None or page.dom == expected


@pytest.mark.parametrize("verb", VERBS)
def test_an_old_page_that_asks_equals_a_fresh_page_on_a_node_that_saw_it_and_on_one_that_did_not(stage, verb):
    here = node()
    pages = [Page(scope, view, here, everywhere(stage)) for scope, view in views_of(stage, verb)]
    old = {id(page): page.cursor for page in pages}
    for n in (0, 5):
        take(verb, stage, n)
    newcomer = node()
    for page in pages:
        settle_and_compare(page, here, newcomer)
        page.cursor = old[id(page)]
        settle_and_compare(page, newcomer, newcomer)


@pytest.mark.one_database
@pytest.mark.parametrize("screens", [(), ("admin/services", "admin/overview")])
@pytest.mark.parametrize("verb", VERBS)
def test_a_state_that_follows_the_log_equals_one_that_is_read(stage, verb, screens):
    """Only what the lines are about is read again: see loading.follow()."""
    channel = node().channel(stage.acme.id)
    shown = [*stage.views[:4], *((Scope(stage.acme.id, whole=True), screen) for screen in screens)]
    for scope, view in shown:
        channel.board(scope, view)
    for step in (lambda: take(verb, stage, 3), lambda: broadcast(stage)):
        step()
        channel.advance()
        with snapshot() as session:
            read = loading.load(session, stage.acme.id, screens)
        if verb == "Organization.prune":  # forgetting is no event
            read = replace(read, inside=channel.state.inside)
        assert channel.state == read
        assert list(channel.state.incidents) == list(read.incidents)


def broadcast(stage: Cast) -> None:
    with transaction(stage.acme):
        for tenant in (None, stage.south):
            stage.acme.record("service-update", "broadcast", "by-hand", {"name": "x"}, tenant=tenant)


def test_a_page_that_comes_back_is_brought_to_now_without_asking(stage):
    """What the join itself sends is all that was missed, at a node that saw it and at one that did not."""
    here = node()
    for at in (here, node()):
        page = Page(Scope(stage.acme.id), "page", here)
        take("Incident.open", stage, 0)
        take("Service.create", stage, 0)
        page.connect(at)
        for change in page.inbox:
            page.receive(change, at)
        assert page.dom == fresh(page, node())


def test_a_position_that_has_not_been_yet_gets_the_whole_board(stage):
    board = node().channel(stage.acme.id).board(Scope(stage.acme.id), "page")
    ahead = Cursor(board.epoch, board.position + 1)
    assert board.change(ahead)["since"] is None


@pytest.mark.parametrize("order", [[1], [1, 0], [1, 0, 1], [0, 0, 1], [0, 1, 0]])
def test_lost_doubled_and_reordered_pushes_end_in_the_last_state(stage, order):
    """Two pushes that move different parts, arriving as `order` says; no question asked in the end."""
    here = node()
    page = Page(Scope(stage.acme.id), "page", here)
    page.connect(here)
    for change in ("Service.create", "Incident.open"):
        take(change, stage, 0)
        here.advance(stage.acme.id)
    pushes = list(page.inbox)
    assert len(pushes) == 2
    for which in order:
        page.receive(pushes[which], here)
    assert page.dom == fresh(page, node())


def test_a_restored_log_is_another_life_even_when_its_numbers_are_the_same(stage):
    here = node()
    page = Page(Scope(stage.acme.id), "page", here)
    page.connect(here)
    with transaction(stage.acme):
        stage.acme_service.update(name="Before the restore")
    here.advance(stage.acme.id)
    page.receive(page.inbox.pop(), here)
    with db.engine.begin() as restore:  # the last line is undone, another takes its number
        restore.execute(text("UPDATE service SET name = 'As restored' WHERE name = 'Before the restore'"))
        restore.execute(text("UPDATE organization SET epoch = 'restored' WHERE id = 'org-456'"))
    here.advance(stage.acme.id)
    page.receive(page.inbox.pop(), here)
    assert page.dom == fresh(page, node())
    page.cursor = Cursor("another life", page.cursor.seq)
    page.tree.clear()
    board = here.channel(stage.acme.id).board(page.scope, page.view)
    assert board.change(page.cursor)["since"] is None


steps = st.lists(
    st.tuples(st.sampled_from(list(VERBS)), st.integers(0, 60), st.sampled_from(["A", "A", "A", "B", ""])),
    max_size=12,
)
faults = st.lists(
    st.tuples(
        st.sampled_from(
            ["show", "show", "show", "lose", "lose", "double", "reverse", "move", "ask", "restart"]
        ),
        st.integers(0, 6),
    ),
    min_size=12,
    max_size=40,
)


@pytest.mark.timeout(600)
@settings(
    max_examples=500 if SOAK else 30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps, faults=faults)
def test_random_verbs_with_loss_doubles_reordering_and_other_nodes_converge(migrated_app, steps, faults):
    with migrated_app.app_context():
        empty_database()
        cast = Cast.assemble()
        with transaction(cast.acme):
            incident = Incident.open(cast.acme, None, title="Own", message="x")
        nodes = {"A": node(), "B": node()}
        views = [
            (Scope(cast.acme.id), "page"),
            (Scope(cast.acme.id, cast.north.id), "page"),
            (Scope(cast.acme.id, whole=True), "page"),
            (Scope(cast.acme.id), f"incident/{incident.id}"),
            (Scope(cast.acme.id, cast.north.id), "embed"),
            (Scope(cast.acme.id), "embed-full"),
            (Scope(cast.acme.id, whole=True), f"admin/incident/{incident.id}"),
            (Scope(cast.acme.id, whole=True), "admin/services"),
        ]
        pages = [Page(scope, view, nodes["A"], everywhere(cast)) for scope, view in views]
        for page in pages:
            page.connect(nodes["A"])
        trouble = iter(faults)
        for verb, n, doorbell in steps:
            take(verb, cast, n)
            if doorbell:
                nodes[doorbell].advance(cast.acme.id)
            for _ in range(4):
                fault, which = next(trouble, ("show", 0))
                befall(fault, pages[which % len(pages)], nodes)
        look(nodes["B"])
        newcomer = node()
        for page in pages:
            for change in page.inbox:
                attempt(page.receive, change, nodes["B"])
            settle_and_compare(page, nodes["B"], newcomer)
        db.session.remove()


def look(at: Hub) -> None:
    """What each process does four times a second, rung or not."""
    for organization_id in at.behind():
        at.advance(organization_id)


def befall(fault: str, page: Page, nodes: dict[str, Hub]) -> None:
    """One thing that networks, proxies and restarts do to an open page."""
    if fault == "restart":
        nodes["A"] = node()
        page.seat = None
        attempt(page.connect, nodes["A"])
    elif fault == "move":
        attempt(page.connect, nodes["B"])
    elif fault == "ask":
        attempt(page.ask, nodes["A"])
    elif fault == "reverse":
        page.inbox.reverse()
    elif page.inbox:
        change = page.inbox.pop(0)
        if fault == "double":
            page.inbox.append(change)
        if fault != "lose":
            attempt(page.receive, change, nodes["B"])


def attempt(step, *arguments) -> None:
    """A page whose subject is gone would reload; here it waits to be compared in the end."""
    with contextlib.suppress(NotFound):
        step(*arguments)


def empty_database() -> None:
    db.session.remove()
    with db.engine.begin() as connection:
        for table in reversed(db.metadata.sorted_tables):
            connection.execute(table.delete())


def test_every_verb_of_the_models_is_among_the_steps():
    for model in (
        Service,
        ServiceGroup,
        Incident,
        IncidentUpdate,
        Organization,
        Tenant,
        Membership,
        ApiToken,
        Invitation,
    ):
        verbs = {
            name for name, member in vars(model).items() if inspect.isroutine(member) or is_class_verb(member)
        }
        for name in verbs - READING:
            if not name.startswith("_") and (model, name) not in WHOLE_PAGES:
                assert f"{model.__name__}.{name}" in VERBS


def is_class_verb(member: object) -> bool:
    return isinstance(member, classmethod)

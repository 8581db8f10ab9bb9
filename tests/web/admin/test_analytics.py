"""Analytics: numbers for admins only, as charts, as tables, and to take away."""

import csv
import io
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import select

from statuspage.database import database_time, db, snapshot, transaction
from statuspage.live.audience import Seat
from statuspage.live.entry import data_rooms
from statuspage.models import figure, node, reach
from statuspage.models.connection import Connection
from statuspage.models.incident import Incident
from statuspage.web.admin import export
from statuspage.web.chart import Point, chart
from tests.proxies import eventually
from tests.server import Server
from tests.web.admin.desk import BASE, refused, sit
from tests.web.api.asking import Api
from tests.web.browser import document

HERE = f"{BASE}/analytics"


@pytest.fixture
def admin(app, cast):
    return sit(app, cast, "acme-admin")


@pytest.fixture
def counted(cast):
    """A minute of Acme with three here and one on North; an incident that got to five; Globex has more."""
    with transaction(cast.acme):
        incident = Incident.open(cast.acme, None, title="Slow", message="We look.")
    with transaction():
        at = figure.floor(database_time(db.session()), "minute") - timedelta(minutes=1)
        figure.count(
            at,
            {
                ("org-456", "*", "watching"): 4,
                ("org-456", "*", "watching.sse"): 4,
                ("org-456", "", "watching"): 3,
                ("org-456", cast.north.id, "watching"): 1,
                ("org-456", "", "joins"): 7,
                ("org-456", cast.north.id, "joins"): 2,
                (cast.globex.id, "*", "watching"): 77777,
            },
        )
        row = {"organization_id": "org-456", "seq": 1, "tenant_id": None, "name": "incident-update", "at": at}
        reach.write([row | {"subject": incident.id, "within_1": 4, "within_10": 5, "within_60": 5}])
        written = {"whole": False, "view": "page", "transport": "sse", "role": "visitor", "node": "n"}
        for id, organization in (("acme-client", "org-456"), ("globex-client", cast.globex.id)):
            db.session.add(Connection(id=id, since=at, organization_id=organization, visitor="h", **written))
    return at


def tiles(answer) -> dict[str, str]:
    page = document(answer)
    return {tile.findtext("dt"): tile.findtext("dd") for tile in page.xpath("//dl[@class='tiles']/div")}


def test_the_numbers_of_all_pages_and_of_one(cast, admin, counted):
    for stretch in ("hour", "day", "week", "quarter"):
        answer = admin.get(f"{HERE}?range={stretch}")
        shown = tiles(answer)
        assert (shown["At most"], shown["Connections"]) == ("4", "9")
        assert "77,777" not in answer.text
    assert tiles(admin.get(f"{HERE}?page={cast.north.id}"))["Connections"] == "2"
    assert tiles(admin.get(f"{HERE}?page="))["At most"] == "3"


def test_every_value_of_a_chart_stands_in_a_table(admin, counted):
    page = document(admin.get(f"{HERE}?range=hour"))
    values = page.xpath("//*[@id='watching-values']//td[@class='number']/text()")
    assert (len(values), values[1], sum(map(int, values))) == (60, "4", 4)
    (picture,) = page.xpath("//figure[@aria-labelledby='watching-title']//*[local-name()='svg']")
    assert picture.get("aria-label").startswith("Watching: at most 4")


def test_the_reach_of_an_incident(admin, counted):
    page = document(admin.get(HERE))
    (row,) = page.xpath("//section[@aria-labelledby='reach-title']//tbody/tr")
    assert [" ".join(cell.text_content().split()) for cell in row.findall("td")] == [
        "1",
        "5",
        "4 80.0 %",
        "5 100.0 %",
        "5",
    ]


def shares(page, section: str) -> dict[str, str]:
    rows = page.xpath(f"//section[@aria-labelledby='{section}']//tbody/tr")
    return {row.findtext("th"): row.xpath("td[@class='number']")[0].text_content() for row in rows}


def test_how_they_are_connected_who_came_back_and_what_they_had_missed(cast, admin, counted):
    with transaction():
        sums = {"returns": 6, "replays.memory": 3, "replays.database": 1}
        figure.count(counted, {("org-456", "", name): number for name, number in sums.items()})
        figure.count(counted, {("org-456", "*", "watching.websocket"): 12})
    answer = admin.get(HERE)
    page = document(answer)
    assert tiles(answer)["Came back"] == "6"
    assert shares(page, "transports-title") == {"WebSocket": "75.0 %", "Server-sent events": "25.0 %"}
    missed = shares(page, "replays-title")
    assert sorted(map(int, missed.values()), reverse=True)[:2] == [3, 1]


def test_a_change_that_a_client_heard_is_in_the_numbers_and_so_is_the_client(tmp_path):
    with (
        Server(tmp_path / "instance") as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}) as operator,
        server.app.app_context(),
    ):

        def find(column, condition):
            with snapshot() as session:
                return session.scalars(select(column).where(condition)).all()

        with client.stream("GET", "/acme/stream?view=data") as stream:
            lines = stream.iter_lines()
            for _ in range(2):  # the second head is told to who has a seat
                next(line for line in lines if line == "event: head")
            new = {"organizationId": "org-456", "title": "Slow", "message": "We look."}
            id = operator.post("/api/incidents", json=new).raise_for_status().json()["id"]
            next(line for line in lines if id in line)
            assert eventually(lambda: find(reach.Reach.within_1, reach.Reach.subject == id)) == [1]
            assert find(Connection.ended, Connection.transport == "sse") == [None]
        eventually(lambda: find(Connection.ended, Connection.ended == "left"))
        assert find(figure.Figure.value, figure.Figure.name == "joins") == [1]


def test_who_watches_now(app, cast, admin):
    hub = app.extensions["live"].hub
    for id in ("one", "two"):
        connection = SimpleNamespace(id=id, transport="sse", outlet=SimpleNamespace(), deliver=print)
        seat = Seat(connection, cast.acme.scope, "data")
        hub.channel("org-456").register(seat)
        hub.channel("org-456").enter(seat, data_rooms(seat.scope))
    assert tiles(admin.get(HERE))["Watching now"] == "2"
    assert tiles(admin.get(f"{HERE}?page={cast.north.id}"))["Watching now"] == "0"


def test_it_is_for_admins_of_the_whole_organization(app, cast, counted):
    cases = {"acme-viewer": 403, "acme-editor": 403, "north-editor": 404, "globex-owner": 404}
    for path in (HERE, f"{HERE}/export?of=connections"):
        assert {who: refused(sit(app, cast, who), path) for who in cases} == cases


@pytest.mark.parametrize("kind", ["figures", "reach", "usage", "connections"])
def test_an_export_has_the_same_rows_in_both_forms_and_nobody_elses(cast, admin, counted, kind):
    items = admin.get(f"{HERE}/export?of={kind}&format=json").json["items"]
    answer = admin.get(f"{HERE}/export?of={kind}&format=csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="acme-{kind}-day.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [sorted(row) for row in rows] == [sorted(item) for item in items]
    assert len(items) == {"figures": 6, "reach": 1, "usage": 0, "connections": 1}[kind]
    assert "globex" not in answer.text
    assert "77777" not in answer.text


def exported(admin, kind: str) -> list[dict]:
    return admin.get(f"{HERE}/export?of={kind}&format=json").json["items"]


def was_here(id: str, came: timedelta, left: timedelta | None = None, **values) -> None:
    with transaction():
        moment = database_time(db.session())
        until = moment - left if left is not None else None
        written = {"whole": False, "view": "page", "transport": "sse", "role": "visitor", "node": "n"}
        row = written | {"id": id, "since": moment - came, "until": until, "organization_id": "org-456"}
        db.session.add(Connection(**row | values))


def test_an_export_has_whoever_was_there_in_that_time(cast, admin):
    with transaction():
        node.beat("n", "east")
    day, hour = timedelta(days=1), timedelta(hours=1)
    was_here("stays", 3 * day), was_here("new", hour, whole=True)
    was_here("left before", 3 * day, 2 * day), was_here("left since", 3 * day, hour)
    found = {row["clientId"]: row for row in exported(admin, "connections")}
    assert list(found) == ["new", "stays", "left since"]
    assert (found["new"]["node"], found["new"]["nodeName"], found["new"]["whole"]) == ("n", "east", True)


@pytest.mark.parametrize("kind", ["figures", "reach", "usage", "connections"])
def test_an_export_of_nothing_has_its_columns(admin, kind):
    (head,) = admin.get(f"{HERE}/export?of={kind}&format=csv").text.splitlines()
    assert head.split(",") == list(export.KINDS[kind].columns)
    assert exported(admin, kind) == []


@pytest.mark.parametrize("kind", ["figures", "connections"])
def test_a_long_export_comes_in_pages_and_ends_with_the_oldest(cast, admin, monkeypatch, kind):
    ago = [timedelta(minutes=number) for number in range(7)]
    for minutes in ago:
        was_here(f"c{minutes.seconds}", minutes), was_here(f"gone{minutes.seconds}", 2 * minutes, minutes)
        with transaction():
            minute = figure.floor(database_time(db.session()), "minute") - minutes
            figure.count(minute, {("org-456", tenant, "joins"): 1 for tenant in ("", "a")})
    whole = exported(admin, kind)
    monkeypatch.setattr(export, "PAGE", 2)
    assert exported(admin, kind) == whole
    assert len({tuple(row.values()) for row in whole}) == len(whole) == 14
    monkeypatch.setattr(export, "MOST", 5)
    assert exported(admin, kind) == whole[:5]
    if kind == "figures":
        assert whole[0]["at"] > whole[-1]["at"], "the newest are those that are kept"


@pytest.mark.parametrize("query", ["range=year", "page=east", "range=%00", "page=%00"])
def test_what_there_is_not_is_answered_in_words(cast, admin, query):
    assert refused(admin, f"{HERE}?{query}") == 422


def test_the_use_of_the_api_is_counted_by_token_and_kind(app, cast, admin):
    api, ledger = Api(app, cast), app.extensions["live"].ledger
    ledger._asked.clear()  # of other tests
    for organization in ("org-456", "org-456", cast.globex.id):
        api.get(f"/services?organizationId={organization}", by="acme-editor")
    api.get("/services?organizationId=org-456")
    ledger.write()
    (row,) = admin.get(f"{HERE}/export?of=usage&format=json").json["items"]
    assert (row["endpoint"], row["requests"], row["refused"]) == ("read services", 3, 1)
    assert row["tokenId"] == cast.token_rows["acme-editor"].id


def test_an_operators_token_is_counted_where_it_asked(app, cast, admin):
    api, ledger = Api(app, cast), app.extensions["live"].ledger
    ledger._asked.clear()
    for path in ("/services?organizationId=org-456", f"/services?organizationId={cast.globex.id}"):
        api.get(path, by="operator")
    api.get("/organizations", by="operator")
    ledger.write()
    (row,) = exported(admin, "usage")
    assert (row["endpoint"], row["requests"]) == ("read services", 1)
    assert "An operator" in admin.get(HERE).text


def test_a_request_whose_body_is_refused_is_counted(app, cast, admin):
    api, ledger = Api(app, cast), app.extensions["live"].ledger
    ledger._asked.clear()
    assert api.post("/services", {"no": "such field"}, by="acme-editor").status_code == 422
    ledger.write()
    (row,) = exported(admin, "usage")
    assert (row["endpoint"], row["requests"], row["refused"]) == ("write services", 1, 1)


@pytest.mark.parametrize(("most", "top"), [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (1426, 2000)])
def test_the_scale_of_a_chart_ends_on_a_round_number(counted, most, top):
    drawn = chart([Point(counted, 0), Point(counted, most)])
    assert (drawn.top, drawn.highest.value) == (top, most)
    assert all(0 <= slot.y <= 100 and 0 <= slot.height <= 100 for slot in drawn.slots)

"""A backup is put back under a running server: everybody who is connected starts over, by themselves."""

from contextlib import ExitStack

import pytest
import requests

from statuspage.database import db
from statuspage.models.role import Role
from statuspage.models.service import Service
from tests.live.following import KINDS, Watch, follow
from tests.live.listener import DEADLINE
from tests.live.place import Place
from tests.server import Server


def life(position: str | dict) -> str:
    """The epoch of a position, or of a message that has one."""
    cursor = position if isinstance(position, str) else position["cursor"]
    return cursor.split(":")[0]


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)])
def test_a_restore_under_a_running_server_reaches_every_client(make_database, tmp_path, kind):
    settings = {"DATABASE_URL": make_database(kind, f"restored_{kind}"), "SECRET_KEY": "test"}
    kept = str(tmp_path / "kept")
    with Server(tmp_path / "server", HOST="127.0.0.1", **settings) as server, ExitStack() as stack:
        place = Place.found(server)
        place.say()
        flask = server.app.test_cli_runner().invoke  # another process than the server's
        assert flask(args=["backup", kept]).exit_code == 0
        start = place.head
        ears, pages = [{k: follow(k, Watch(place, view=view)) for k in KINDS} for view in ("data", "page")]
        for follower in (*ears.values(), *pages.values()):
            stack.callback(follower.close)
        member = follow("websocket", Watch.everything(place))
        newcomer = follow("websocket", Watch(place, token=place.hire("later", Role.VIEWER)))
        stack.callback(member.close)
        stack.callback(newcomer.close)
        place.update_service(name="Renamed after the backup")
        last = place.say()
        for follower in ears.values():
            follower.expect("incident-update", id=last)
        assert flask(args=["restore", kept]).output.startswith("All is as it was at ")

        for name, ear in {**ears, "member": member}.items():
            assert life(ear.expect("reset")) != life(start), name
        newcomer.expect_end()  # who was not there at the backup is not there now
        for name, page in pages.items():
            new = page.until(lambda page=page: [c for c in page.all("change") if life(c) != life(start)])
            assert new[0]["since"] is None, name
            assert "Renamed after" not in str(new[0]), name
        said = place.say()
        for ear in (*ears.values(), member):
            assert ear.expect("incident-update", id=said)
        fresh = requests.get(f"{server.url}/{place.id}", timeout=DEADLINE).text
        assert "Renamed after" not in fresh
        with server.app.app_context():
            assert db.session.get(Service, place.services[None]).name == "Own"
        late = follow("websocket", Watch(place), last)  # slept through it, and comes with what it had
        stack.callback(late.close)
        late.expect("reset")
        server.stop()
        assert "Traceback" not in server.log

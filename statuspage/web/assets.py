"""Styles and scripts: content-hashed URLs, integrity, and the build that a page was made by."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass

from flask import Flask, Response, current_app, request
from markupsafe import Markup

from ..config import ROOT
from ..models.errors import NotFound
from ..threads import in_a_thread
from .packing import BEST, IDENTITY, encoding_of, pack

STATIC = ROOT / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}
MODULES = ("page", "live", "rungs", "changes", "times", "dragging", "admin")
CONSOLE = tuple(
    f"console/{name}"
    for name in (
        "main", "form", "connection", "socket", "http", "position", "log", "row", "json",
        "code", "literal", "javascript", "python", "curl",
    )
)  # fmt: skip
APART = ("console", "embed")  # style sheets that only their own page loads
PAGE_STYLES = ("base", "frame", "incidents", "pages", "print", "services", "status")  # of what visitors see
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """Bytes under a name that changes with them."""

    file: str
    content: bytes
    content_type: str

    @property
    def url(self) -> str:
        return f"/static/{self.file}"

    @property
    def integrity(self) -> str:
        return "sha384-" + base64.b64encode(hashlib.sha384(self.content).digest()).decode()


@dataclass(frozen=True)
class Inline:
    """What stands in the document itself, because nothing is painted before it; allowed by its hash."""

    text: Markup

    @property
    def source(self) -> str:
        """Its source expression for the Content-Security-Policy (W3C CSP Level 3)."""
        return "'sha256-" + base64.b64encode(hashlib.sha256(self.text.encode()).digest()).decode() + "'"


class Assets:
    """Everything under static/, read once at the start."""

    def __init__(self) -> None:
        self.stylesheet = _asset("style", ".css", _joined_css())
        self.modules = {
            name: _asset(name, ".js", (STATIC / f"{name}.js").read_bytes()) for name in (*MODULES, *CONSOLE)
        }
        self.apart = {name: _asset(name, ".css", (STATIC / f"css/{name}.css").read_bytes()) for name in APART}
        self.embed_client = _asset("embed-client", ".js", (STATIC / "embed-client.js").read_bytes())
        self.loader = _asset("embed", ".js", (STATIC / "embed.js").read_bytes())
        self.worker = (STATIC / "sw.js").read_text()
        self.page_style = Inline(_lean("".join(_style(name) for name in PAGE_STYLES)))
        self.theme = Inline(_lean((STATIC / "theme.js").read_text()))
        vendor = json.loads((STATIC / "vendor/manifest.json").read_text())
        for name, entry in vendor.items():
            content = (STATIC / "vendor" / entry["file"]).read_bytes()
            self.modules[name] = Asset(entry["file"], content, TYPES[".js"])
        files = (self.stylesheet, self.embed_client, *self.apart.values(), *self.modules.values())
        self.by_file = {asset.file: asset for asset in files}
        self._packed: dict[tuple[str, str], bytes] = {}
        self.import_map = self._import_map(without=CONSOLE)
        self.console_import_map = self._import_map(without=MODULES)

    def packed(self, asset: Asset, encoding: str) -> bytes:
        """One of them as it travels, packed for the first who asks."""
        if encoding == IDENTITY:
            return asset.content
        key = (asset.file, encoding)
        if key not in self._packed:
            self._packed[key] = in_a_thread(pack, asset.content, encoding, BEST)
        return self._packed[key]

    def _import_map(self, without: tuple[str, ...]) -> Inline:
        """Where modules are, what their bytes must be (WHATWG HTML, import maps).

        The console's many modules are no burden of the pages that visitors see.
        """
        modules = {name: asset for name, asset in sorted(self.modules.items()) if name not in without}
        imports = {name: asset.url for name, asset in modules.items()}
        integrity = {asset.url: asset.integrity for asset in modules.values()}
        text = json.dumps({"imports": imports, "integrity": integrity}, sort_keys=True, separators=(",", ":"))
        return Inline(Markup(text))

    @property
    def inline_scripts(self) -> str:
        """Their source expressions for the Content-Security-Policy."""
        return " ".join(each.source for each in (self.theme, self.import_map, self.console_import_map))

    @property
    def digest(self) -> str:
        inline = (self.page_style.source, self.theme.source)
        return _hash("".join([*sorted(self.by_file), *inline]).encode())[:8]


def register(app: Flask) -> str:
    """Serve the assets and make them known to templates. Returns the build: `ASSETS.REST`."""
    assets = app.extensions["assets"] = Assets()
    build = f"{assets.digest}.{_code_digest()}"
    app.add_url_rule("/static/<path:file>", "static", _serve)
    app.jinja_env.globals.update(assets=assets, build=build)
    return build


def _serve(file: str) -> Response:
    assets: Assets = current_app.extensions["assets"]
    asset = assets.by_file.get(file)
    if asset is None:
        raise NotFound("There is no such file. Reload the page that asked for it.")
    return fill(Response(content_type=asset.content_type), asset, FOREVER)


def fill(response: Response, asset: Asset, lifetime: str) -> Response:
    """The asset, packed for those who can unpack it, to be kept so long."""
    assets: Assets = current_app.extensions["assets"]
    encoding = encoding_of(request.headers.get("Accept-Encoding", ""))
    response.set_data(assets.packed(asset, encoding))
    if encoding != IDENTITY:
        response.headers["Content-Encoding"] = encoding
    response.headers["Cache-Control"] = lifetime
    response.headers["Vary"] = "Accept-Encoding"
    return response


def _asset(name: str, suffix: str, content: bytes) -> Asset:
    return Asset(f"{name}-{_hash(content)[:12]}{suffix}", content, TYPES[suffix])


def _joined_css() -> bytes:
    """One request for all style sheets but those APART; `@layer` in each puts them in order."""
    paths = sorted((STATIC / "css").glob("*.css"))
    return b"\n".join(path.read_bytes() for path in paths if path.stem not in APART)


def _style(name: str) -> str:
    return (STATIC / "css" / f"{name}.css").read_text()


def _lean(text: str) -> Markup:
    """Without comments and indentation, which every visitor would load again with each page."""
    text = re.sub(r"/\*.*?\*/|^ *//.*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    return Markup("\n".join(line.strip() for line in text.splitlines() if line.strip()))


def _code_digest() -> str:
    """What else decides how a page looks: code and templates."""
    paths = sorted([*ROOT.glob("statuspage/**/*.py"), *ROOT.glob("templates/**/*.*")])
    return _hash(b"".join(_hash(path.read_bytes()).encode() for path in paths))[:8]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

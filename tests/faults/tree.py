"""A tree of processes: each child goes a step on a copy of the same files, and kills itself (SIGKILL)
before the N-th statement, commit or step among the snapshots' files; its parent looks at what is left, and
another child goes on from there.

    python -m tests.faults.tree FOLDER all|some

Prints what was tried and what went wrong, as JSON. Only this module cuts anybody off: the product knows
nothing of it.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from lxml import html
from sqlalchemy import event
from sqlalchemy.engine import Engine

from statuspage import config, create_app
from statuspage.database import db
from statuspage.live.message import Cursor
from statuspage.models import retention
from statuspage.models.event import BROADCAST, DATA_NAMES
from statuspage.models.scope import Scope
from tests.faults.course import COURSE, Desk, Step, set_the_scene
from tests.live.browser_page import Page
from tests.snapshots.killed_writer import is_whole

RETENTION_STEP = 2  # so that pruning takes several transactions
COUNTERS = {  # of an organization, by the lines that they count: see models/log.py
    "own_seq": "own",
    "data_seq": "any",
    "own_data_seq": ("room", None),
    "shown_seq": "shown",
    "own_shown_seq": ("shown", None),
}
OF_PROCESSES = {"job", "node", "batch"}  # whose claims run out with time: tests/test_jobs.py
VARYING = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?"  # moments
    r"|\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{8}\b|\b[a-z0-9]{12}\b"  # digests, ids
)


class Fuse:
    """Counts statements and commits, of all engines of this process, and what happens to snapshots' files."""

    def __init__(self) -> None:
        self.count, self.burns_at = 0, -1
        self.note: Callable[[str], None] = lambda kind: None
        event.listen(Engine, "before_cursor_execute", lambda *_: self._point("statement"))
        event.listen(Engine, "commit", lambda *_: self._point("commit"))
        sys.addaudithook(self._hear)

    def _hear(self, event: str, words: tuple[Any, ...]) -> None:
        """A page's file is put in place or removed (those of the site are many and alike)."""
        place = {"os.rename": 1, "os.remove": 0}.get(event)
        if place is not None and "/site/" in str(words[place]) and "/static/" not in str(words[place]):
            self._point("file")

    def _point(self, kind: str) -> None:
        self.count += 1
        if self.count == self.burns_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.note(kind)


@dataclass
class Reference:
    """A course that nobody cut off: what was committed before each point, and around each step."""

    before: list[tuple[int, str, str]] = field(default_factory=list)  # step, kind, state
    starts: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)


class Tree:
    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "live.db"
        retention.STEP = RETENTION_STEP
        self.snapshots = folder / "snapshots"
        settings = {"DATABASE_URL": f"sqlite:///{self.file}", "SECRET_KEY": "x", "INSTANCE_PATH": str(folder)}
        settings |= {"SNAPSHOTS": str(self.snapshots), "PUBLIC_URL": "https://status.example"}
        self.app = create_app(config.read(settings))
        self.app.extensions["live"].hub.on_first_use = lambda: None
        self.fuse = Fuse()
        self.notes = set_the_scene(self.app, folder)  # here, so that no child compiles a template again
        self.app.extensions["live"].hub.channels.clear()
        self.reference = Reference()
        for number in range(len(COURSE)):
            self._keep(number)
            found = self._in_a_child(lambda number=number: self._go_undisturbed(number))
            self.reference.before += [(number, kind, state) for kind, state in found["before"]]
            self.reference.starts.append(found["start"])
            self.reference.ends.append(found["end"])

    def cut(self, point: int) -> list[str]:
        """What is wrong after the course was cut off before this point (from 1)."""
        step, _, state = self.reference.before[point - 1]
        self._reset(step)
        first = next(at for at, (number, *_) in enumerate(self.reference.before, 1) if number == step)
        wrong = []
        if self._in_a_child(lambda: self._go(step, point - first + 1), dies=True):
            wrong.append("it was acknowledged")
        left = contents(self.file)
        if digest(left) != state:
            wrong.append("another state than was committed by then")
        if not COURSE[step].in_pieces and state not in (
            self.reference.starts[step],
            self.reference.ends[step],
        ):
            wrong.append("half of a step")
        wrong += unsound(self.file) + strange_files(self.file, self.snapshots)
        wrong += self._in_a_child(lambda: self._come_back(step, state))
        if digest(contents(self.file)) != self.reference.ends[step]:
            wrong.append("another state than without the cut, when it was done again")
        wrong += strange_files(self.file, self.snapshots, whole=True)
        return [f"point {point}, {COURSE[step].name}: {each}" for each in wrong]

    # --- in children -------------------------------------------------------------------------------

    def _desk(self) -> Desk:
        return Desk(self.app, self.folder, self.notes["token"], self.notes)

    def _go(self, step: int, point: int) -> str:
        """Until it is cut off; else it is acknowledged."""
        self.fuse.count, self.fuse.burns_at = 0, point
        COURSE[step].do(self._desk())
        return "acknowledged"

    def _go_undisturbed(self, step: int) -> dict[str, Any]:
        watcher = sqlite3.connect(self.file)
        before: list[tuple[str, str]] = []
        seen: list[Any] = [None, ""]

        def state() -> str:
            """What others see by now."""
            version = watcher.execute("PRAGMA data_version").fetchone()
            if version != seen[0]:
                seen[:] = version, digest(contents(self.file))
            return seen[1]

        start = state()
        self.fuse.note = lambda kind: before.append((kind, state()))
        COURSE[step].do(self._desk())
        self.fuse.note = lambda kind: None
        found = {"start": start, "before": before, "end": state()}
        with self.app.app_context():
            db.engine.dispose()
        watcher.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        watcher.close()
        return found

    def _come_back(self, number: int, state: str) -> list[str]:
        """As after a restart: clients come with what they had, and the one who heard no answer asks again."""
        step: Step = COURSE[number]
        COURSE[0].do(self._desk())  # every start brings the database up to date
        wrong = self._clients_that_do_not_converge()
        if state != self.reference.ends[number] or step.again:
            step.do(self._desk())
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()
        return wrong

    def _clients_that_do_not_converge(self) -> list[str]:
        wrong, visitor = [], self.app.test_client()
        hub, had = self.app.extensions["live"].hub, Cursor.parse(self.notes["cursor"])
        assert had is not None
        with self.app.app_context():
            fresh = Page(Scope("org-456"), "page", hub)
            page = Page(Scope("org-456"), "page", hub)
            page.tree = html.fragment_fromstring(self.notes["page"], create_parent="main")
            page.cursor, page.title = had, self.notes["title"]
            page.ask(hub)
            if page.dom != fresh.dom:
                wrong.append("a page that comes back differs from a fresh one")
        answer = visitor.get(f"/acme/changes?view=data&cursor={had}")
        heard = answer.json if answer.status_code == 200 else {"reset": False, "events": []}
        if fresh.cursor.epoch != had.epoch:
            return wrong if heard["reset"] else [*wrong, "a position of another life of the log is taken"]
        expected = [f"{had.epoch}:{seq}" for seq in data_lines(self.file, had.seq)]
        ids = [line["id"] for line in heard["events"]]
        if heard["reset"] or ids != expected:
            wrong.append(f"a data client that comes back hears {ids}, not {expected}")
        chain = [str(had), *ids]
        if [line["since"] for line in heard["events"]] != chain[:-1]:
            wrong.append("the chain of what a data client hears is broken")
        return wrong

    # --- the tree ----------------------------------------------------------------------------------

    def _keep(self, step: int) -> None:
        """How everything is before this step."""
        shutil.copyfile(self.file, self.folder / f"{step}.db")
        shutil.copytree(self.snapshots, self.folder / f"{step}.snapshots")

    def _reset(self, step: int) -> None:
        for end in ("-wal", "-shm"):
            Path(f"{self.file}{end}").unlink(missing_ok=True)
        shutil.copyfile(self.folder / f"{step}.db", self.file)
        shutil.rmtree(self.snapshots)
        shutil.copytree(self.folder / f"{step}.snapshots", self.snapshots)

    def _say(self, words: Any) -> None:
        os.write(self._pipe, json.dumps(words).encode() + b"\n")

    def _in_a_child(self, work: Callable[[], Any], dies: bool = False) -> Any:
        """What it returned; of one that dies, what it said before."""
        reader, self._pipe = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reader)
                self._say(work())
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        os.close(self._pipe)
        with os.fdopen(reader) as pipe:
            said = [json.loads(line) for line in pipe]
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == (-signal.SIGKILL if dies else 0), f"A child ended with {status}."
        return said if dies else said[-1]


# --- what is in the file ---------------------------------------------------------------------------


def contents(file: Path) -> list[str]:
    """All rows, without what differs from one run to the next."""
    connection = sqlite3.connect(file)
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    ).fetchall()
    rows = []
    for (table,) in tables:
        if table not in OF_PROCESSES:
            found = [VARYING.sub("…", repr(row)) for row in connection.execute(f'SELECT * FROM "{table}"')]
            rows += [f"{table} {row}" for row in sorted(found)]
    connection.close()
    return rows


def digest(rows: list[str]) -> str:
    return sha256("\n".join(rows).encode()).hexdigest()


def data_lines(file: Path, after: int) -> list[int]:
    """The numbers that a data client of the organization's own page hears."""
    return [
        seq
        for seq, tenant, name, *_ in _log(file, "org-456")
        if seq > after and not tenant and name in DATA_NAMES
    ]


def _log(file: Path, organization: str) -> list[tuple]:
    connection = sqlite3.connect(file)
    lines = connection.execute(
        "SELECT seq, tenant_id, name, since, since_any, type"
        " FROM event WHERE organization_id = ? ORDER BY seq",
        (organization,),
    ).fetchall()
    connection.close()
    return lines


def unsound(file: Path) -> list[str]:
    """Gaps in a log, broken chains, counters that say something else, and what SQLite finds."""
    connection = sqlite3.connect(file)
    wrong = [str(row) for row in connection.execute("PRAGMA integrity_check") if row != ("ok",)]
    wrong += [str(row) for row in connection.execute("PRAGMA foreign_key_check")]
    known = {row[1] for row in connection.execute("PRAGMA table_info(organization)")}  # by the migrations yet
    counters = [name for name in COUNTERS if name in known]
    rows = connection.execute(f"SELECT id, seq, {', '.join(counters)} FROM organization").fetchall()
    for id, end, *counted in rows:
        said = {COUNTERS[name]: number for name, number in zip(counters, counted, strict=True)}
        wrong += [f"{id}: {each}" for each in _unsound_log(_log(file, id), end, said)]
    connection.close()
    return wrong


def _unsound_log(lines: list[tuple], end: int, said: dict[Any, int]) -> list[str]:
    wrong, numbers = [], [line[0] for line in lines]
    if numbers and numbers != list(range(numbers[0], end + 1)):
        wrong.append(f"numbers {numbers} under {end}")
    last: dict[Any, int] = {}
    for seq, tenant, name, since, since_any, type in lines:
        if name in DATA_NAMES:
            if last.get(("room", tenant), since) != since or last.get("any", since_any) != since_any:
                wrong.append(f"the chain is broken at {seq}")
            last["room", tenant] = last["any"] = seq
        if type != BROADCAST:
            last["shown"] = last["shown", tenant] = seq
        last["own" if tenant is None else tenant] = seq
    wrong += [
        f"{which} is {seq}, not {said[which]}" for which, seq in last.items() if said.get(which, seq) != seq
    ]
    return wrong


def strange_files(file: Path, snapshots: Path, whole: bool = False) -> list[str]:
    """Snapshots that are torn, that no row knows, or of a private page; `whole`: and missing ones."""
    connection = sqlite3.connect(file)
    rows = (
        connection.execute("SELECT path, files FROM snapshot").fetchall()
        if _has_snapshots(connection)
        else []
    )
    private = [
        row
        for table in ("tenant", "organization")
        for row in connection.execute(f"SELECT id, slug FROM {table} WHERE visibility = 'private'")
    ]
    here = {slug for (slug,) in connection.execute("SELECT slug FROM organization")}
    if not connection.execute("SELECT 1 FROM tenant WHERE id = 'west-id'").fetchone():
        private += [("west-id", "initech/west")]
    private += [(slug, slug) for slug in ("initech", "umbrella") if slug not in here]  # founded in the course
    connection.close()
    site = snapshots / "site"
    found = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    known = {name for _, files in rows for name in json.loads(files)}
    hidden = {name for name in found for names in private if any(f"/{each}" in f"/{name}" for each in names)}
    torn = [name for name in found if not is_whole(site / name)]
    lost = known - found if whole else set()
    strange = {"unknown": found - known, "hidden": hidden, "torn": torn, "lost": lost}
    return [f"{kind} files: {sorted(names)}" for kind, names in strange.items() if names]


def _has_snapshots(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'snapshot'").fetchone())


def some(reference: Reference) -> list[int]:
    """Of each step two: before its first commit is done, right after that, or anywhere; of one in pieces two
    anywhere. Which, and where, is another with every change of the course."""
    chosen, total = [], len(reference.before)
    for number, step in enumerate(COURSE):
        mine = [at for at, (whose, _, _) in enumerate(reference.before, 1) if whose == number]
        states = {at: reference.before[at - 1][2] for at in mine}
        moved = next((at for at in mine[1:] if states[at] != states[at - 1]), mine[-1])
        points = [moved - 1, moved, mine[total % len(mine)]]
        del points[(total + number) % 3]
        if step.in_pieces:
            points = [mine[(total + half) % len(mine)] for half in (0, len(mine) // 2)]
        chosen += points
    return sorted(set(chosen))


def main(folder: Path, which: str) -> None:
    tree = Tree(folder)
    total = len(tree.reference.before)
    points = list(range(1, total + 1)) if which == "all" else some(tree.reference)
    wrong = [each for point in points for each in tree.cut(point)]
    steps = [COURSE[tree.reference.before[point - 1][0]].name for point in points]
    print(json.dumps({"points": total, "tried": len(points), "steps": sorted(set(steps)), "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

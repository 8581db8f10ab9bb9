"""The C programs, compiled when their source is newer: with cc, or with the compiler out of a wheel."""

import importlib.util
import shutil
import subprocess
import sys

from bench.place import BENCH, BUILD

PROGRAMS = {
    "load": ("load.c", "visitor.c", "hearing.c", "payload.c", "inflate.c"),
    "herd": ("herd.c",),
    "bare": ("bare.c",),
}


def build() -> None:
    """Make all programs; what cannot be ends the bench with a sentence."""
    if sys.platform != "linux":
        sys.exit("The bench runs on Linux: its clients wait with epoll.")
    BUILD.mkdir(exist_ok=True)
    newest = max(path.stat().st_mtime for path in BENCH.glob("*.[ch]"))
    for name, sources in PROGRAMS.items():
        program = BUILD / name
        if not program.exists() or program.stat().st_mtime <= newest:
            words = [
                *_compiler(),
                "-O2",
                "-std=gnu11",
                "-o",
                str(program),
                *(str(BENCH / s) for s in sources),
            ]
            subprocess.run(words, check=True)


def _compiler() -> list[str]:
    if found := shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"):
        return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    sys.exit("The bench needs a C compiler: cc on the PATH, or the package ziglang.")

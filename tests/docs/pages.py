"""A page of the documentation as a program: its code blocks run in order, and what they show is compared with what they do."""

from __future__ import annotations

import ast
import contextlib
import difflib
import io
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from typer.testing import CliRunner

from carbon.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent
ELIDED = "..."
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"`([\w./-]+)`:")
_PREFIXES = ("uv run ", ".venv/bin/")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Instants of now have microseconds, instants of data have none; a digest is no part of a number.
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{6}(Z|\+00:00)"), "<now>"),
    (re.compile(r"(?<=\d  )\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ(?=  )"), "<now>"),  # beside the number of a posting
    (re.compile(r"(?<![\w.])([0-9a-f]{64}|[0-9a-f]{12})(?![\w.])"), "<digest>"),
)


class Block(NamedTuple):
    """A fenced block: its language, text, first line in the page, and the file that the line before names (`name`:)."""

    kind: str
    text: str
    line: int
    file: str


class Step(NamedTuple):
    """What a page shows and what came out, at a line of the page."""

    line: int
    command: str
    shown: str
    real: str


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: str) -> list[Block]:
    """Fenced blocks of a page, in order."""
    found = []
    for match in _FENCE.finditer(page):
        before = page[: match.start()].rstrip().rpartition("\n")[2]
        name = _FILE_NAME.fullmatch(before)
        found.append(Block(match[1], match[2], page.count("\n", 0, match.start()) + 1, name[1] if name else ""))
    return found


def difference(step: Step) -> str:
    """Empty when what came out is what is shown, a line of `...` standing for any lines; else a diff."""
    shown, real = (_lines(text) for text in (step.shown, step.real))
    pattern = "".join(r"(?:[^\n]*\n)+" if line == ELIDED else re.escape(line) + "\n" for line in shown)
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in real)):
        return ""
    return "\n".join(difflib.unified_diff(shown, real, "shown", "real", lineterm="", n=1))


def _lines(text: str) -> list[str]:
    text = _ANSI.sub("", text)
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return [line.rstrip() for line in text.rstrip().splitlines()]


class Reader:
    """Someone who follows a page from its first block to its last, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """Start in `folder` with nothing run yet, and nothing remembered of the files of others."""
        _forget()
        self.folder = folder
        self._code = 0
        self._names: dict[str, object] = {"__name__": "__page__"}
        self._modules: dict[str, ModuleType] = {}

    def follow(self, page: str, without: tuple[str, ...] = ()) -> Iterator[Step]:
        """Run the blocks of a page; `without` names packages whose Python blocks are passed over."""
        found = blocks(page)
        for block, after in zip(found, [*found[1:], Block("", "", 0, "")], strict=True):
            if block.file:
                self._write(block)
            elif block.kind == "console":
                yield from self._console(block)
            elif block.kind == "python" and not any(f"import {name}" in block.text for name in without):
                shown = after.text if after.kind == "text" else ""
                yield Step(block.line, block.text, shown, self._python(block))
        self._expect_success("the last command")

    def _write(self, block: Block) -> None:
        path = self.folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _console(self, block: Block) -> Iterator[Step]:
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield Step(block.line, command, shown, self._run(command))

    def _run(self, command: str) -> str:
        for prefix in _PREFIXES:
            command = command.removeprefix(prefix)
        program, *arguments = shlex.split(command)
        if command == "echo $?":
            code, self._code = self._code, 0
            return str(code)
        self._expect_success(f"the command before {command!r}")
        if program == "cd":
            self.folder /= arguments[0]
            return ""
        if program == "cat":
            return (self.folder / arguments[0]).read_text(encoding="utf-8")
        if program != "carbon":
            raise AssertionError(f"a page shows {command!r}, which its reader cannot run; use a block of another language")
        return self._carbon(arguments)

    def _expect_success(self, what: str) -> None:
        if self._code:
            raise AssertionError(f"{what} ended with exit code {self._code}, and no `echo $?` says so")

    def _carbon(self, arguments: list[str]) -> str:
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(app, arguments, prog_name="carbon")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        self._code = result.exit_code
        return result.output

    def _python(self, block: Block) -> str:
        """Run a block as a notebook does: the value of its last expression is shown."""
        tree = ast.parse(block.text)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        output = io.StringIO()
        with self._own_modules(), contextlib.chdir(self.folder), contextlib.redirect_stdout(output):
            exec(compile(tree, f"line {block.line}", "exec"), self._names)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), f"line {block.line}", "eval"), self._names)
                output.write("" if value is None else f"{value!r}\n")
        return output.getvalue()

    @contextlib.contextmanager
    def _own_modules(self) -> Iterator[None]:
        """Python blocks import `carbon` anew, as in an interpreter that has not run the command line."""
        others = _taken_out()
        sys.modules.update(self._modules)
        try:
            yield
        finally:
            self._modules = _taken_out()
            sys.modules.update(others)


def _taken_out() -> dict[str, ModuleType]:
    """The modules of `carbon`, no longer among those that are imported."""
    names = [name for name in sys.modules if name == "carbon" or name.startswith("carbon.")]
    return {name: sys.modules.pop(name) for name in names}


def _forget() -> None:
    """Empty what the modules remember of files, as a new process has it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("carbon."):
            for value in list(vars(module).values()):
                getattr(value, "cache_clear", lambda: None)()

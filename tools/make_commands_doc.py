"""Make the parts of docs/commands.md that the command line knows, and keep the rest: `python tools/make_commands_doc.py`.

Below the heading of each command stand its help, how it is called, and its arguments and options; prose and examples follow.
"""

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from carbon.cli.main import command_tree

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
BEGIN = "<!-- Made from the command line by tools/make_commands_doc.py; do not edit before the end mark. -->"
END = "<!-- End of what is made. -->"
NAMELESS = {Path: "FILE", int: "N", float: "N"}  # what stands for a value whose option does not say


def leaves(command: Any, name: str = "carbon") -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its full name; `carbon` itself first."""
    subcommands = getattr(command, "commands", {})
    if name == "carbon" or not subcommands:
        yield name, command
    for word, subcommand in subcommands.items():
        yield from leaves(subcommand, f"{name} {word}")


def commands_page(text: str) -> str:
    """The page with its made parts as the command line is now; a command without a heading is left out."""
    for name, command in leaves(command_tree()):
        part = re.compile(rf"^## {name}\n\n(?:{re.escape(BEGIN)}\n.*?^{re.escape(END)}\n\n)?", re.MULTILINE | re.DOTALL)
        made = f"## {name}\n\n{BEGIN}\n\n{_made(name, command)}\n\n{END}\n\n"
        text = part.sub(lambda _, made=made: made, text, count=1)  # type: ignore[misc]
    return text


def _made(name: str, command: Any) -> str:
    shown = [option for option in command.params if not option.hidden]
    arguments = [option for option in shown if not _spellings(option)]
    options = [option for option in shown if _spellings(option)]
    call = " ".join([name, *(_argument(argument) for argument in arguments), *(["[OPTIONS]"] if options else [])])
    called = f"{call} COMMAND" if getattr(command, "commands", {}) else call
    parts = [" ".join(command.help.split()), f"`{called}`"]
    rows = [(f"`{_argument(argument).strip('[].')}`", "", argument.help) for argument in arguments]
    rows += [(_named(option), _default(option), option.help) for option in options]
    return "\n\n".join([*parts, _table(rows)] if rows else parts)


def _spellings(option: Any) -> list[str]:
    """Spellings of an option, the short one first; none for an argument."""
    return sorted((word for word in option.opts if word.startswith("-")), key=len)


def _argument(argument: Any) -> str:
    """An argument as it stands in a call: in brackets where it may be left out."""
    word = argument.metavar or argument.name.upper()
    return str(word) if argument.required or word.startswith("[") else f"[{word}]"


def _choices(option: Any) -> list[str]:
    """The words that an option takes, where they are few."""
    wanted = option.type_descriptor.annotation
    kinds = [kind for kind in (wanted, *get_args(wanted)) if isinstance(kind, type) and issubclass(kind, Enum)]
    return [str(member.value) for kind in kinds for member in kind]


def _named(option: Any) -> str:
    """An option with what it takes, as a cell."""
    if getattr(option, "is_flag", False):
        return ", ".join(f"`{word}`" for word in _spellings(option))
    choices = _choices(option)
    kinds = (option.type_descriptor.annotation, *get_args(option.type_descriptor.annotation))
    value = choices[0] if choices else option.metavar or next((NAMELESS[kind] for kind in kinds if kind in NAMELESS), "TEXT")
    words = [f"{word} {value}" for word in _spellings(option)]
    return ", ".join(f"`{word}`" for word in [*words, *choices[1:]])


def _default(option: Any) -> str:
    """What an option is unless told, as a cell; empty where that is nothing, none or no."""
    value = option.default.value if isinstance(option.default, Enum) else option.default
    return "" if value in (None, "", False, 0, Path()) or callable(value) else f"`{value}`"


def _table(rows: list[tuple[str, str, str]]) -> str:
    """A table of arguments and options; the column of defaults only where there are any."""
    kept = [at for at in range(3) if at != 1 or any(row[1] for row in rows)]
    lines = [("argument, option", "default", "meaning"), ("---",) * 3, *rows]
    cells = ([" ".join(row[at].replace("|", "\\|").split()) for at in kept] for row in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def main() -> None:
    """Write the page."""
    PAGE.write_text(commands_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

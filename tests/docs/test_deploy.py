"""Units and the container file of docs/deploy: they can be read, and call commands and options that are there."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from typing import Any

import pytest

from carbon.cli.main import command_tree
from carbon.importing_prometheus import SECRETS
from tests.docs.pages import ROOT

DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted(path.name for path in DEPLOY.iterdir() if path.suffix in {".service", ".timer"})
CODES = {"2", "3", "4"}  # that do not mend themselves


def unit(name: str) -> configparser.ConfigParser:
    """A unit, in which no key comes twice."""
    found = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string((DEPLOY / name).read_text(encoding="utf-8"))
    return found


def container() -> dict[str, str]:
    """Instructions of the container file, each of which comes once."""
    lines = (DEPLOY / "Containerfile").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(" ", 1) for line in lines if line and not line.startswith("#")]
    assert len({word for word, _ in pairs}) == len(pairs)
    return dict(pairs)  # type: ignore[arg-type]


def listed(text: str) -> list[str]:
    """Words of an instruction in its JSON form."""
    return list(json.loads(text[text.index("[") :]))


def parsed(words: list[str]) -> dict[str, Any]:
    """What `carbon watch` makes of a call; what it does not know is refused."""
    program, name, *options = words
    assert (program.rpartition("/")[2], name) == ("carbon", "watch")
    context = command_tree().commands["watch"].make_context("watch", options)
    return dict(context.params)


def calls() -> list[list[str]]:
    """Every call of the folder."""
    services = [shlex.split(unit(name)["Service"]["ExecStart"]) for name in UNITS if name.endswith(".service")]
    told = container()
    return [*services, listed(told["ENTRYPOINT"]) + listed(told["CMD"]), listed(told["HEALTHCHECK"])]


@pytest.mark.parametrize("words", calls(), ids=" ".join)
def test_calls_are_of_options_that_are_there(words: list[str]) -> None:
    given = parsed(words)
    assert given["every"] in {"1h", ""}
    assert given["status"] or given["every"]


def test_an_option_that_is_not_there_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        parsed(["carbon", "watch", "--hourly"])


@pytest.mark.parametrize("name", UNITS)
def test_units_are_whole(name: str) -> None:
    found = unit(name)
    own = "Timer" if name.endswith(".timer") else "Service"
    assert {"Unit", own} <= set(found.sections()) <= {"Unit", own, "Install"}
    if own == "Service":
        service = found["Service"]
        assert service["User"] != "root"
        assert service["ReadWritePaths"] == service["WorkingDirectory"]
        assert not any("TOKEN" in value or "PASSWORD" in value for value in service.values())


def test_the_service_comes_back_but_for_what_does_not_mend_itself() -> None:
    service = unit("carbon-watch.service")["Service"]
    assert service["Restart"] == "on-failure"
    assert set(service["RestartPreventExitStatus"].split()) == CODES


def test_a_timer_starts_the_service_of_its_name() -> None:
    timers = [name for name in UNITS if name.endswith(".timer")]
    assert timers
    for name in timers:
        service = unit(name.replace(".timer", ".service"))["Service"]
        assert service["Type"] == "oneshot"
        assert "--once" in service["ExecStart"]


def test_no_secret_stands_in_the_container_file() -> None:
    told = container()
    assert not {"ENV", "ARG"} & set(told)
    assert told["USER"] != "root"
    assert told["VOLUME"] == told["WORKDIR"]


def test_variables_of_tokens_are_those_that_are_read() -> None:
    page = (ROOT / "docs" / "watch.md").read_text(encoding="utf-8")
    read = {variable for secret in SECRETS for variable in secret.variables}
    assert set(re.findall(r"CARBON_PROMETHEUS_[A-Z]+", page)) == read

"""`carbon grid fetch` as a user types it: the provider chosen, messages, exits, and no token in anything it leaves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.cli.project import Project, Result, run_process
from tests.providers import answers
from tests.providers.server import Answer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.providers.server import Server

DAYS = ("--from", "2026-03-28", "--to", "2026-03-30")
SECRETS = [value for name, value in answers.TOKENS.items() if not name.endswith("USER")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    return Project(tmp_path / "network")


def fetch(project: Project, server: Server, *words: str, without: tuple[str, ...] = (), **more: str) -> Result:
    """Fetch from the server, without the tokens of some providers."""
    project.folder.mkdir(exist_ok=True)
    env = {**server.environment(), "CARBON_GRID_PROVIDERS_RETRIES": "1", **more}
    env |= {name: "" for name in answers.TOKENS if any(f"_{word}_" in name for word in without)}
    return project.run("grid", "fetch", *words, env=env)


KEYED = ("ELECTRICITY_MAPS", "EIA", "ENTSOE", "EMBER", "WATTTIME")


@pytest.mark.parametrize(("zone", "without", "provider"), [
    ("GB", (), "neso"), ("GB-NESO-13", KEYED, "neso"), ("DE", (), "entsoe"), ("DE", KEYED, "energy-charts"),
    ("US-CAL-CISO", (), "eia"), ("US-CAL-CISO", ("EIA",), "electricity-maps"), ("KE", (), "electricity-maps"),
    ("KE", ("ELECTRICITY_MAPS",), "ember"), ("DK-DK1", (), "entsoe"), ("DK-DK1", ("ENTSOE",), "electricity-maps"),
])  # fmt: skip
def test_the_provider_is_chosen_by_zone_and_token(
    project: Project, server: Server, zone: str, without: tuple[str, ...], provider: str
) -> None:
    result = fetch(project, server, zone, *DAYS, without=without)
    assert result.code == 0
    assert f"{zone}: taken from {provider} (" in result.err
    assert f"{zone} from {provider}: " in result.out
    assert {asked.provider for asked in server.asked} == {provider}


def test_a_zone_stays_with_its_provider(project: Project, server: Server) -> None:
    """Another token that is set later does not change the source within a year."""
    fetch(project, server, "DE", *DAYS, without=KEYED)
    result = fetch(project, server, "DE", *DAYS)
    assert "DE: taken from energy-charts (it was fetched from there before)" in result.err
    assert result.out == "DE from energy-charts: all final already, nothing asked for\n"


def test_from_fetch_to_coverage_and_show(project: Project, server: Server) -> None:
    result = fetch(project, server, "GB", "DE", "--from", "2026-03-01", "--to", "2026-04-01", without=KEYED)
    assert result.out == (
        "GB from neso: 1,488 intervals new, 0 revised, 0 as before\n"
        "DE from energy-charts: 2,976 intervals new, 0 revised, 0 as before\n"
    )
    shown = project.run("grid", "coverage", "GB", "DE", "--from", "2026-03-01", "--to", "2026-04-01", "--format", "csv")
    assert shown.out.splitlines()[1:] == ["DE,2026-03,1.0,0.0,0.0,0.0,0.0", "GB,2026-03,1.0,0.0,0.0,0.0,0.0"]
    shown = project.run("grid", "show", "DE", *DAYS, "--format", "csv")
    assert "measured,final,DE/measured/energy-charts (generation mix x carbon fuel factors v1)@" in shown.out
    removed = project.run("grid", "remove", "neso")
    assert removed.out.count("set aside as") == 3
    assert "new" in fetch(project, server, "GB", *DAYS).out


@pytest.mark.parametrize(("words", "code", "said"), [
    (("Japan", *DAYS), 3, "no zone 'Japan'; near names: JP, JP-CB"),
    (("H100", *DAYS), 3, "no zone 'H100'; see `carbon grid zones`"),
    (("EGRID-ST-TX", *DAYS), 3, "no provider has the zone EGRID-ST-TX; `carbon grid import` takes a file of it"),
    (("DE", *DAYS, "--provider", "nesso"), 2, "no provider 'nesso'; there are neso, eia, entsoe,"),
    (("DE", *DAYS, "--provider", "neso"), 3, "neso has no zone DE"),
    (("DE", *DAYS, "--provider", "folder"), 2, 'path = "..." under [grid.providers.folder]'),
    (("DE",), 2, "give --from and --to"),
    (("DE", "--from", "2026-03-30", "--to", "2026-03-28"), 2, "--to 2026-03-28 must be after --from 2026-03-30"),
    (("DE", "--from", "2026-03-30", "--to", "2026-03-30"), 2, "must be after"),
    (("DE", "--from", "2999-01-01", "--to", "2999-02-01"), 2, "--from 2999-01-01 is in the future"),
    (("DE", "--from", "yesterday", "--to", "2999-02-01"), 2, "yesterday: not an ISO 8601 time"),
])  # fmt: skip
def test_bad_usage(project: Project, server: Server, words: tuple[str, ...], code: int, said: str) -> None:
    result = fetch(project, server, *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert server.asked == []
    assert not (project.folder / "grid").exists()


def test_without_any_token_the_ways_are_named(project: Project, server: Server) -> None:
    result = fetch(project, server, "US-CAL-CISO", *DAYS, without=KEYED)
    assert result.code == 2
    assert "every provider of US-CAL-CISO needs a token" in result.err
    assert "eia needs CARBON_GRID_PROVIDERS_EIA_TOKEN; electricity-maps needs" in result.err
    result = fetch(project, server, "US-CAL-CISO", *DAYS, "--provider", "eia", without=KEYED)
    assert result.code == 2
    assert "set the environment variable CARBON_GRID_PROVIDERS_EIA_TOKEN (or EIA_API_KEY)" in result.err


def test_zones_with_and_without_a_provider(project: Project, server: Server) -> None:
    """What can be fetched is; what cannot is said, with the exit code of its kind."""
    result = fetch(project, server, "GB", "EGRID-ST-TX", *DAYS)
    assert result.code == 3
    assert "GB from neso: 96 intervals new" in result.out
    assert "no provider has the zone EGRID-ST-TX" in result.err


def test_a_range_that_ends_in_the_future_is_cut(project: Project, server: Server) -> None:
    result = fetch(project, server, "KE", "--from", "2026-03-01", "--to", "2999-01-01", "--provider", "ember")
    assert result.code == 0
    assert re.search(r"--to 2999-01-01 is in the future: fetched until 20\d\d-\d\d-\d\dT\d\d:00:00Z", result.err)


@pytest.mark.parametrize(("mishap", "said"), [
    (Answer(401, '{"message":"bad token"}'), "answered 401: bad token; check the token"),
    (Answer(404, '{"detail":"Not Found"}'), "answered 404: Not Found"),
    (Answer(429, "slow down", {"Retry-After": "86400"}), "asks to wait 86400 s"),
    (Answer(500, "{}"), "answered 500"),
    (Answer(200, "<html>maintenance</html>"), "answered with no (whole) JSON: '<html>maintenance</html>'"),
    (Answer(200, '{"data": 1}'), "answered in a form that is not known: "),
    (Answer(200, '{"data": [', cut=True), "broke off its answer"),
])  # fmt: skip
def test_a_provider_that_fails_leaves_nothing_half(project: Project, server: Server, mishap: Answer, said: str) -> None:
    server.mishaps = [mishap] * 40
    result = fetch(project, server, "GB", "--from", "2026-01-01", "--to", "2026-04-01")
    assert result.code == 1
    assert said in result.err
    assert "Traceback" not in result.text
    assert "GB from neso: 0 intervals new, 0 revised, 0 as before; 7 of 7 parts did not come" in result.out
    assert not list(project.folder.rglob("*.part*"))
    server.mishaps = []
    assert fetch(project, server, "GB", "--from", "2026-01-01", "--to", "2026-04-01").code == 0


def test_no_token_is_in_any_output_or_file(project: Project, server: Server) -> None:
    """With all providers, with servers that send it back, and in what Python logs when everything is logged."""
    texts = []
    asked = {"electricity-maps": "KE", "eia": "US-CAL-CISO", "entsoe": "DE", "ember": "KE", "watttime": "GB"}
    for provider, zone in asked.items():
        mark = provider.upper().replace("-", "_")
        known = [value for name, value in answers.TOKENS.items() if mark in name and not name.endswith("USER")]
        echo = Answer(403, " ".join([*known, *(quote(secret, safe="") for secret in known)]))
        for mishaps in ([echo] * 4, []):
            server.mishaps = list(mishaps)
            texts.append(fetch(project, server, zone, *DAYS, "--provider", provider).text)
    code = "import logging, sys; logging.basicConfig(level=0); from carbon.cli.main import app; app(sys.argv[1:])"
    words = ("-C", str(project.folder), "grid", "fetch", "FR", *DAYS, "--provider", "entsoe")
    loud = run_process(*words, code=code, env=server.environment())
    assert "GET /entsoe/api?securityToken=[hidden]" in loud.err
    texts += [loud.text, *(str(path.name) for path in project.folder.rglob("*"))]
    contents = [path.read_bytes() for path in project.folder.rglob("*") if path.is_file()]
    assert len(contents) > 5
    for secret in [*SECRETS, answers.LOGIN]:
        for form in (secret, quote(secret, safe=""), quote(secret)):
            assert not any(form in text for text in texts)
            assert not any(form.encode() in content for content in contents)


@pytest.mark.parametrize(("line", "said"), [
    ('[grid.providers.eia]\ntoken = "hush-hush-42"', "eia.token is a secret, .* set CARBON_GRID_PROVIDERS_EIA_TOKEN"),
    ('[grid.providers.eia]\nurl = "https://user:hush-hush-42@x.example"', "must be a web address without user, password"),
    ('[grid.providers.eia]\nurl = "https://x.example/?api_key=hush-hush-42"', "must be a web address without"),
    ('[grid.providers.eia]\nurl = "ftp://hush-hush-42"', "must be a web address"),
    ('[grid.providers.iea]\nurl = "https://x.example"', "no setting grid.providers.iea.url; did you mean grid.providers.eia.url"),
    ("[grid.providers]\npace = -1.0", "grid.providers.pace = -1.0 must be from 0 to 100"),
    ('[grid]\nproviders = "neso"', "no setting grid.providers"),
])  # fmt: skip
def test_settings_of_providers(project: Project, server: Server, line: str, said: str) -> None:
    """A secret in the file is refused, and not shown."""
    project.write("carbon.toml", line + "\n")
    result = project.run("grid", "fetch", "DE", *DAYS)
    assert result.code == 2
    assert re.search(said, result.err)
    assert "hush-hush-42" not in result.text


def test_addresses_come_from_the_file_too(project: Project, server: Server) -> None:
    lines = ("[grid.providers]", "pace = 0.0", "[grid.providers.energy-charts]", f'url = "{server.url("energy-charts")}"')
    project.write("carbon.toml", "\n".join(lines))
    result = project.run("grid", "fetch", "DE", *DAYS, "--provider", "energy-charts", env={})
    assert (result.code, result.out) == (0, "DE from energy-charts: 192 intervals new, 0 revised, 0 as before\n")


def test_a_folder_of_files(project: Project, server: Server) -> None:
    """Several zones and sources in one file, a part of a file, and a later file that revises it."""
    head = "zone,start,direct_g_per_kwh,status,source\n"
    hours = [f"2026-03-{day}T{hour:02d}:00Z" for day in (28, 29, 30) for hour in range(24)]
    project.write("mine/a.csv", head + "".join(f"{zone},{at},200,final,meter\n" for zone in ("DE", "FR") for at in hours))
    words = ("DE", "FR", *DAYS, "--provider", "folder")
    result = fetch(project, server, *words, CARBON_GRID_PROVIDERS_FOLDER_PATH="mine")
    assert (result.code, result.err) == (0, "")
    assert result.out == "".join(f"{zone} from folder: 48 intervals new, 0 revised, 0 as before\n" for zone in ("DE", "FR"))
    again = fetch(project, server, *words, CARBON_GRID_PROVIDERS_FOLDER_PATH="mine")
    assert again.out == "".join(f"{zone} from folder: 0 intervals new, 0 revised, 48 as before\n" for zone in ("DE", "FR"))
    project.write("mine/b.csv", head + "".join(f"DE,{at},201,final,meter\n" for at in hours[:3]))
    (project.folder / "mine/a.csv").unlink()
    result = fetch(project, server, "DE", "GB", *DAYS, "--provider", "folder", CARBON_GRID_PROVIDERS_FOLDER_PATH="mine")
    assert "DE from folder: 0 intervals new, 3 revised, 0 as before" in result.out
    assert "no file holds the zone in this range" in result.err
    shown = project.run("grid", "show", "DE", *DAYS, "--format", "csv").out.splitlines()
    assert [line.split(",")[1] for line in shown[1:6]] == ["201.0"] * 3 + ["200.0"] * 2
    project.write("mine/c.csv", head + "DE,noon,201,final,meter\n")
    result = fetch(project, server, "DE", *DAYS, "--provider", "folder", CARBON_GRID_PROVIDERS_FOLDER_PATH="mine")
    assert result.code == 1
    assert "noon" in result.err


def test_no_progress_where_standard_error_is_no_terminal(project: Project, server: Server) -> None:
    result = fetch(project, server, "GB", *DAYS)
    assert result.err == (
        "GB: taken from neso (National Energy System Operator of Great Britain; needs no key); --provider names another\n"
    )

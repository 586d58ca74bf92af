"""Commands `carbon import prometheus` and `vllm`: meters out of a Prometheus, or out of answers of one that were saved."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import Format, FormatOption, guarded, now, say, settings_of
from carbon.cli.waiting import waiting
from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carbon.config import Settings
    from carbon.importers.records import Take
    from carbon.importers.store import Source
    from carbon.importing import Outcome
    from carbon.settings import Value

AnswersArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE...]", help="Saved answers of its API (JSON), in the place of a server."),
]
UrlOption = Annotated[
    str, typer.Option("--url", metavar="URL", help="Address of the server; else that of the settings.")
]
FromOption = Annotated[
    str, typer.Option("--from", metavar="TIME", help="First day, or instant; else the last day imported, or yesterday.")
]
ToOption = Annotated[
    str, typer.Option("--to", metavar="TIME", help="Exclusive end, a day or instant; else the last whole hour.")
]
StepOption = Annotated[
    str, typer.Option("--step", metavar="TIME", help="Distance of samples that are asked for, such as 15s or 1m.")
]
LabelOption = Annotated[str, typer.Option("--node-label", metavar="LABEL", help="Label that names the node.")]
MatchOption = Annotated[
    str, typer.Option("--match", metavar="MATCHERS", help="""Only series with these labels, such as 'cluster="a"'.""")
]
MetricOption = Annotated[
    str, typer.Option("--metric", metavar="NAME", help="Metric that series without a name are of, in files.")
]
WindowOption = Annotated[
    str,
    typer.Option(
        "--window", metavar="TIME", help="Time of each sample in files of increase(…[1h]): 1h; raw: it is the counter."
    ),
]
SkipOption = Annotated[bool, typer.Option("--skip-unknown", help="Leave out nodes that are not in the register.")]
_SECONDS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_COUNTED = ("input_tokens", "output_tokens", "requests", "aborted")


def add_to(app: typer.Typer) -> None:
    """Add the commands to `carbon import`."""
    app.command("prometheus", epilog="Example: carbon import prometheus answer.json")(prometheus)
    app.command("vllm", epilog="Example: carbon import vllm answer.json")(vllm)


@guarded
def prometheus(
    context: typer.Context, files: AnswersArgument = None, url: UrlOption = "", from_: FromOption = "", to: ToOption = "",
    step: StepOption = "", node_label: LabelOption = "", match: MatchOption = "", metric: MetricOption = "",
    window: WindowOption = "", skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Energy of DCGM, Kepler, Scaphandre, RAPL and IPMI, and tokens of vLLM, SGLang and TGI, out of a Prometheus."""
    from carbon.importing_prometheus import KINDS

    asked = _settings(context, url, step, node_label, match)
    if files:
        _refuse_beside_files(url=url, from_=from_, to=to, step=step, match=match)
        _of_files(asked, "prometheus", files, (), metric, window, format, skip_unknown=skip_unknown)
    else:
        _refuse_beside_server(metric=metric, window=window)
        _of_server(asked, KINDS, from_, to, format, skip_unknown=skip_unknown)


@guarded
def vllm(
    context: typer.Context, files: AnswersArgument = None, url: UrlOption = "", from_: FromOption = "", to: ToOption = "",
    step: StepOption = "", node_label: LabelOption = "", match: MatchOption = "", metric: MetricOption = "",
    window: WindowOption = "", skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Tokens and requests of vLLM, SGLang and TGI by model, out of the Prometheus that scrapes them; no energy."""
    from carbon.importers.metrics import TOKENS

    asked = _settings(context, url, step, node_label, match)
    if files:
        _refuse_beside_files(url=url, from_=from_, to=to, step=step, match=match)
        _of_files(asked, "vllm", files, _COUNTED, metric, window, format, skip_unknown=skip_unknown)
    else:
        _refuse_beside_server(metric=metric, window=window)
        _of_server(asked, TOKENS, from_, to, format, skip_unknown=skip_unknown)


def seconds_of(text: str, option: str) -> float:
    """Seconds of a time such as 60, 15s, 1m or 1h. Raises UsageError for anything else, and for none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", text.strip())
    if found is None or not float(found[1]):
        raise UsageError(f"{option} {text} is no time; write it like 60s, 5m or 1h")
    return float(found[1]) * _SECONDS[found[2]]


def _settings(context: typer.Context, url: str, step: str, node_label: str, match: str) -> Settings:
    """Settings of the project, with what the command line says in their place."""
    given: dict[str, Value] = {"url": url, "node_label": node_label, "match": match}
    if step:
        given["step"] = seconds_of(step, "--step")
    return settings_of(context, **{f"import__prometheus__{key}": value for key, value in given.items() if value})


def _refuse_beside_files(**options: str) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name.strip('_')} is for a server, and files are named; leave one of them out")


def _refuse_beside_server(**options: str) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name} is for files of saved answers; name them, or leave it out")


def _of_files(
    settings: Settings, importer: str, files: Sequence[Path], parts: tuple[str, ...], metric: str, window: str, kind: str, *,
    skip_unknown: bool,
) -> None:  # fmt: skip
    from carbon.cli.importing import require_files, tell
    from carbon.core.findings import Findings
    from carbon.core.time import SECOND_US, to_us
    from carbon.importers.metrics import METRICS
    from carbon.importers.prometheus import read
    from carbon.importers.prometheus_series import Options
    from carbon.importers.store import source_of_file
    from carbon.importing import take_in

    if metric and metric not in {one.name for one in METRICS}:
        raise UsageError(f"--metric {metric} is none that is read; docs/import.md lists them")
    raw = window == "raw"
    window_us = round(seconds_of(window, "--window") * SECOND_US) if window and not raw else 0
    label = settings.text("import.prometheus.node_label")
    options = Options(to_us(now()), label, metric, window_us, parts, raw=raw)

    require_files(files)
    told = {"node_label": label, "metric": metric, "window": window}
    findings = Findings()

    def given() -> Iterator[tuple[Source, Iterator[Take]]]:
        for path in files:
            source = source_of_file(path, importer, told, options.now_us)
            part = hashlib.sha256(f"{source.id} {importer}".encode()).hexdigest() if parts else source.id
            yield source._replace(id=part), read(path, options, findings)

    tell(take_in(settings, given(), findings, skip_unknown=skip_unknown), kind)


def _of_server(settings: Settings, kinds: Sequence[str], from_: str, to: str, kind: str, *, skip_unknown: bool) -> None:
    from carbon.cli.importing import tell
    from carbon.core.findings import Findings
    from carbon.core.time import to_us
    from carbon.importing import take_in
    from carbon.importing_prometheus import fetch

    start_us, end_us = _range(settings, from_, to)
    findings = Findings()
    with waiting("fetching", "parts") as bar:
        progress = None if bar is None else bar.of  # which shows how long it takes
        slow = _say_slow if bar is None else None
        given = fetch(settings, start_us, end_us, findings, to_us(now()), kinds, progress, slow=slow)
        outcome = take_in(settings, given, findings, skip_unknown=skip_unknown)
    _refuse_nothing(outcome)
    tell(outcome, kind)


def _say_slow(elapsed_s: float, limit_s: float) -> None:
    say(f"the server has not answered for {elapsed_s:.0f} s; it is given {limit_s:.0f} s", err=True)


def _refuse_nothing(outcome: Outcome) -> None:
    """Raise InputError where a server had nothing in all of the range."""
    from carbon.core.errors import InputError
    from carbon.core.findings import ERROR

    if not outcome.sources and any(one.code == "nothing-there" for one in outcome.findings):
        raise InputError(
            [one._replace(severity=ERROR) if one.code == "nothing-there" else one for one in outcome.findings]
        )


def _range(settings: Settings, from_: str, to: str) -> tuple[int, int]:
    """The range [us] that is asked for. Raises UsageError where nothing of it has passed."""
    from carbon.core.time import DAY_US, HOUR_US, instant, isoformat, to_us
    from carbon.importing_prometheus import last_asked_us, server_of

    present = to_us(now())
    server = server_of(settings, present)
    end_us = to_us(instant(to, "--to")) if to else present // HOUR_US * HOUR_US
    start_us = to_us(instant(from_, "--from")) if from_ else last_asked_us(settings, server.url)
    if start_us is None:
        start_us = (present // DAY_US - 1) * DAY_US
    if end_us > present:
        end_us = present
        say(f"{to} is in the future: imported until {isoformat(end_us)}", err=True)
    if start_us >= end_us:
        raise UsageError(f"--to {isoformat(end_us)} must be after --from {isoformat(start_us)}")
    return start_us, end_us

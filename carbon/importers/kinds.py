"""What a file looks like, by its columns: so that one that was given to the wrong importer is told the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Kind(NamedTuple):
    """A kind of file: columns (small letters) that it always has, what it is called, and the command that takes it.

    `machines`: whether it tells what machines there are.
    """

    columns: frozenset[str]
    name: str
    command: str
    machines: bool = False


KINDS = (
    Kind(
        frozenset({"run_id", "duration", "energy_consumed"}),
        "CodeCarbon's emissions.csv",
        "carbon import codecarbon",
        machines=True,
    ),
    Kind(
        frozenset({"chargeperiodstart", "chargecategory"}), "FOCUS billing rows", "carbon import focus", machines=True
    ),
    Kind(
        frozenset({"timestamp", "contexttokens", "generatedtokens"}), "an Azure LLM trace", "carbon import openai-usage"
    ),
    Kind(
        frozenset({"timestamp", "request tokens", "response tokens"}), "a BurstGPT trace", "carbon import openai-usage"
    ),
    Kind(frozenset({"timestamp", "power.draw"}), "a log of nvidia-smi", "carbon import nvidia-smi", machines=True),
    Kind(frozenset({"status", "resulttype"}), "an answer of Prometheus", "carbon import prometheus", machines=True),
    *(
        Kind(frozenset(columns), "a record of the OpenGradient network", "carbon import opengradient")
        for columns in (
            {"sessionid", "requestcount"},
            {"session_id", "request_count"},
            {"decoded", "topics"},
            {"decoded", "transaction_hash"},
            {"transaction_hash", "tee_id"},
            {"tx_hash", "tee_id"},
            {"tx", "tee_id"},
            {"tx", "teeid"},
            {"daily", "totalrequests"},
        )
    ),
    *(
        Kind(frozenset(columns), "answers of a model with `usage`, or usage by bucket", "carbon import openai-usage")
        for columns in ({"choices", "usage"}, {"model", "usage"}, {"start_time", "end_time", "results"})
    ),
    Kind(frozenset({"zone", "start", "direct_g_per_kwh"}), "an intensity series", "carbon grid import"),
    Kind(frozenset({"start", "end", "node"}), "a workload table", "put it into workload/ as it is"),
)


def kind_with(names: Iterable[str]) -> Kind | None:
    """The first of KINDS whose columns are all among some names; None where it is none."""
    there = {name.lower() for name in names}
    return next((kind for kind in KINDS if kind.columns <= there), None)


def likeness(names: Iterable[str]) -> str:
    """What a file with these columns looks like and what takes it, as the end of a sentence; empty where it is none of KINDS."""
    found = kind_with(names)
    return f": it looks like {found.name} (`{found.command}`)" if found else ""

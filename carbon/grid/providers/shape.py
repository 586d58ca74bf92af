"""Answers of providers taken apart: each value is looked at before it is used, and what does not fit is named."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import parse_instant
from carbon.grid.checks import FIGURES
from carbon.grid.providers.client import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbon.core.findings import Findings

    Record = Mapping[str, object]

TIME = "datetime64[us, UTC]"
_MEND = "try again later; if it stays so, the provider has changed its answers and this version cannot read them"


def unreadable(place: str, problem: str) -> ProviderError:
    """An error for an answer that has another form than the provider promises."""
    return ProviderError("unreadable", place, f"answered in a form that is not known: {problem}", _MEND)


def loaded(answer: object, place: str) -> Record:
    """An answer as a JSON object; text is read first. Raises ProviderError for anything else."""
    if isinstance(answer, str):
        text = answer
        try:
            answer = json.loads(text)
        except (json.JSONDecodeError, RecursionError):
            raise unreadable(place, f"no JSON, but {text[:60]!r}") from None
    if not isinstance(answer, dict):
        raise unreadable(place, f"a JSON object was expected, not {type(answer).__name__}")
    return answer


def records(value: object, place: str, name: str) -> list[Record]:
    """A list of JSON objects, which stands under `name`."""
    if not (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
        raise unreadable(place, f"{name} is no list of objects")
    return value


def number(record: Record, name: str, place: str) -> float:
    """A number, or text of one; NaN for null and for nothing."""
    value = record.get(name)
    if value is None or value == "":
        return math.nan
    try:
        if isinstance(value, bool):
            raise ValueError
        found = float(str(value))
    except ValueError:
        raise unreadable(place, f"{name} is {str(value)[:40]!r}, which is no number") from None
    if not math.isfinite(found):
        raise unreadable(place, f"{name} is {str(value)[:40]!r}, which is no finite number")
    return found


def instant(record: Record, name: str, place: str) -> int:
    """An ISO 8601 time with an offset [us since 1970]."""
    value = record.get(name)
    try:
        if not isinstance(value, str):
            raise ValueError("is no text")
        return parse_instant(value)
    except ValueError as error:
        raise unreadable(place, f"{name} = {str(value)[:40]!r} {error}") from None


def published(record: Record, name: str, place: str) -> int | None:
    """Like `instant`, None where there is none."""
    return instant(record, name, place) if record.get(name) else None


def intensity_frame(rows: Sequence[tuple[int, int, float, float, str, int | None]]) -> pd.DataFrame:
    """Rows of start and end [us], direct and lifecycle [g/kWh], status, published [us] in the import format."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    return pd.DataFrame(
        {
            "start": times(columns[0]), "end": times(columns[1]),
            FIGURES[0]: np.array(columns[2], float), FIGURES[1]: np.array(columns[3], float),
            "status": pd.Series(list(columns[4]), dtype="str"), "published": times(columns[5]),
        }
    )  # fmt: skip


def times(us: Sequence[int | None]) -> pd.Series:
    """Instants [us since 1970] as a column of times in UTC; None is NaT."""
    values = np.array([np.datetime64("NaT") if one is None else np.datetime64(one, "us") for one in us], "M8[us]")
    return pd.Series(values).dt.tz_localize("UTC")


def without_repeats(frame: pd.DataFrame, place: str, findings: Findings) -> pd.DataFrame:
    """Rows in order of start, the last one of each start; a warning where repeated rows differ."""
    twice = frame.duplicated("start", keep=False)
    said = [name for name in frame.columns if name != "published"]
    differ = frame[twice].drop_duplicates(said).duplicated("start")
    if differ.any():
        findings.warning(
            "repeated", f"gave {int(differ.sum()):,} intervals twice with different values; the last one is kept",
            "compare it with the provider's own page", file=place, value=str(frame.loc[differ[differ].index[0], "start"]),
        )  # fmt: skip
    return frame.drop_duplicates("start", keep="last").sort_values("start", ignore_index=True)


def within(frame: pd.DataFrame, start_us: int, end_us: int) -> pd.DataFrame:
    """Rows whose interval starts in [start_us, end_us): providers give an interval more or less at either end."""
    first, last = (pd.Timestamp(us, unit="us", tz="UTC") for us in (start_us, end_us))
    return frame[(frame["start"] >= first) & (frame["start"] < last)].reset_index(drop=True)

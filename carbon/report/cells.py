"""Cells of a table: exact ones for machines, rounded and disarmed ones for people."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import DAY_US, isoformat, to_us, us_of

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell = bool | int | float | str | None
DIGITS = 4
BLANK = "(blank)"
_SCIENTIFIC_BELOW, _SCIENTIFIC_FROM = 1e-6, 1e15
_KEPT_INVISIBLE = "\u200c\u200d"  # Persian spelling and joined emoji need them


def exact(column: pd.Series) -> list[Cell]:
    """Values of a column as plain Python ones: nothing rounded, None where missing, times as ISO 8601 text with Z.

    Times without a zone, as xarray has them, are UTC.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return _instants(column)
    values = column.tolist()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub":
        return values
    return [None if gone else _plain(value) for value, gone in zip(values, column.isna().tolist(), strict=True)]


def rounded(column: pd.Series) -> list[str]:
    """Cells for people: numbers of a column to the same decimals, days where all times are midnights, "" if missing."""
    if is_number(column):
        return round_numbers(column.to_numpy(np.float64, na_value=np.nan).tolist())
    if pd.api.types.is_datetime64_any_dtype(column) and not (us_of(_utc(column)) % DAY_US).any():
        return [str(cell or "")[:10] for cell in exact(column)]
    return [_shown(cell) for cell in exact(column)]


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers only, missing ones aside."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def round_numbers(values: Sequence[float]) -> list[str]:
    """Numbers to the decimals that give the largest of them four digits, grouped by thousands.

    NaN is "". What is not 0 never shows as 0: it shows as below the smallest step.
    """
    sizes = [abs(value) for value in values if math.isfinite(value)]
    largest = max(sizes, default=0.0)
    if largest and not _SCIENTIFIC_BELOW <= largest < _SCIENTIFIC_FROM:
        return ["" if math.isnan(value) else f"{value:.{DIGITS - 1}e}" if value else "0" for value in values]
    whole = all(size.is_integer() for size in sizes)
    decimals = 0 if whole else max(DIGITS - 1 - math.floor(math.log10(largest)), 0)
    return [_fixed(value, decimals) for value in values]


def amount(kgco2e: float) -> str:
    """Emissions [kg] with their unit: kgCO2e, or tCO2e from a tonne on."""
    if abs(kgco2e) >= 1_000:
        return f"{round_numbers([kgco2e / 1_000])[0]} tCO2e"
    return f"{round_numbers([kgco2e])[0]} kgCO2e"


def percent(share: float) -> str:
    """A share [1] in per cent [%] to one decimal; "" if missing. Only a true 0 shows as 0, only a true 1 as 100."""
    if math.isnan(share):
        return ""
    if 0 < abs(share) < 0.0005:
        return "<0.1 %" if share > 0 else ">-0.1 %"
    if 0.9995 <= share < 1:
        return ">99.9 %"
    return f"{100 * share:.{0 if share in (0, 1) else 1}f} %"


def percent_signed(share: float) -> str:
    """A share [1] of what was before, in per cent [%] and with its sign; "" if missing."""
    text = percent(share)
    return f"+{text}" if share > 0 and text and not text.startswith("<") else text


def clean(text: str) -> str:
    """Text that cannot steer a terminal: what does not print, line ends and changes of direction become U+FFFD.

    A name of nothing but spaces is told as BLANK, so that its line has a name.
    """
    if text.isspace():
        return BLANK
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _visible(letter) for letter in text)


def _visible(letter: str) -> str:
    if letter in _KEPT_INVISIBLE:
        return letter
    return " " if letter in "\t\n\r\u00a0\u202f" else "\ufffd"


def _utc(column: pd.Series) -> pd.Series:
    return column if column.dt.tz is not None else column.dt.tz_localize("UTC")


def _instants(column: pd.Series) -> list[Cell]:
    unique, place = np.unique(us_of(_utc(column)), return_inverse=True)
    texts = [isoformat(us) for us in unique.tolist()]
    return [None if gone else texts[at] for at, gone in zip(place.tolist(), column.isna().tolist(), strict=True)]


def _plain(value: object) -> Cell:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        aware = _utc(pd.Series([value])).iloc[0]
        return isoformat(to_us(aware.to_pydatetime()))
    return value.isoformat() if isinstance(value, date) else str(value)


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return clean(cell) if isinstance(cell, str) else round_numbers([cell])[0]


def _fixed(value: float, decimals: int) -> str:
    if math.isnan(value):
        return ""
    text = f"{value:,.{decimals}f}"
    if value and not text.strip("-0."):
        return f"<{10**-decimals:.{decimals}f}" if value > 0 else f">-{10**-decimals:.{decimals}f}"
    return text.removeprefix("-") if value == 0 else text

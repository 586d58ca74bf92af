"""Columns of text to times and numbers where one cell at least is not plain: what each holds, or what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.time import parse_instant, to_us

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]

INSTANT = pa.timestamp("us", "UTC")
THOUSANDS = r"[+-]?[1-9]\d{0,2}(\.\d{3})+$"
_DATE = r"\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|[12]\d))"
_TIME = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6}0*)?)?"
_OFFSET = r"(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)"
_DIGITS = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6}0*)?)?" + _OFFSET + "?)?"
_ISO = r"\d{4}(-\d\d-\d\d|\d{4}|-?W\d\d)"
_FINER = r".*[.,]\d{6}0*[1-9]"
_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_NOT_FINITE = r"(?i)[+-]*(nan|inf|infinity)$"
_UNIT = r"[\d.,+-]+\s*[^\d.,\s]"


class Fault(NamedTuple):
    """What can be wrong with a cell."""

    code: str
    problem: str
    mend: str


class Parsed(NamedTuple):
    """A column, null where a cell is empty or faulty; which cells have which fault; how many times were read as local."""

    values: pa.Array
    faults: list[tuple[Flags, Fault]]
    local: int = 0


_INSTEAD = "write it like 2026-10-01T00:00:00Z"
_NO_TIME = Fault("bad-time", "is not an ISO 8601 time", _INSTEAD)
_NO_DAY = Fault("bad-time", "is not in the calendar", _INSTEAD)
_TOO_FINE = Fault("bad-time", "is finer than a microsecond", _INSTEAD)
_NO_INSTANT = Fault("bad-time", "is a day, not an instant", _INSTEAD)
_NAIVE = Fault(
    "naive-time", "has no offset from UTC", "write 2026-10-01T00:00:00Z, or set time_zone under [inputs] in carbon.toml"
)
_NO_FINITE = Fault("not-finite", "is not a finite number", "leave the cell empty if the value is not known")
_WITH_UNIT = Fault("unit-in-number", "has text in a number", "write the number alone; the unit is in the header")
_DOUBTFUL = Fault("thousands", "may be thousands or a fraction", "write it without points, with a decimal comma")
_MARK = {".": "point", ",": "comma"}


def texts_of(cells: pa.Array) -> pa.Array:
    """Cells of any type as text, empty ones as null."""
    try:
        texts = cells.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        texts = pa.array([None if cell is None else str(cell) for cell in cells.to_pylist()], pa.string())
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def parse_numbers(cells: pa.Array, decimal: str) -> Parsed:
    """Numbers with the decimal mark; a cell that could be read in two ways, or in none, is a fault."""
    texts = pc.utf8_trim_whitespace(texts_of(cells))
    sorter = _Sorter(texts)
    if decimal == ",":
        sorter.put(THOUSANDS, _DOUBTFUL)
        sorter.texts = texts = pc.replace_substring(texts, ",", ".")
    good = sorter.take(_NUMBER)
    values = np.full(len(texts), np.nan)
    values[good] = pc.replace_substring_regex(texts.filter(pa.array(good)), r"^\+", "").cast(pa.float64())
    mend = f"write digits with a decimal {_MARK[decimal]} and no thousands separators"
    for form, fault in (
        (_NOT_FINITE, _NO_FINITE),
        (_UNIT, _WITH_UNIT),
        ("", Fault("not-a-number", "is not a number", mend)),
    ):
        sorter.put(form, fault)
    return Parsed(pa.array(values, mask=~good), sorter.faults)


def parse_times(cells: pa.Array, zone: str, *, days: bool) -> Parsed:
    """Instants [us]; times without an offset are read in `zone` where there is one, plain days as 00:00 UTC if `days`."""
    texts = pc.utf8_trim_whitespace(texts_of(cells))
    sorter, us, good = _Sorter(texts), np.zeros(len(texts), np.int64), np.zeros(len(texts), bool)
    aware, local, day = (sorter.take(form + "$") for form in (_DATE + _TIME + _OFFSET, _DATE + _TIME, _DATE))
    for rows, ending in ((aware, ""), (local & bool(zone), "Z"), (day & days, "T00:00:00Z")):
        us[rows], good[rows] = _instants(texts.filter(pa.array(rows)), ending)
    sorter.fault(day & (not days), _NO_INSTANT)
    for form, fault in ((_DIGITS + "$", _NO_DAY), (_FINER, _TOO_FINE)):
        sorter.put(form, fault)
    odd = sorter.take(_ISO)
    us[odd], good[odd], naive = _one_by_one(texts.filter(pa.array(odd)))
    local[np.flatnonzero(odd)[naive]] = True
    if zone:
        local &= good
        _localize(us, local, good, zone, sorter)
    else:
        sorter.fault(local, _NAIVE)
        good &= ~local
    sorter.put("", _NO_TIME)
    sorter.fault(odd & ~good, _NO_TIME)
    sorter.fault((aware | local | (day & days)) & ~good, _NO_DAY)
    return Parsed(pa.array(us, mask=~good).cast(INSTANT), sorter.faults, int((local & good).sum()))


class _Sorter:
    """Sorts cells by their form, each once: those that are `left` are asked for the next form alone."""

    def __init__(self, texts: pa.Array) -> None:
        self.texts = texts
        self.faults: list[tuple[Flags, Fault]] = []
        self._left = np.flatnonzero(_flags(texts.is_valid()))
        self._told = np.zeros(len(texts), bool)

    def take(self, form: str) -> Flags:
        """The cells left that begin with the form."""
        found = np.zeros(len(self.texts), bool)
        if len(self._left):
            texts = self.texts if len(self._left) == len(self.texts) else self.texts.take(pa.array(self._left))
            hits = _flags(pc.match_substring_regex(texts, f"^({form})"))
            found[self._left[hits]] = True
            self._left = self._left[~hits]
        return found

    def put(self, form: str, fault: Fault) -> None:
        """Give the cells left that begin with the form a fault."""
        self.fault(self.take(form), fault)

    def fault(self, rows: Flags, fault: Fault) -> None:
        """Give cells a fault, unless they have one."""
        self.faults.append((rows & ~self._told, fault))
        self._told |= rows


def _instants(texts: pa.Array, ending: str) -> tuple[Ints, Flags]:
    """Instants of texts of one plain form; False where the calendar has no such time."""
    # Noughts beyond the microsecond would make pandas count in nanoseconds, which reach from 1678 to 2262 alone.
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})0+", r"\1")
    if ending:
        texts = pc.binary_join_element_wise(texts, ending, "")
    try:
        return texts.cast(INSTANT).cast(pa.int64()).to_numpy(), np.ones(len(texts), bool)
    except pa.ArrowInvalid:  # one at least is not in the calendar, such as 31 June
        times = pd.to_datetime(pd.Series(texts.to_pylist(), dtype=object), format="ISO8601", utc=True, errors="coerce")
    known = times.notna().to_numpy()
    return np.where(known, times.dt.tz_localize(None).to_numpy("M8[us]").astype(np.int64), 0), known


def _one_by_one(texts: pa.Array) -> tuple[Ints, Flags, Flags]:
    """Instants of texts in the rarer forms of ISO 8601, whether they are any, and whether they lack an offset."""
    coded = texts.dictionary_encode()
    read = np.array([_read(text) for text in coded.dictionary.to_pylist()], np.int64).reshape(-1, 3)
    us, known, naive = read[coded.indices.to_numpy()].T
    return us, known.astype(bool), naive.astype(bool)


def _read(text: str) -> tuple[int, bool, bool]:
    try:
        return parse_instant(text), True, False
    except ValueError as error:
        if "offset" not in str(error):
            return 0, False, False
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC)), True, True


def _localize(us: Ints, naive: Flags, good: Flags, zone: str, sorter: _Sorter) -> None:
    """Turn naive times into instants of a zone, in place; those that the zone has never or twice are faults."""
    wall = pa.array(us[naive]).cast(pa.timestamp("us"))
    early, late = (pc.assume_timezone(wall, zone, ambiguous=side, nonexistent=side) for side in ("earliest", "latest"))
    never = ~pc.equal(pc.local_timestamp(late), wall).to_numpy(zero_copy_only=False)
    doubtful = ~pc.equal(early, late).to_numpy(zero_copy_only=False)
    us[naive] = early.cast(pa.int64()).to_numpy()
    for rows, word in ((never, "does not exist"), (doubtful & ~never, "stands for two instants")):
        flags = np.zeros(len(us), bool)
        flags[np.flatnonzero(naive)[rows]] = True
        good &= ~flags
        problem = f"{word} in {zone} (daylight saving)"
        sorter.fault(flags, Fault("dst-time", problem, "write it with its offset from UTC"))


def _flags(flags: pa.Array) -> Flags:
    return np.array(pc.fill_null(flags, False).to_numpy(zero_copy_only=False), bool)

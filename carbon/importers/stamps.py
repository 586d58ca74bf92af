"""Times as other programs write them: ISO 8601 with or without an offset, and numbers since 1970."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.time import SECOND_US, YEAR_2000_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.importers.localtime import Clocks

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]

_STAMP = (
    r"^(?P<day>\d{4}[-/]\d\d[-/]\d\d)[T ](?P<minute>\d\d:\d\d)(?P<second>:\d\d)?(?:[.,](?P<part>\d+))?"
    r"\s*(?P<zone>Z|UTC|[+-]\d\d:?\d\d)?$"
)
_NUMBER = r"^(?P<whole>\d{9,10}|\d{12,13}|\d{15,16}|\d{18,19})(?:\.(?P<part>\d+))?$"
_TOO_LATE_US = 4_102_444_800 * SECOND_US  # 2100: a number beyond it is of another unit


class Stamps(NamedTuple):
    """Instants [us since 1970 UTC] of texts; `bad` are no times, `naive` lack an offset.

    `skipped` and `doubtful` are naive ones that do not exist in the zone, or come twice in it.
    """

    us: Ints
    bad: Flags
    naive: Flags
    skipped: Flags
    doubtful: Flags


def stamps(texts: pa.Array, clocks: Clocks) -> Stamps:
    """Instants of texts, in the order they were written; those without an offset are all of one of the clocks.

    What is finer than a microsecond is cut. Numbers are seconds, milli-, micro- or nanoseconds since 1970, by their size.
    """
    found = pc.extract_regex(pc.utf8_trim_whitespace(texts.cast(pa.string())), _STAMP)
    field = {
        name: pc.fill_null(pc.struct_field(found, name), "") for name in ("day", "minute", "second", "part", "zone")
    }
    second = pc.if_else(pc.equal(field["second"], ""), ":00", field["second"])
    day = pc.replace_substring(field["day"], "/", "-")
    whole = pc.binary_join_element_wise(pc.binary_join_element_wise(day, field["minute"], "T"), second, "")
    local, known = _parsed(whole)
    local = np.where(known, local + _part_us(field["part"]), 0)
    naive = known & _flags(pc.equal(field["zone"], ""))
    number_us, is_number = _numbers(texts)
    us = np.where(is_number, number_us, local - _offset_us(field["zone"]))
    skipped, doubtful = np.zeros(len(us), bool), np.zeros(len(us), bool)
    if naive.any():
        at = np.flatnonzero(naive)
        told = clocks.instants(local[at], [""] * len(at))
        us[at], skipped[at], doubtful[at] = told.us, told.skipped, told.doubtful
    us[skipped] = 0
    return Stamps(us, ~(known | is_number), naive, skipped, doubtful)


def _parsed(texts: pa.Array) -> tuple[Ints, Flags]:
    """Local times [us] and which texts are times; 31 April is none."""
    shaped = pc.if_else(pc.equal(pc.utf8_length(texts), len("2026-10-01T00:00:00")), texts, None)
    try:
        parsed = pc.cast(shaped, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # a day that no calendar has
        parsed = pd.to_datetime(texts.to_pandas(), errors="coerce", format="%Y-%m-%dT%H:%M:%S").to_numpy("M8[us]")
    known = ~np.isnat(parsed)
    return np.where(known, parsed.astype(np.int64), 0), known


def _part_us(digits: pa.Array) -> Ints:
    """Microseconds of the digits behind the seconds."""
    padded = pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 6, "0"), 0, 6)
    return pc.cast(padded, pa.int64()).to_numpy(zero_copy_only=False)


def _offset_us(zones: pa.Array) -> Ints:
    """Offsets [us] of texts such as +02:00; 0 of Z, UTC and none."""
    parts = pc.extract_regex(zones, r"^(?P<sign>[+-])(?P<hour>\d\d):?(?P<minute>\d\d)$")
    hour, minute = (
        pc.fill_null(pc.cast(pc.struct_field(parts, name), pa.int64()), 0).to_numpy() for name in ("hour", "minute")
    )
    sign = np.where(_flags(pc.equal(pc.struct_field(parts, "sign"), "-")), -1, 1)
    return sign * (hour * 3600 + minute * 60) * SECOND_US


def _numbers(texts: pa.Array) -> tuple[Ints, Flags]:
    """Instants [us] of numbers since 1970 (2001 to 2100), and which texts are such numbers."""
    found = pc.extract_regex(pc.utf8_trim_whitespace(texts.cast(pa.string())), _NUMBER)
    digits, part = (pc.fill_null(pc.struct_field(found, name), "") for name in ("whole", "part"))
    whole = pc.cast(pc.if_else(pc.equal(digits, ""), "0", digits), pa.uint64()).to_numpy(zero_copy_only=False)
    whole = whole.astype(np.int64)
    size = pc.utf8_length(digits).to_numpy(zero_copy_only=False)
    finer = [size <= 10, size <= 13, size <= 16]  # seconds, milli-, microseconds; else nanoseconds
    us = np.select(finer, [whole * SECOND_US + _part_us(part), whole * 1000, whole], whole // 1000)
    good = (size > 0) & (us >= YEAR_2000_US) & (us < _TOO_LATE_US)
    return np.where(good, us, 0), good


def _flags(array: pa.Array) -> Flags:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), bool)

"""Generation by a provider's codes to generation by fuel, in the import format of mixes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.grid.providers.shape import times
from carbon.grid.tables import rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.core.findings import Findings

# Net generation below 0 is a plant's own use down to these [MW]; more than that is no measurement (Electricity Maps,
# contrib parsers/EIA.py, 2026). Hydro below 0 pumps, whatever the amount.
OWN_USE_MW = {"coal": 50.0, "gas": 20.0, "solar": 100.0, "wind": 20.0, "unknown": 50.0, "hydro": np.inf}
USUAL_OWN_USE_MW = 10.0
QUIET_SHARE = 0.01
LONG = ("start_us", "end_us", "code", "mw")


def by_fuel(
    long: Sequence[tuple[int, int, str, float]],
    system: str,
    findings: Findings,
    own: str = "",
    published_us: int | None = None,
) -> pd.DataFrame:
    """Rows of start, end [us], code and generation [MW] as a mix: `start`, `end`, `published` and one column a fuel [MW].

    Intervals of several lengths are cut to the shortest: power is a mean, so that nothing is lost. A fuel without a
    value is NaN, which is not 0; but where a code falls silent next to values under 1 % of its highest (the sun at
    night), it counts as 0. Unknown codes count as `unknown`, with a warning.
    """
    if not long:
        return pd.DataFrame({name: times([]) for name in ("start", "end", "published")})
    frame = _cut(pd.DataFrame(list(long), columns=list(LONG)))
    frame = _once(frame, system, findings)
    wide = frame.pivot_table(index=["start_us", "end_us"], columns="code", values="mw", aggfunc="last", dropna=False)
    wide = wide[wide.notna().any(axis=1)]
    fuels = _fuels(list(wide.columns), system, findings, own)
    summed: dict[str, pd.Series] = {}
    for code, fuel in fuels.items():
        values = _plausible(_with_quiet(wide[code]), fuel)
        summed[fuel] = summed[fuel] + values if fuel in summed else values  # NaN + 5 is NaN: a part is not the whole
    starts, ends = (wide.index.get_level_values(name).tolist() for name in LONG[:2])
    mix = pd.DataFrame(summed, index=wide.index).reset_index(drop=True)
    return pd.concat(
        [
            pd.DataFrame({"start": times(starts), "end": times(ends), "published": times([published_us] * len(wide))}),
            mix,
        ],
        axis=1,
    )


def _cut(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows cut to the shortest interval among them, where it divides theirs."""
    length = frame["end_us"] - frame["start_us"]
    step = int(length.min())
    parts = (length // step).to_numpy()
    cut = frame.loc[frame.index.repeat(parts)].reset_index(drop=True)
    place = np.arange(len(cut)) - np.repeat(np.cumsum(parts) - parts, parts)
    start = cut["start_us"].to_numpy() + place * step
    return cut.assign(start_us=start, end_us=start + step)


def _once(frame: pd.DataFrame, system: str, findings: Findings) -> pd.DataFrame:
    """The last row of each code and interval; a warning where repeated ones differ."""
    key = ["start_us", "code"]
    last = frame.drop_duplicates(key, keep="last")
    differ = len(frame.drop_duplicates([*key, "mw"])) - len(last)
    if differ:
        findings.warning(
            "repeated", f"gave {differ:,} values twice, and not the same; the last one is kept",
            "compare it with the provider's own page", file=system,
        )  # fmt: skip
    return last


def _fuels(codes: Sequence[str], system: str, findings: Findings, own: str) -> dict[str, str]:
    known: dict[str, str] = {}
    for row in rows("fuel_map", own):
        if row["system"] == system:
            known.setdefault(row["code"], row["fuel"])
    for code in codes:
        if code not in known:
            findings.warning(
                "unknown-fuel", "is a fuel that is not in fuel_map.csv, and counts as unknown",
                "add a row to fuel_map.csv of your own ([grid] data)", file=system, value=code,
            )  # fmt: skip
    return {code: known.get(code, "unknown") for code in codes}


def _with_quiet(values: pd.Series) -> pd.Series:
    """Zeros in the silences of a code that lie between (or after, or before) values next to nothing."""
    beside = pd.concat([values.ffill(), values.bfill()], axis=1).abs().max(axis=1)
    quiet = values.isna() & (beside <= QUIET_SHARE * values.abs().max())
    return values.mask(quiet, 0.0)


def _plausible(values: pd.Series, fuel: str) -> pd.Series:
    """Own use as 0, and more than own use as not known."""
    least = -OWN_USE_MW.get(fuel, USUAL_OWN_USE_MW)
    return values.mask(values < least).mask((values < 0) & (values >= least), 0.0)

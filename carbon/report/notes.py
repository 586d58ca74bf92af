"""What a reader of a report must know beside its figures: what is not covered, and what stands in for something better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.findings import NOTE, WARNING, Finding
from carbon.core.sums import sum_of
from carbon.ledger.entries import standing
from carbon.report.groups import numbered
from carbon.report.monthly import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from numpy.typing import NDArray

_PLACE = ["period", "start", "node", "zone", "product", "model", "mode", "activity", "status"]
_WORK = _PLACE[:-1]  # market-based lines settle apart from what hangs on their energy
BESIDE = {"upstream_beside": "upstream", "losses_beside": "losses"}
BESIDE_NEEDS = (*_WORK, "phase", "basis")
_READ = (*_PLACE, "phase", "basis", "energy_kwh", "kgco2e", "factor_kind", "factor")
_NO_GRID = "{} of the energy has no grid data: its emissions are in no line"
_NO_UPSTREAM = "{} of the energy has no upstream figure: not covered, not zero"
_NO_LOSSES = "{} of the energy has no losses line, for lack of a rate or a lifecycle figure"
_NO_RESIDUAL = (
    "{} of Scope 2 energy has neither an instrument nor a residual mix: market-based takes the stated fallback, %s"
)
_LIFECYCLE = "{} of the energy has only a lifecycle figure: upstream is in it"
_COUNTRY = "{} of the energy takes the figure of the zone's country"
_IMPORT = "import a series (`carbon grid import`)"
_ADD_LIFECYCLE = "add lifecycle_g_per_kwh to a series or to annual.csv ([grid] data)"
_ADD_RATE = "add a row to td_losses.csv, or lifecycle_g_per_kwh to a series or to annual.csv ([grid] data)"
_ADD_RESIDUAL = "add a row to residual_mix.csv ([grid] data)"
NO_RESIDUAL = "no-residual-mix"
NO_RANGE = "No range: some entries were posted without an uncertainty; `carbon account` posts them with it."
_RANGE = (
    "Range: 95 % of {:,} draws, seed {}; one draw for each meter, model and factor, shared by all entries that use it; "
    "uncertainty of models and scenarios is not included."
)
_MONTH = r" (\d{4}-\d\d)$"
_NAMED_MONTH = r"(?<!\d)((?:19|20)\d\d-(?:0[1-9]|1[0-2]))(?!\d)"
NAMED = 8
SAID_BY_LINES = ("not-covered", "no-upstream", "no-losses", "no-lane", "no-mass")
FIXED = (
    "Scope 1 (generator sets, refrigerants) is not covered.",
    "Upstream includes the construction of power plants where the lifecycle figure does.",
)


class Notes(NamedTuple):
    """Notes by weight: what asks for something to be done, what is good to know, and how figures are made, as ever."""

    act: Sequence[str] = ()
    know: Sequence[str] = ()
    method: Sequence[str] = ()


def weighed(
    entries: pd.DataFrame,
    findings: pd.DataFrame,
    months: Collection[str],
    hardware: str = "amortised",
    known: Sequence[str] = (),
) -> Notes:
    """All that `report_notes` and `warning_notes` say, by weight and each thing once; `known` is good to know as well.

    `entries` are live ones, `findings` those of Ledger.findings.
    """
    gaps = _gaps(entries, hardware)
    said = [NO_RESIDUAL] if any(_ADD_RESIDUAL in note for note in gaps) else []
    told = _told(findings[~findings["code"].isin(said)], months)
    mine, others = _warnings(told, months)
    return Notes([*gaps, *mine], [*known, *_remarks(told), *others], FIXED)


def report_notes(entries: pd.DataFrame, hardware: str = "amortised") -> list[str]:
    """Notes on live entries: shares of energy_kwh [kWh] by what stands behind them, then what always holds."""
    return [*_gaps(entries, hardware), *FIXED]


def _gaps(entries: pd.DataFrame, hardware: str) -> list[str]:
    """What no figure covers, and what one covers that stands in for a better one."""
    entries = standing(entries)
    lines = statement(entries[list(_READ)], "location", hardware)
    market = entries.loc[entries["basis"] == "market", ["energy_kwh", "factor_kind", "zone"]]
    fallback = market["factor_kind"].isin(["grid-average", "fossil"])
    kinds = " and ".join(sorted(market.loc[fallback, "factor_kind"].unique()))
    takes, covered = lines["energy_kwh"].notna(), lines["kgco2e"].notna()
    energy = takes & (lines["phase"] == "use")
    use, total = energy & covered, sum_of(lines.loc[energy, "energy_kwh"].to_numpy(np.float64))
    lifecycle, place = lines["factor_kind"] == "lifecycle", numbered(lines, _PLACE)[0]
    found = [
        _share(lines, energy & ~covered, total, _NO_GRID, _IMPORT),
        _hardware(lines.loc[~covered & ~takes, ["phase", "node"]]),
        _share(lines, use & ~_beside(lines, place, "upstream") & ~lifecycle, total, _NO_UPSTREAM, _ADD_LIFECYCLE),
        _share(lines, use & ~_beside(lines, place, "losses"), total, _NO_LOSSES, _ADD_RATE),
        _share(
            market, fallback, sum_of(market["energy_kwh"].to_numpy(np.float64)), _NO_RESIDUAL % kinds, _ADD_RESIDUAL
        ),
        _share(lines, use & lifecycle, total, _LIFECYCLE),
        _share(lines, use & _says(lines["factor"], "/for "), total, _COUNTRY),
    ]
    return [note for note in found if note]


def not_covered(lines: pd.DataFrame) -> list[str]:
    """What of a statement's lines no figure covers, a phrase each: which phase, of which share of the energy [kWh], where.

    Lines have the columns of `beside`.
    """
    covered, lifecycle = lines["kgco2e"].notna(), lines["factor_kind"] == "lifecycle"
    energy = (lines["phase"] == "use") & lines["energy_kwh"].notna()
    use, total = energy & covered, sum_of(lines.loc[energy, "energy_kwh"].to_numpy(np.float64))
    upstream, losses = (lines[name] for name in BESIDE)
    alone = {"use": energy & ~covered, "upstream": use & ~upstream & ~lifecycle, "losses": use & ~losses}
    found = [_share(lines, some, total, f"{phase} of {{}} of the energy") for phase, some in alone.items()]
    rest = lines[lines["kgco2e"].isna() & (lines["phase"] != "use")]
    hardware = sorted(set(rest.loc[rest["energy_kwh"].isna(), "phase"]) - {"upstream", "losses"})
    return [*(phrase for phrase in found if phrase), *(f"{phase} of some hardware" for phase in hardware)]


def beside(entries: pd.DataFrame, energy: str = "location", hardware: str = "amortised") -> pd.DataFrame:
    """Live entries with the columns BESIDE: whether a line of that phase and of the statement stands beside each."""
    place = numbered(entries, _WORK)[0]
    mine = entries["basis"].isin([energy, hardware, "either"]).to_numpy(bool)
    flags = {name: np.bincount(place, mine & (entries["phase"] == phase))[place] > 0 for name, phase in BESIDE.items()}
    return entries.assign(**flags)


def range_note(frame: pd.DataFrame) -> str:
    """What the range of a report table (`attrs` of carbon.report.monthly.summarise) rests on, and what it leaves out."""
    if math.isnan(frame.attrs["kgco2e_low"]):
        return NO_RANGE
    return _RANGE.format(frame.attrs["draws"], frame.attrs["seed"])


def warning_notes(findings: pd.DataFrame, months: Collection[str]) -> list[str]:
    """What the accounting noted, and one line for each kind of its warnings that the lines do not show (Ledger.findings).

    Those that name other months alone come last, and say so: a posting tells of all months that it covers.
    """
    told = _told(findings, months)
    mine, others = _warnings(told, months)
    return [*_remarks(told), *mine, *others]


def _told(findings: pd.DataFrame, months: Collection[str]) -> pd.DataFrame:
    return findings[~findings["code"].isin(SAID_BY_LINES) & _concerns(findings["value"], months)]


def _warnings(told: pd.DataFrame, months: Collection[str]) -> tuple[list[str], list[str]]:
    """One line for each kind of warning: those of the months or of no month, and those that name other months alone."""
    warned = told[told["severity"] == WARNING]
    text = warned["value"].fillna("").astype("str") + " " + warned["problem"].astype("str")
    other = np.array(
        [bool(named) and not named & set(months) for named in map(set, text.str.findall(_NAMED_MONTH))], bool
    )
    mine, others = (
        [_warned(_findings(rows), of) for _, rows in warned[some].groupby("code", sort=True)]
        for some, of in ((~other, ""), (other, " of other months"))
    )
    return mine, others


def _remarks(told: pd.DataFrame) -> list[str]:
    """One line for each kind of what was noted, in the order that it was noted in."""
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for finding in _findings(told[told["severity"] == NOTE]):
        kinds.setdefault((finding.code, finding.column, finding.mend), []).append(finding)
    return [_noted(some) for some in kinds.values()]


def _concerns(values: pd.Series, months: Collection[str]) -> pd.Series:
    """Whether a value ends with none but the given months: a posting tells of all that it covers."""
    month = values.fillna("").str.extract(_MONTH, expand=False)
    return month.isna() | month.isin(list(months))


def _findings(rows: pd.DataFrame) -> list[Finding]:
    told = rows[list(Finding._fields)].astype(object)
    return [Finding(*cells) for cells in told.where(told.notna(), None).itertuples(index=False)]


def _noted(findings: list[Finding]) -> str:
    """What is noted of each thing, and once what is to be said of all."""
    first = findings[0]
    said = "; ".join(f"{finding.value}: {finding.problem}".lstrip(" :") for finding in dict.fromkeys(findings))
    return f"{first.column} {said}; {first.mend}".lstrip(" :")


def _warned(findings: list[Finding], of: str) -> str:
    """The first of a kind, with the values of all where they differ in nothing else, else with their number."""
    first = findings[0]
    values = list(dict.fromkeys(str(finding.value) for finding in findings if finding.value))
    alike = {finding._replace(value=first.value) for finding in findings} == {first}
    rest = 0 if alike else len(findings) - 1
    more = f" (and {', '.join(values[1:NAMED])}{f', {len(values) - NAMED} more' if len(values) > NAMED else ''})"
    text = str(first).removeprefix("warning: ")
    if alike and len(values) > 1:
        text += more
    others = f", and {rest} more like it (`carbon check` lists them)" if rest else ""
    return f"Accounting warned{of}: {text}{others}"


def _beside(lines: pd.DataFrame, place: NDArray[np.int64], phase: str) -> NDArray[np.bool_]:
    """Whether a line of a phase stands at the place of each line."""
    beside: NDArray[np.bool_] = np.bincount(place, lines["phase"] == phase)[place] > 0
    return beside


def _says(column: pd.Series, words: str) -> pd.Series:
    return column.isin([text for text in column.dropna().unique() if words in text])


def _hardware(uncovered: pd.DataFrame) -> str:
    """What of the hardware no figure covers."""
    if uncovered.empty:
        return ""
    phases, nodes = (sorted(uncovered[name].unique()) for name in ("phase", "node"))
    named = ", ".join(nodes[:NAMED]) + (f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else "")
    return f"Hardware: {' and '.join(phases)} not covered, not zero ({named})"


def _share(lines: pd.DataFrame, some: pd.Series, total: float, text: str, mend: str = "") -> str:
    """A fact of some lines' share of the energy, their zones, and how to mend it; "" where nothing is concerned."""
    share = sum_of(lines.loc[some, "energy_kwh"].to_numpy(np.float64)) / total if total else 0.0
    if not share:
        return ""
    zones = sorted(lines.loc[some, "zone"].unique())
    more = f" and {len(zones) - NAMED} more" if len(zones) > NAMED else ""
    return f"{text.format(f'{share:.1%}')} ({', '.join(zones[:NAMED])}{more}){f'; {mend}' if mend else ''}"

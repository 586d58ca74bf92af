"""Forms of entries that were condensed month by month are, bit by bit, those of all entries at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.exports import esrs, mica, pact
from carbon.grid.uncertainty import Table, figures
from carbon.report.condensed import Condensed
from carbon.report.monthly import statement
from carbon.report.notes import beside, not_covered
from carbon.report.ranges import Draws
from carbon.report.sci import sci
from tests.exports.world import CHAT, METERED, entries, rows
from tests.report.ledger_entries import MONTHS, Months, Shelf, entry, frame_of
from tests.report.ledger_entries import entries as any_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

TWO = ["2026-10", "2026-11"]
ZONES = {"DE": "DE", "SE": "SE", "GB": "GB"}
WIDE = Table(dict.fromkeys(figures(), 1.7), frozenset())
FACTORS = {"method": "location@1", "factor": "DE/measured@1", "factor_kind": "direct", "gsd2": 1.1}


def _two_months() -> list[dict[str, Any]]:
    """Many entries of two months, some that no figure covers, and sums that no float64 holds."""
    tenths = [entry(kgco2e=0.1 * at, energy_kwh=0.3 * at, requests=7, tokens=0.1, **METERED | CHAT) for at in range(90)]
    gaps = [entry(kgco2e=None, energy_kwh=5.3, **METERED | CHAT), entry(kgco2e=-1e17, **METERED | CHAT)]
    more = [*rows("2026-11", 3.3), *(row | {"period": "2026-11"} for row in gaps)]
    return [*rows(), *more, *tenths, *(row | {"period": "2026-11"} for row in tenths)]


def _condensed(made: Sequence[dict[str, Any]], names: Sequence[str], amounts: Sequence[str], *more: Any) -> pd.DataFrame:
    found = Condensed(Months(made), names, amounts, *more).live(None, [*MONTHS])
    assert len(found) < len(made) + 3 * len(found.columns)
    return found


def test_esrs() -> None:
    made = _two_months()
    expected = esrs.esrs(frame_of(made), TWO, country_of=ZONES)
    found = esrs.esrs(_condensed(made, esrs.ALIKE, esrs.AMOUNTS), TWO, country_of=ZONES)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found["note"].str.contains("1 entries (5.3 kWh) have no figure", regex=False).any()


@given(made=st.lists(any_entry(), max_size=25))
def test_esrs_of_anything(made: list[dict[str, Any]]) -> None:
    bases = [entry(period=period, basis=basis, kgco2e=1.5) for period in MONTHS for basis in ("location", "market")]
    every = [row | FACTORS for row in [*bases, *made]]
    expected = esrs.esrs(frame_of(every), MONTHS, country_of=ZONES)
    found = esrs.esrs(_condensed(every, esrs.ALIKE, esrs.AMOUNTS), MONTHS, country_of=ZONES)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("consensus", [("chain",), ("inference", "chain")])
def test_mica(consensus: tuple[str, ...]) -> None:
    made = [row for row in _two_months() if row["kgco2e"] != -1e17]
    told = mica.Disclosure("Net", 3e6, {"GO-1": True, "PPA-1": True}, consensus)
    gone = [row | {"kgco2e": 0.1 + at / 7} for row in made if row["phase"] == "disposal" for at in range(9)]
    expected = mica.mica(frame_of([*made, *gone]), TWO, told)
    found = mica.mica(_condensed([*made, *gone], mica.ALIKE, mica.AMOUNTS, mica.APART), TWO, told)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found.set_index("field")["value"]["S.22"] > 0


@pytest.mark.parametrize("draws", [Draws(500), Draws(500, kept=((2, Table({}, frozenset())), (3, WIDE)))])
def test_pact(draws: Draws) -> None:
    made = [row | {"posting": 1 + at % 4, "gsd2": 1.2} for at, row in enumerate(_two_months()) if row["kgco2e"] != -1e17]
    frame = pact.Frame(pact.Company("Net"), TWO, "2026-12-01T00:00:00Z", draws=draws, country_of=ZONES)
    expected = pact.pact(frame_of(made), frame)
    found = pact.pact(pact.condensed(Months(made), draws).live(None, TWO), frame)
    assert pact.to_json(found.footprints) == pact.to_json(expected.footprints)
    assert found == expected
    assert "Not in it either" in pact.to_json(found.footprints)


def test_scores() -> None:
    made = _two_months()
    for total in (False, True):
        expected = sci(Shelf(made), TWO, total=total)
        pd.testing.assert_frame_equal(sci(Months(made), TWO, total=total), expected, check_exact=True)


@pytest.mark.parametrize("energy", ["location", "market"])
def test_what_stands_beside_energy_is_that_of_each_place(energy: str) -> None:
    frame = entries()
    lines = statement(beside(frame, energy), energy, "amortised")
    alone = lines[(lines["phase"] == "use") & (lines["zone"] == "DE")]
    assert alone["upstream_beside"].tolist() == [row["node"] == "gpu" and row["zone"] == "DE" for _, row in alone.iterrows()]
    assert not alone["losses_beside"].any()
    assert any(phrase.startswith("losses of 100.0% of the energy") for phrase in not_covered(lines))

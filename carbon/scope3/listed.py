"""Lots of the assets that fleet.csv lists: units that moved, left early, were resold or impaired."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from carbon.core.time import us_of
from carbon.hardware.logistics import freight_kgco2e, legs
from carbon.scope3.lots import NEVER_US, Figures, Lot, Position, Service, lot_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.hardware.profiles import Profile
    from carbon.scope3.policy import Refresh

    Row = Mapping[Hashable, Any]


def listed_lots(
    fleet: pd.DataFrame, nodes: pd.DataFrame, profiles: Mapping[str, Profile], countries: Mapping[str, str],
    policy: Refresh, findings: Findings, name: str = "fleet.csv",
) -> list[Lot]:  # fmt: skip
    """Lots of a fleet table (index `row`), emissions [kg]: one for each set of units of an asset that left together."""
    table = fleet.assign(row=fleet.index)
    for column, missing in (
        ("valid_from", -1),
        ("acquired", 0),
        ("in_service", 0),
        ("retired", NEVER_US),
        ("disposal", NEVER_US),
    ):
        table[column] = us_of(table[column], missing)
    table["valid_from"] = table["valid_from"].where(table["valid_from"] >= 0, table["in_service"])
    table = table.sort_values(["asset", "valid_from"])
    first = nodes.sort_values(["node", "valid_from"]).drop_duplicates("node")
    at = {
        str(row["node"]): Position(countries.get(row["zone"], ""), row["latitude"], row["longitude"])
        for row in first.to_dict("records")
    }
    return [
        lot
        for _, group in groupby(table.to_dict("records"), key=itemgetter("asset"))
        for lot in _lots(list(group), profiles, at, policy, findings, name)
    ]


def _lots(
    rows: Sequence[Row], profiles: Mapping[str, Profile], at: Mapping[str, Position], policy: Refresh, findings: Findings,
    name: str,
) -> Iterator[Lot]:  # fmt: skip
    """Units that leave between two rows are a lot of their own, and so are those that stay to the end."""
    profile = profiles[rows[0]["profile"]]
    figures = _figures(rows[0], profile, at[rows[0]["node"]], policy, findings, name)
    impairments = tuple(
        (int(row["valid_from"]), float(row["recoverable"])) for row in rows if row["recoverable"] == row["recoverable"]
    )
    places = tuple((int(row["valid_from"]), str(row["node"])) for row in rows)
    for before, after in pairwise(rows):
        gone = before["devices"] - after["devices"]
        if gone > 0:
            leaving = {**after, "retired": after["valid_from"]}
            yield _lot(rows, leaving, gone, places, impairments, profile, figures, at, policy, name)
    if rows[-1]["devices"] > 0:
        yield _lot(rows, rows[-1], rows[-1]["devices"], places, impairments, profile, figures, at, policy, name)


def _lot(
    rows: Sequence[Row], last: Row, units: float, places: tuple[tuple[int, str], ...],
    impairments: tuple[tuple[int, float], ...], profile: Profile, figures: Figures, at: Mapping[str, Position],
    policy: Refresh, name: str,
) -> Lot:  # fmt: skip
    retired, first = int(last["retired"]), rows[0]
    service = Service(
        int(first["acquired"]), int(first["in_service"]), retired, _text(last["fate"]) or "scrapped",
        int(last["disposal"]), _text(last["treatment"]),
    )  # fmt: skip
    kept = tuple(place for place in places if place[0] < retired) or places[:1]
    suffered = tuple(one for one in impairments if one[0] < retired)
    return lot_of(
        str(first["asset"]), kept, profile, float(units), service, at[kept[0][1]], policy, name, figures, suffered
    )


def _figures(
    row: Row, profile: Profile, at: Position, policy: Refresh, findings: Findings, name: str
) -> Figures:  # fmt: skip
    """What the row says of one unit [kg], else the profile; freight by its lane, not known where that is not."""
    mass = (
        row["mass_kg"] if row["mass_kg"] == row["mass_kg"] else math.nan if profile.mass_kg is None else profile.mass_kg
    )
    kilograms, rates = math.nan, ""
    found = legs(_text(row["transport"]), _text(row["origin"]), policy.freight_mode, at)
    rates = " + ".join(dict.fromkeys(leg.rate for leg in found))
    kilograms = freight_kgco2e(mass, found)
    if math.isnan(kilograms):
        what = "lane" if mass == mass else "mass"
        mend = (
            "give mass_kg" if what == "mass" else "give transport with its length, or the node's latitude and longitude"
        )
        findings.warning(
            f"no-{what}", f"has no {what} that is known: transport is not covered", mend,
            file=name, row=int(row["row"]), column="transport", value=str(row["asset"]),
        )  # fmt: skip
    return Figures(row["embodied_kgco2e"], row["mass_kg"], kilograms, rates)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

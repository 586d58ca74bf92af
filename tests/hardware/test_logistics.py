"""Shipments: distances against published ones, legs read from text, kilograms by hand, and what is refused."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.hardware.logistics import (
    ORIGIN,
    Leg,
    freight_kgco2e,
    great_circle_km,
    lane_km,
    legs,
    place_of,
)

RATES = {"air": "0.6665", "air-rf": "1.0346", "sea": "0.01977", "road": "0.1252", "rail": "0.0347"}
# Great circles [km] as published, R = 6,371 km.
FROM_TPE = {
    "ANC": 7519, "LAX": 10923, "ORD": 11980, "DFW": 12400, "IAD": 12635, "IAH": 12757, "GDL": 13024, "GRU": 18755,
    "ARN": 8329, "FRA": 9365, "AMS": 9442, "LHR": 9783, "PVG": 677, "HKG": 806, "ICN": 1462, "NRT": 2182, "PEN": 3135,
    "SIN": 3222, "BOM": 5002, "DXB": 6556, "SYD": 7285, "JNB": 11480,
}  # fmt: skip
SECOND = {("GDL", "DFW"): 1510, ("GDL", "IAD"): 3209, ("IAH", "FRA"): 8403, ("PEN", "FRA"): 9678, ("SIN", "FRA"): 10278}
GERMANY = ("DE", math.nan, math.nan)


@pytest.mark.parametrize(("start", "end"), [*(("TPE", code) for code in FROM_TPE), *SECOND])
def test_places_are_as_far_apart_as_published(start: str, end: str) -> None:
    published = FROM_TPE[end] if start == "TPE" else SECOND[start, end]
    assert great_circle_km(place_of(start), place_of(end)) == pytest.approx(published, rel=0.005)


def test_a_packed_system_by_air_and_by_sea() -> None:
    """170.45 kg from Taipei to Frankfurt: 1,064 kg by air without radiative forcing, 1,651 with it, 67 by sea."""
    for transport, kg in (("air", 1064), ("air-rf", 1651), ("sea 20000", 67)):
        assert freight_kgco2e(170.45, legs(transport, "TPE", "road", GERMANY)) == pytest.approx(kg, abs=0.5)


@pytest.mark.parametrize(
    ("transport", "origin", "expected"),
    [
        ("", "", [("air", 9365.0)]),
        ("sea 19600", "", [("sea", 19600.0)]),
        ("air 9365 + road 300", "", [("air", 9365.0), ("road", 300.0)]),
        ("air+road 300", "TPE", [("air", 9365.0), ("road", 300.0)]),
        (" road 1e2 +sea 19600+ rail 40.5 ", "", [("road", 100.0), ("sea", 19600.0), ("rail", 40.5)]),
    ],
)
def test_legs_of_a_text(transport: str, origin: str, expected: list[tuple[str, float]]) -> None:
    found = legs(transport, origin, "air", GERMANY)
    assert [(leg.mode, leg.km) for leg in found] == expected
    assert [leg.rate for leg in found] == [f"freight/{leg.mode}/2025@1" for leg in found]


@given(st.lists(st.tuples(st.sampled_from(sorted(RATES)), st.integers(1, 20000)), min_size=1, max_size=5), st.floats(0.1, 2000))
def test_kilograms_by_hand(stated: list[tuple[str, int]], mass: float) -> None:
    shipment = legs(" + ".join(f"{mode} {km}" for mode, km in stated), "PEN", "air")
    by_hand = Fraction(mass) / 1000 * sum((km * Fraction(RATES[mode]) for mode, km in stated), Fraction(0))
    assert freight_kgco2e(mass, shipment) == pytest.approx(float(by_hand), rel=1e-12)


def test_the_main_leg_goes_from_the_origin_to_the_node() -> None:
    """A position before the country's airport; from the assembler the lanes of the table."""
    munich = ("DE", 48.35, 11.79)
    (lane,) = legs("", "", "sea", munich)
    assert (lane.mode, lane.km) == ("sea", lane_km("DE", 48.35, 11.79))
    main, last = legs("air + road 300", "pen", "sea", munich)
    assert main.km == great_circle_km(place_of("PEN"), (48.35, 11.79))
    assert last.km == 300
    (from_penang,) = legs("air", "PEN", "air", GERMANY)
    assert from_penang.km == pytest.approx(9678, rel=0.005)
    (to_us,) = legs("air", "GDL", "air", ("US", math.nan, math.nan))
    assert to_us.km == great_circle_km(place_of("GDL"), place_of("ORD"))


def test_an_origin_in_degrees() -> None:
    assert place_of("") == ORIGIN
    assert place_of("TPE") == ORIGIN
    assert place_of(" 25.0777  121.2328 ") == ORIGIN
    (leg,) = legs("air", "5.2971 100.2769", "air", GERMANY)
    assert leg.km == legs("air", "PEN", "air", GERMANY)[0].km


@pytest.mark.parametrize(
    ("origin", "destination"),
    [("", ("FR", math.nan, math.nan)), ("PEN", ("FR", math.nan, math.nan)), ("FRA", GERMANY), ("", ("", math.nan, math.nan))],
)
def test_a_lane_that_is_not_known_is_nan_and_no_zero(origin: str, destination: tuple[str, float, float]) -> None:
    (leg,) = legs("air", origin, "air", destination)
    assert math.isnan(leg.km)
    assert math.isnan(freight_kgco2e(100.0, [leg]))
    assert freight_kgco2e(100.0, legs("air 500", origin, "air", destination)) == pytest.approx(100 / 1000 * 500 * 0.6665)


def test_a_mass_that_is_not_known_is_nan() -> None:
    assert math.isnan(freight_kgco2e(math.nan, [Leg("air", 1.0, "")]))


@pytest.mark.parametrize(
    ("transport", "origin", "said"),
    [
        ("plain 300", "", "no mode of freight 'plain'; near names: air"),
        ("rial", "", "near names: rail"),
        ("air 9365 km", "", "'air 9365 km' is no leg: after the mode goes its length in km alone"),
        ("air 9,365", "", "is no leg"),
        ("air 0", "", "is no leg"),
        ("air -5", "", "is no leg"),
        ("air nan", "", "is no leg"),
        ("air inf", "", "is no leg"),
        ("air ٣٠٠", "", "is no leg"),
        ("air 300 +", "", "no mode of freight ''"),
        ("air + sea", "", "leaves out more than one length"),
        ("air", "TPR", "no place 'TPR'; near names: TPE"),
        ("air", "new york city", "no place"),
        ("air", "91 0", "'91 0' is no position"),
        ("air", "0 181", "is no position"),
        ("air", "nan 3", "is no position"),
        ("air", "25 N", "is no position"),
    ],
)
def test_what_is_no_shipment_is_refused(transport: str, origin: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        legs(transport, origin, "air", GERMANY)


def test_a_default_mode_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no mode of freight 'pigeon'"):
        legs("", "", "pigeon", GERMANY)

"""What replaces a device: its family's newest, or what the settings put on offer."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.time import month_number
from carbon.hardware.offers import family, offers_for, parse_offers
from carbon.hardware.profiles import find_profile, profile_file, read_profile

if TYPE_CHECKING:
    from pathlib import Path

NOW = month_number("2026-11")
NEWEST = {
    "v100-sxm2-32gb": "b200-sxm-180gb", "a100-sxm4-40gb": "b200-sxm-180gb", "h100-sxm5-80gb": "b200-sxm-180gb",
    "h200-sxm-141gb": "b200-sxm-180gb", "b200-sxm-180gb": "b200-sxm-180gb", "t4": "l4", "a10": "l40s",
    "h100-pcie-80gb": "l40s", "rtx3090": "rtx5090", "mi250x": "mi300x", "gb200-gpu": "gb200-gpu", "dgx-h100": "dgx-h100",
}  # fmt: skip


@pytest.mark.parametrize("held", NEWEST)
def test_the_newest_of_the_family(held: str) -> None:
    """Vendor, kind and form factor, whatever its generation and slots."""
    assert [offer.profile.id for offer in offers_for(find_profile(held), [], NOW)] == [NEWEST[held]]


def test_what_is_not_out_yet_is_on_offer_from_its_month() -> None:
    """In early 2024 the A100 is replaced by the H100, later by what came later."""
    offers = offers_for(find_profile("a100-sxm4-40gb"), [], month_number("2024-03"))
    assert [offer.profile.id for offer in offers] == ["h100-sxm5-80gb", "b200-sxm-180gb", "h200-sxm-141gb"]
    assert [offer.month for offer in offers[1:]] == [month_number("2025-01"), month_number("2024-11")]


def test_ties_go_by_id(tmp_path: Path) -> None:
    """A profile of one's own of the same day and an earlier id comes first; one without a day is older than all."""
    text = profile_file("b200-sxm-180gb").read_text(encoding="utf-8")
    (tmp_path / "b100.toml").write_text(text.replace('id = "b200-sxm-180gb"', 'id = "b100"'))
    undated = text.replace("released = 2025-01-01\n", "")
    (tmp_path / "aaa.toml").write_text(undated.replace('id = "b200-sxm-180gb"', 'id = "aaa"'))
    read_profile.cache_clear()
    assert [offer.profile.id for offer in offers_for(find_profile("h100-sxm5-80gb"), [], NOW, str(tmp_path))] == ["b100"]


def test_a_listed_offer_of_the_family_goes_before_others() -> None:
    listed = parse_offers(["l4", "b200-sxm-180gb from 2027-01"])
    assert [offer.profile.id for offer in offers_for(find_profile("t4"), listed, NOW)] == ["l4"]
    assert [offer.profile.id for offer in offers_for(find_profile("mi300x"), listed, NOW)] == ["b200-sxm-180gb", "l4"]
    assert [offer.month for offer in listed] == [month_number("2027-01"), month_number("2023-03")]


def test_families_are_of_one_vendor_and_kind() -> None:
    oam = find_profile("mi300x")
    assert family(oam) == family(find_profile("mi250x")) == ("AMD", "gpu", "OAM")
    assert family(oam._replace(vendor="Other")) != family(oam)
    assert family(find_profile("l4")) != family(find_profile("rtx4090"))
    assert find_profile("b200-sxm-180gb").released == date(2025, 1, 1)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("", UsageError, "write each as"), ("l4 from", UsageError, "write each as"), ("l4 from 2027-13", UsageError, "YYYY-MM"),
        ("l5", NotFoundError, "carbon hardware list"), ("cooling-plant", UsageError, "kind plant; name a device"),
    ],
)  # fmt: skip
def test_offers_that_cannot_be(text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        parse_offers([text])


def test_a_faulty_profile_of_ones_own_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("id = ")
    with pytest.raises(UsageError, match=r"broken.toml is not a hardware profile.*mend the file"):
        offers_for(find_profile("l4"), [], NOW, str(tmp_path))

"""What can be bought: profiles on offer from a month on, and the newest of a device's own family."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.time import month_number
from carbon.hardware.profiles import Profile, find_profile, profile_files, read_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

DEVICES = ("gpu", "system")
_LONG_AGO = 0  # month of a profile that does not say when it came out
_FORM = re.compile(r"\(.*\)|[0-9-]*[0-9] ?-?slot|[0-9]+")
_OFFER = re.compile(r"(\S+)(?: from (\S+))?")
_HINT = "write each as `profile` or `profile from YYYY-MM`"


class Offer(NamedTuple):
    """A profile that can be bought from a month on (months since 1970-01)."""

    profile: Profile
    month: int


def family(profile: Profile) -> tuple[str, str, str]:
    """Vendor, kind and form-factor family: SXM4 and SXM5 are one, and cards of one height whatever slots they take."""
    return profile.vendor, profile.kind, " ".join(_FORM.sub(" ", profile.form_factor).split()).upper()


def parse_offers(buy: Sequence[str], own: str = "") -> list[Offer]:
    """Offers of the setting `[refresh] buy`, sorted by id: `profile`, on offer since it came out, or `profile from YYYY-MM`.

    Raises UsageError for words that are none, or a profile of no device; NotFoundError for one that is not there.
    """
    found = []
    for text in buy:
        words = _OFFER.fullmatch(" ".join(text.split()))
        if words is None:
            raise UsageError(f"[refresh] buy = {text!r} is no offer; {_HINT}")
        try:
            profile = find_profile(words[1], own)
            month = _released(profile) if words[2] is None else month_number(words[2])
        except NotFoundError as error:
            raise NotFoundError(f"[refresh] buy: {error}; see `carbon hardware list`") from None
        except UsageError as error:
            raise UsageError(f"[refresh] buy = {text!r}: {error}") from None
        if profile.kind not in DEVICES:
            raise UsageError(f"[refresh] buy = {text!r}: {profile.id} is of kind {profile.kind}; name a device")
        found.append(Offer(profile, month))
    return sorted(found, key=lambda offer: offer.profile.id)


def offers_for(held: Profile, listed: Sequence[Offer], month: int, own: str = "") -> list[Offer]:
    """What a retired device can be replaced by, sorted by id: those listed of its family, or all that are listed.

    Where none are listed, the newest profile of its family that is out in a month, ties by id, and those that come later.
    Raises UsageError for a profile of one's own that is faulty.
    """
    alike = [offer for offer in listed if family(offer.profile) == family(held)]
    if listed:
        return alike or list(listed)
    known = {profile.id: profile for profile in (*_all(own), held) if family(profile) == family(held)}
    offers = [Offer(profile, _released(profile)) for _, profile in sorted(known.items())]
    newest = max((offer.month for offer in offers if offer.month <= month), default=month)
    out = [offer for offer in offers if offer.month == newest][:1]
    return [*out, *(offer for offer in offers if offer.month > month)]


def _all(own: str) -> list[Profile]:
    try:
        return [read_profile(path) for path in profile_files(own).values()]
    except ValueError as error:
        raise UsageError(f"{error}; mend the file, or move it away") from None


def _released(profile: Profile) -> int:
    return month_number(f"{profile.released:%Y-%m}") if profile.released else _LONG_AGO

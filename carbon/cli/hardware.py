"""Commands on hardware profiles: list, show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from carbon.cli.common import Format, FormatOption, emit, guarded, settings_of
from carbon.core.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

    from carbon.hardware.profiles import Profile

P = ParamSpec("P")

app = typer.Typer(
    help="Hardware profiles: what devices and hosts draw, weigh and embody.", no_args_is_help=True,
    epilog="Example: carbon hardware list",
)  # fmt: skip


@app.command("list", epilog="Example: carbon hardware list")
@guarded
def list_(context: typer.Context, format: FormatOption = Format.table) -> None:  # noqa: A002
    """All profiles, bundled and your own."""
    import pandas as pd

    from carbon.hardware.profiles import profile_files, read_profile

    files = profile_files(str(settings_of(context).path("hardware.profiles")))
    rows = [
        {
            "profile": profile.id, "kind": profile.kind, "name": profile.name, "tdp_w": profile.tdp_w,
            "mass_kg": profile.mass_kg, "embodied_kgco2e": profile.embodied_kgco2e.central,
            "low_kgco2e": profile.embodied_kgco2e.low, "high_kgco2e": profile.embodied_kgco2e.high,
            "confidence": profile.confidence,
        }
        for profile in (_readable(read_profile, file) for file in files.values())
    ]  # fmt: skip
    emit(pd.DataFrame(rows), format, "hardware profiles")


@app.command(epilog="Example: carbon hardware show h100-sxm5-80gb")
@guarded
def show(
    context: typer.Context,
    profile: Annotated[str, typer.Argument(help="Id of a profile, or a profile file.")],
    format: FormatOption = Format.table,  # noqa: A002
) -> None:
    """Every figure of one profile with its source."""
    import pandas as pd

    from carbon.hardware.profiles import find_profile

    found = _readable(find_profile, profile, str(settings_of(context).path("hardware.profiles")))
    rows = [(name, _words(value)) for name, value in found._asdict().items()]
    emit(pd.DataFrame(rows, columns=["figure", "value"]), format, found.name)


def _readable(read: Callable[P, Profile], *args: P.args, **kwargs: P.kwargs) -> Profile:
    """A profile; InputError for a file that is none, NotFoundError with the way to find one."""
    from carbon.core.findings import Findings

    try:
        return read(*args, **kwargs)
    except NotFoundError as error:
        raise NotFoundError(f"{error}; see `carbon hardware list`") from None
    except ValueError as error:
        findings = Findings()
        findings.error("bad-profile", str(error), "mend the file, or move it away", file="hardware_profiles")
        raise InputError(list(findings)) from None


def _words(value: object) -> str:
    """A figure of a profile as text: `central (low to high)` for a range, empty where it is not known."""
    from carbon.hardware.profiles import Estimate

    if isinstance(value, Estimate):
        return f"{value.central:g} ({value.low:g} to {value.high:g})"
    if isinstance(value, dict):
        return ", ".join(f"{name} {figure:g}" for name, figure in value.items())
    return ", ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)

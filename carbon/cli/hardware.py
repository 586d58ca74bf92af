"""Commands on hardware profiles: list, show, estimate, fit."""

from __future__ import annotations

from enum import StrEnum
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from carbon.cli.common import (
    Format,
    FormatOption,
    OutputOption,
    console,
    emit,
    guarded,
    say,
    settings_of,
    show_findings,
)
from carbon.core.errors import InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.hardware.fit import Fit
    from carbon.hardware.profiles import Profile

P = ParamSpec("P")
_WIDEST = 100

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon hardware list")


class _Load(StrEnum):
    """Kinds of load."""

    decode = "decode"
    prefill = "prefill"
    train = "train"
    mixed = "mixed"


@app.command("list", epilog="Example: carbon hardware list")
@guarded
def list_(context: typer.Context, format: FormatOption = Format.table) -> None:  # noqa: A002
    """All profiles, bundled and your own; figures of a plant are per kW of rated IT power."""
    import pandas as pd

    from carbon.hardware.profiles import profile_files, read_profile

    files = profile_files(str(settings_of(context).path("hardware.profiles")))
    rows = [
        {
            "profile": profile.id, "kind": profile.kind, "name": profile.name, "tdp_w": profile.tdp_w,
            "mass_kg": profile.mass_kg, "embodied_kgco2e": profile.embodied_kgco2e.central,
            "low_kgco2e": profile.embodied_kgco2e.low, "high_kgco2e": profile.embodied_kgco2e.high,
            "confidence": profile.confidence, "per": profile.unit,
        }
        for profile in (_readable(read_profile, file) for file in files.values())
    ]  # fmt: skip
    emit(pd.DataFrame(rows), format, "hardware profiles", ids=["profile"])


@app.command(epilog="Example: carbon hardware show h100-sxm5-80gb")
@guarded
def show(
    context: typer.Context,
    profile: Annotated[str, typer.Argument(help="Id of a profile, or a profile file.")],
    curve: Annotated[
        bool, typer.Option("--curve", help="The points of the power curve as a table, instead of the figures.")
    ] = False,
    parts: Annotated[
        bool, typer.Option("--parts", help="The parts that the embodied figure is made of, instead of the figures.")
    ] = False,
    format: FormatOption = Format.table,  # noqa: A002
) -> None:
    """Every figure of one profile with its source, its parts, and its power curve."""
    if curve and parts:
        raise UsageError("--curve and --parts are two tables: name one")
    found = _found(context, profile)
    if curve:
        emit(_points(found), format, f"{found.name}: power of one device [W]")
        return
    if parts:
        emit(_parts_of(found), format, f"{found.name}: parts [kgCO2e]")
        return
    emit(_figures_of(found, whole=format != Format.table), format, found.name)
    if format == Format.table:
        _tell_parts(found)
        if found.kind != "plant":
            _draw(found)


@app.command(
    epilog="Example: carbon hardware estimate --die-mm2 814 --node-nm 5 --memory-type HBM3 --memory-gb 80 --mass-kg 2.5"
)
@guarded
def estimate(
    die_mm2: Annotated[list[float], typer.Option("--die-mm2", help="Area of one die; again for each other kind of die.")],
    node_nm: Annotated[list[str], typer.Option("--node-nm", help="Process node, such as 5, 12 or 4N; once for each kind.")],
    memory_type: Annotated[str, typer.Option("--memory-type", help="HBM2, HBM2e, HBM3, HBM3E, or GDDR5 to GDDR7.")],
    memory_gb: Annotated[float, typer.Option("--memory-gb", help="Memory of the device.")],
    mass_kg: Annotated[float, typer.Option("--mass-kg", help="Mass with heatsink, without packaging.")],
    dies: Annotated[list[int] | None, typer.Option("--dies", help="How many dies of each kind; left out: one.")] = None,
    tdp_w: Annotated[float | None, typer.Option("--tdp-w", help="Rated power; without it CAL is not reckoned.")] = None,
    idle_w: Annotated[float | None, typer.Option("--idle-w", help="Power at rest without a context, for the profile.")] = None,
    bf16_tflops: Annotated[float | None, typer.Option("--bf16-tflops", help="Speed in dense BF16, for the profile.")] = None,
    form_factor: Annotated[str, typer.Option("--form-factor", help="SXM2 to SXM6, OAM, PCIe or 'PCIe LP'.")] = "PCIe",
    packages: Annotated[int | None, typer.Option("--packages", help="Packages of GDDR; left out: one for 2 GB.")] = None,
    board_cm2: Annotated[float | None, typer.Option("--board-cm2", help="Printed board; left out: by form factor.")] = None,
    heatsink_kg: Annotated[float | None, typer.Option("--heatsink-kg", help="Left out: by form factor and mass.")] = None,
    casing_kg: Annotated[float | None, typer.Option("--casing-kg", help="Left out: by form factor and mass.")] = None,
    name: Annotated[str, typer.Option("--name", help="Name of the device for people.")] = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write a profile of your own: a file NAME.toml.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there already.")] = False,
    format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """What a device without a profile embodies, by its dies, memory and mass: models HYB and CAL, and their range."""
    from carbon.cli import estimating
    from carbon.hardware.describe import describe
    from carbon.hardware.estimate import profile_tables
    from carbon.hardware.own import to_toml

    target = output and _writable(output, output, replace)
    device = describe(
        die_mm2, dies or [], node_nm, memory_type, memory_gb, mass_kg, tdp_w=tdp_w, form_factor=form_factor, packages=packages,
        board_cm2=board_cm2, heatsink_kg=heatsink_kg, casing_kg=casing_kg, idle_w=idle_w, bf16_dense_tflops=bf16_tflops,
    )  # fmt: skip
    if target:
        _write(target, to_toml(profile_tables(device, target.stem, name or target.stem, form_factor)), replace)
    emit(estimating.terms_of(device), format, f"{name or 'device'}: what it embodies [kgCO2e]")
    say(estimating.summary(device, target), err=format != Format.table)
    if target and (lacking := estimating.lacking(device, target)):
        say(lacking, err=True)


@app.command(epilog="Example: carbon hardware fit gpu-power.csv --profile t4")
@guarded
def fit(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Samples of nvidia-smi or DCGM, or a CSV with power_w and busy_fraction."),
    ],
    profile: Annotated[str, typer.Option("--profile", metavar="ID", help="Profile of the device; it gives all but the curve.")],
    load: Annotated[_Load, typer.Option("--load", help="Kind of load of samples that do not say theirs.")] = _Load.decode,
    device: Annotated[str, typer.Option("--device", metavar="UUID", help="Take the samples of this device alone.")] = "",
    output: OutputOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a profile of your own that is there already.")] = False,
    format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Fit the power curve of a device to samples of its power, and write a profile of your own with it."""
    from carbon.hardware.fit import fit_curve
    from carbon.hardware.own import to_toml, with_curve
    from carbon.hardware.telemetry import read_files

    base, names = _found(context, profile), ", ".join(path.name for path in files)
    target = _target(context, base, output, replace)
    _require_files(files)
    samples, source, findings = read_files(files, load.value, device)
    fitted, more = fit_curve(samples, base, names)
    findings.extend(more)
    _check_model(samples.models, base, names, findings)
    _write(target, to_toml(with_curve(_tables(context, profile), fitted, target.stem, source)), replace)
    show_findings(list(findings))
    emit(_parts(fitted), format, f"{base.name}: power of one device")
    say(_summary(fitted, target), err=format != Format.table)


def _found(context: typer.Context, profile: str) -> Profile:
    """The profile of an id or file that the command line names."""
    from carbon.hardware.profiles import find_profile

    return _readable(find_profile, _name(profile), str(settings_of(context).path("hardware.profiles")))


def _name(profile: str) -> str:
    """A profile file relative to the present folder, not to the project's."""
    return str(Path(profile).absolute()) if profile.endswith(".toml") else profile


def _tables(context: typer.Context, profile: str) -> dict[str, Any]:
    """All that the file of a profile says."""
    import tomllib

    from carbon.hardware.profiles import profile_file

    path = profile_file(_name(profile), str(settings_of(context).path("hardware.profiles")))
    return tomllib.loads(path.read_text(encoding="utf-8-sig"))


def _figures_of(profile: Profile, *, whole: bool) -> pd.DataFrame:
    """Every figure with its source; the parts among them where the `whole` goes to one table."""
    import pandas as pd

    apart = {"curve", "parts"}
    apart |= {name for name in ("life_years", "bf16_dense_tflops") if getattr(profile, name) is None}
    rows = [(name, _words(value)) for name, value in profile._asdict().items() if name not in apart]
    rows += [("figures per", "kW of rated IT power")] if profile.unit == "kW" else []
    rows += [(f"part: {part.name}", _words(part.kgco2e)) for part in profile.parts if whole]
    rows += [(f"curve: {name}", _words(value)) for name, value in profile.curve.items()]
    return pd.DataFrame(rows, columns=["figure", "value"])


def _parts_of(profile: Profile) -> pd.DataFrame:
    """Parts of one unit of a profile with their emissions [kg]; where it names none, the whole is its only part."""
    import pandas as pd

    from carbon.hardware.profiles import Part

    whole = Part(profile.name, profile.embodied_kgco2e, 1.0, profile.unit, profile.source, profile.confidence)
    rows = [
        (part.name, part.amount, part.unit, *part.kgco2e, part.confidence, part.source)
        for part in profile.parts or (whole,)
    ]
    figures = ["low_kgco2e", "kgco2e", "high_kgco2e"]
    return pd.DataFrame(rows, columns=["part", "amount", "unit", *figures, "confidence", "source"])


def _tell_parts(profile: Profile) -> None:
    """The parts of a profile on the terminal, a table and a line of source for each; nothing where it names none."""
    if not profile.parts:
        return
    say()
    frame = _parts_of(profile)
    emit(frame.drop(columns="source"), Format.table, "parts of the embodied figure [kgCO2e]")
    for part in profile.parts:
        say(f"{part.name}: {part.source}")


def _lines(profile: Profile) -> dict[str, Callable[[float], float]]:
    """Power [W] over the busy fraction [1] by kind of load; of a host, linear between idle and rated power."""
    from carbon.hardware.curve import LOADS, curve_of

    if profile.kind == "host":
        idle, tdp = (
            (profile.idle_w.central if profile.idle_w else nan),
            (nan if profile.tdp_w is None else profile.tdp_w),
        )
        return {"host": lambda busy: idle + busy * (tdp - idle)}
    curve = curve_of(profile)
    return {load: lambda busy, load=load: float(curve.power_w(load, busy)) for load in LOADS}  # type: ignore[misc]


def _points(profile: Profile) -> pd.DataFrame:
    """Power [W] of each kind of load at busy fractions of 0 to 1 by twentieths."""
    import pandas as pd

    busy = [at / 20 for at in range(21)]
    lines = {f"{load}_w": [line(u) for u in busy] for load, line in _lines(profile).items()}
    return pd.DataFrame({"busy_fraction": busy, **lines})


def _draw(profile: Profile) -> None:
    """The power curve on the terminal, with a line that says what its letters mean."""
    from rich.text import Text

    from carbon.report.plot import SEVERAL, chart

    screen = console()
    lines = {load: line for load, line in _lines(profile).items() if load != "mixed"}
    missing = [load for load, line in lines.items() if isnan(line(1.0))]
    if missing:
        screen.print(Text(f"\nno power curve: the profile lacks {_lacking(profile)}"))
        return
    by_letter = {load[0]: line for load, line in lines.items()}
    title = "\npower of one device [W] by busy fraction"
    for row in chart(by_letter, title, width=min(screen.width, _WIDEST), encoding=screen.encoding):
        screen.print(Text(row), soft_wrap=True)
    meaning = ", ".join(f"{load[0]} {load} {_rounded(line(1.0))}" for load, line in lines.items())
    several = f", {SEVERAL} several" if len(lines) > 1 else ""
    screen.print(Text(f"{meaning}{several}; {_rounded(next(iter(lines.values()))(0.0))} at rest{_stand_in(profile)}"))


def _rounded(watts: float) -> str:
    """A power [W] for people, to 0.1 W."""
    return f"{watts:,.1f}".removesuffix(".0")


def _lacking(profile: Profile) -> str:
    """What would give a profile its curve, and how."""
    parts = [name for name, figure in (("tdp_w", profile.tdp_w), ("idle_w", profile.idle_w)) if figure is None]
    return f"{' and '.join(parts)}; give {'it' if len(parts) == 1 else 'them'} under [power] of the profile"


def _stand_in(profile: Profile) -> str:
    """Which powers are not of the device itself but follow from its rated and idle power."""
    from carbon.hardware.curve import KINDS

    absent = [load for load in ("context", *KINDS) if f"{load}_w" not in profile.load]
    if profile.kind != "gpu" or not absent:
        return ""
    return f". Not measured: {', '.join(absent)} follow from tdp_w and idle_w in the ratios of one H200"


def _require_files(files: list[Path]) -> None:
    for path in files:
        if not path.is_file():
            raise NotFoundError(f"no file {path}; check the path, which is relative to the present folder")


def _target(context: typer.Context, base: Profile, output: Path | None, replace: bool) -> Path:
    """File of the new profile. UsageError where it cannot be one, or is there already and is not to be replaced."""
    from carbon.hardware.profiles import MACHINES

    if base.kind == "host":
        raise UsageError(
            f"{base.id} is a host, whose power is linear from idle to rated power; fit the profile of a device"
        )
    if base.kind not in MACHINES:
        raise UsageError(f"{base.id} is of kind {base.kind}, which has no power curve; fit the profile of a device")
    path = output or settings_of(context).path("hardware.profiles") / f"{base.id}.toml"
    return _writable(path, output, replace)


def _writable(path: Path, output: Path | None, replace: bool) -> Path:
    """A file that a profile can be written to. UsageError or NotFoundError where it cannot."""
    if path.suffix != ".toml":
        raise UsageError(f"{path} is no name of a profile; end it in .toml")
    if output and not path.parent.is_dir():
        raise NotFoundError(f"no folder {path.parent} for {path.name}; make it first, or name another file")
    if path.exists() and not replace:
        raise UsageError(f"{path} exists; --replace writes over it, -o FILE names another")
    return path


def _write(path: Path, text: str, replace: bool) -> None:
    from carbon.core.write import whole_file
    from carbon.hardware.profiles import read_profile

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, replace=replace) as file:
        file.write(text)
    read_profile.cache_clear()


def _check_model(models: tuple[str, ...], base: Profile, file: str, findings: Findings) -> None:
    """Warn where the telemetry is of another model, going by the word with a digit in the profile's name."""
    word = next((word.lower() for word in base.name.split() if any(map(str.isdigit, word))), "")
    for model in models:
        if word not in model.lower():
            findings.warning(
                "other-model", f"is of {model}, the profile of {base.name}", "check --profile", file=file, value=model
            )


def _parts(fitted: Fit) -> pd.DataFrame:
    """Each power of a fitted curve [W] with the samples behind it."""
    import pandas as pd

    columns = {"name": "figure", "watts": "power_w"}
    return pd.DataFrame(fitted.parts, columns=[columns.get(name, name) for name in fitted.parts[0]._fields])


def _summary(fitted: Fit, path: Path) -> str:
    left = f", {fitted.outliers:,} outliers left out" if fitted.outliers else ""
    energy = f"modelled over measured energy {1 + fitted.bias:.4f}"
    return f"{fitted.samples:,} samples{left}; RMSE {fitted.rmse_w:.3g} W, {energy}\nwrote {path}"


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

"""The curve of a device from samples of its power: bounded, robust least squares. Pure: samples in, curve out.

Of P = P_context + s(u) (P_load - P_context) the shapes s are given (carbon/hardware/curve.py); P_context and the P_load of
each kind of load are fitted together, with idle <= P_context <= P_load <= 1.2 x rated power. For a given P_context each
P_load follows on its own, so the sum of squares is convex in P_context alone, and bisection of its slope finds the least.
Samples weigh as Huber's function has it while the outliers are sought; without these the last fit is plain least squares.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.findings import Findings
from carbon.hardware.curve import AT_REST, KINDS, Curve, curve_of, load_over_tdp, shape
from carbon.hardware.profiles import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from carbon.hardware.profiles import Profile
    from carbon.hardware.telemetry import Samples

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

MOST_OVER_TDP = 1.2
LEAST_SAMPLES = 8
LEAST_SPREAD = 0.2
ENOUGH_FOR_RANGE = 20
FULL_ENOUGH = 0.7
MANY_OUTLIERS = 0.1
CONTEXT_MIB = 1024.0  # a driver keeps some hundred MiB of a device that nobody uses
WEIGHED_LESS, SET_ASIDE = 1.5, 5.0  # in standard deviations, as the median of the residuals estimates them
LEAST_SCALE = 0.005  # of rated power
_TO_DEVIATION = 1.4826  # of the median of normal residuals
_ROUNDS, _HALVINGS = 30, 100
_REST = "context"


class Part(NamedTuple):
    """One power of a curve [W], how it was found, and from how many samples over which busy fractions with which scatter [W]."""

    name: str
    watts: float
    found: str
    samples: int = 0
    busy_low: float = math.nan
    busy_high: float = math.nan
    rmse_w: float = math.nan


class Fit(NamedTuple):
    """A curve with its parts, and how it meets the samples: scatter [W], and modelled over measured energy less 1."""

    curve: Curve
    idle_w: Estimate
    parts: tuple[Part, ...]
    samples: int
    outliers: int
    rmse_w: float
    bias: float


class _Group(NamedTuple):
    """Samples of one kind of load, or (`context`) of a device at rest with a context: s(u), power [W], busy [1]."""

    shape: Floats
    power_w: Floats
    busy: Floats


class _Bounds(NamedTuple):
    """Least and most power with a context, and most at full load [W]."""

    low_w: float
    high_w: float
    most_w: float


def fit_curve(samples: Samples, profile: Profile, file: str = "") -> tuple[Fit, Findings]:
    """Curve of the device of a profile from samples of its power [W] and busy fraction [1], and what to know of it.

    Raises InputError, with findings about `file`, for too few samples, all at rest, no spread in busy time, powers that
    the device cannot draw, and a profile without the figures that bound them.
    """
    findings = Findings()
    tdp_w, base = _rated(profile, file), curve_of(profile)
    samples = _possible(samples, tdp_w, file, findings)
    bare = _bare(samples, base)
    _check_enough(samples, file, findings)
    groups, bare_w = _groups(samples, bare), _near_median(samples.power_w[bare], LEAST_SCALE * tdp_w)
    bounds = _bounds(groups, bare_w, base, MOST_OVER_TDP * tdp_w)
    kept = _without_outliers(groups, bounds, LEAST_SCALE * tdp_w)
    context_w, full_w = _solve(kept, bounds)
    found = complete(full_w, context_w, max(tdp_w, *full_w.values()), load_over_tdp(profile.kind))
    idle = _idle(bare_w, profile.idle_w or Estimate(0.0, 0.0, 0.0), context_w)
    curve = Curve(idle.central, context_w, *(found[load].watts for load in KINDS))
    parts = (_idle_part(idle, bare_w), _context_part(context_w, kept, bounds), *found.values())
    parts = tuple(_described(part, kept, curve) for part in parts)
    used = sum(group.busy.size for group in groups.values()) + int(bare.sum())
    fit = _result(curve, idle, parts, kept, used)
    _tell_of_doubts(fit, file, findings)
    return fit, findings


def _rated(profile: Profile, file: str) -> float:
    """Rated power of a profile [W]; InputError where it says none, or no idle."""
    if profile.tdp_w and profile.idle_w:
        return profile.tdp_w
    findings = Findings()
    findings.error(
        "no-power", f"cannot be fitted: profile {profile.id} lacks tdp_w or idle_w, which bound the curve",
        "give both under [power] in the profile", file=file,
    )  # fmt: skip
    findings.raise_errors()
    raise AssertionError("an error was found")


def _possible(samples: Samples, tdp_w: float, file: str, findings: Findings) -> Samples:
    """Samples whose power the device can draw; InputError where most cannot be its own."""
    most = MOST_OVER_TDP * tdp_w
    good = samples.power_w <= most
    if samples.power_w.size and not 2 * good.sum() > good.size:
        findings.error(
            "impossible-power", f"{good.size - good.sum():,} of {good.size:,} samples are above {most:g} W, 1.2 x rated power",
            "check --profile and the unit of power, which is W", file=file, value=f"{np.median(samples.power_w):g}",
        )  # fmt: skip
        findings.raise_errors()
    findings.tally(
        "impossible-power", int((~good).sum()), f"samples above {most:g} W, 1.2 x rated power, were left out",
        "check --profile if they are many", file=file,
    )  # fmt: skip
    return samples.where(good)


def _bare(samples: Samples, base: Curve) -> Flags:
    """Which samples are of a device at rest without a context: by its memory, else by its power."""
    by_power = samples.power_w < np.sqrt(base.idle_w * base.context_w)
    told = np.isfinite(samples.memory_mib)
    return (samples.busy < AT_REST) & np.where(told, samples.memory_mib < CONTEXT_MIB, by_power)


def _check_enough(samples: Samples, file: str, findings: Findings) -> None:
    count, working = samples.busy.size, samples.busy >= AT_REST
    spread = float(np.ptp(samples.busy)) if count else 0.0
    mend = "record while the device goes from rest to full load"
    if count < LEAST_SAMPLES:
        problem = f"has {count} samples with power and busy fraction; a fit needs {LEAST_SAMPLES} or more"
        findings.error("too-few-samples", problem, mend, file=file)
    elif not working.any():
        problem = f"shows a device at rest in all {count:,} samples; how power rises with load cannot be told"
        findings.error("all-idle", problem, mend, file=file)
    elif spread < LEAST_SPREAD:
        low, high = samples.busy.min(), samples.busy.max()
        problem = (
            f"has busy fractions from {low:.3g} to {high:.3g} only; a fit needs a range of {LEAST_SPREAD:g} or more"
        )
        findings.error("no-spread", problem, mend, file=file)
    findings.raise_errors()


def _groups(samples: Samples, bare: Flags) -> dict[str, _Group]:
    """Samples by kind of load, those at rest with a context apart. Mixed ones serve where one of their kinds lacks."""
    working = samples.busy >= AT_REST
    rest = ~working & ~bare
    groups = {_REST: _group("decode", samples, rest)} if rest.any() else {}
    for load in (*KINDS, "mixed"):
        mine = working & (samples.load == load)
        needed = load != "mixed" or not {"decode", "prefill"} <= groups.keys()
        if needed and mine.any() and samples.busy[mine].max() >= LEAST_SPREAD:
            groups[load] = _group(load, samples, mine)
    return groups


def _group(load: str, samples: Samples, mine: Flags) -> _Group:
    return _Group(shape(load, samples.busy[mine]), samples.power_w[mine], samples.busy[mine])


def _bounds(groups: Mapping[str, _Group], bare_w: Floats, base: Curve, most_w: float) -> _Bounds:
    """Bounds of the fit; power with a context is as elsewhere where no sample tells it."""
    idle_w = float(np.median(bare_w)) if bare_w.size else 0.0
    if _REST in groups or any(np.ptp(group.busy) >= LEAST_SPREAD for group in groups.values()):
        return _Bounds(idle_w, most_w, most_w)
    likely = idle_w * base.context_w / base.idle_w if bare_w.size else base.context_w
    context = min(likely, *(float(np.median(group.power_w)) for group in groups.values()))
    return _Bounds(context, context, most_w)


def _without_outliers(groups: Mapping[str, _Group], bounds: _Bounds, least_scale: float) -> dict[str, _Group]:
    """The groups without the samples that lie far off a robust fit."""
    weights = {name: np.ones(group.busy.size) for name, group in groups.items()}
    scales: dict[str, float] = {}
    for _ in range(_ROUNDS):
        residuals = _residuals(groups, *_solve(groups, bounds, weights))
        scales = {name: max(_TO_DEVIATION * float(np.median(far)), least_scale) for name, far in residuals.items()}
        weights = {name: WEIGHED_LESS / np.maximum(far / scales[name], WEIGHED_LESS) for name, far in residuals.items()}
    near = {name: far <= SET_ASIDE * scales[name] for name, far in residuals.items()}
    return {name: _Group(*(values[near[name]] for values in group)) for name, group in groups.items()}


def _residuals(groups: Mapping[str, _Group], context_w: float, full_w: Mapping[str, float]) -> dict[str, Floats]:
    """Distance of each sample from the curve [W]."""
    return {name: np.abs(_errors(group, context_w, full_w.get(name, context_w))) for name, group in groups.items()}


def _errors(group: _Group, context_w: float, full_w: float) -> Floats:
    return context_w + group.shape * (full_w - context_w) - group.power_w


def _solve(
    groups: Mapping[str, _Group], bounds: _Bounds, weights: Mapping[str, Floats] | None = None
) -> tuple[float, dict[str, float]]:
    """Power with a context and at full load of each kind [W] that have the least sum of weighted squares."""
    sums = {name: _Sums.of(group, None if weights is None else weights[name]) for name, group in groups.items()}
    low, high = bounds.low_w, bounds.high_w
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(part.slope(middle, name, bounds.most_w) for name, part in sums.items()) > 0:
            high = middle
        else:
            low = middle
    context = (low + high) / 2
    return context, {name: part.full_w(context, bounds.most_w) for name, part in sums.items() if name != _REST}


class _Sums(NamedTuple):
    """Weighted sums over a group: of weights, (1-s)^2, (1-s)s, s^2, and (1-s)P, sP [W]."""

    n: float
    aa: float
    ab: float
    bb: float
    ap: float
    bp: float

    @classmethod
    def of(cls, group: _Group, weights: Floats | None) -> _Sums:
        w = np.ones(group.busy.size) if weights is None else weights
        a, b, p = 1 - group.shape, group.shape, group.power_w
        return cls(*(float(np.sum(w * x)) for x in (np.ones(w.size), a * a, a * b, b * b, a * p, b * p)))

    def full_w(self, context_w: float, most_w: float) -> float:
        """Best power at full load [W], given that with a context."""
        return min(max((self.bp - self.ab * context_w) / self.bb, context_w), most_w)

    def slope(self, context_w: float, name: str, most_w: float) -> float:
        """Half the slope of the least sum of squares over power with a context."""
        full = context_w if name == _REST else self.full_w(context_w, most_w)
        if full == context_w:
            return self.n * context_w - self.ap - self.bp
        return self.aa * context_w + self.ab * full - self.ap


def complete(
    full_w: Mapping[str, float], context_w: float, most_w: float, shares: Mapping[str, float]
) -> dict[str, Part]:
    """Powers at full load [W] of every kind: as fitted, out of mixed load, or in the ratio of the shares to another kind.

    Decoding is the kind that others follow, else the first that was fitted. Powers are between that with a context and
    the most that is given.
    """
    fitted = {load: Part(load, full_w[load], "fitted") for load in KINDS if load in full_w}
    if "mixed" in full_w:
        fitted |= _out_of_mixed(full_w, context_w, most_w, shares)
    leader = next(load for load in KINDS if load in fitted)
    for load in KINDS:
        if load not in fitted:
            ratio = shares[load] / shares[leader]
            watts = min(max(fitted[leader].watts * ratio, context_w), most_w)
            fitted[load] = Part(load, watts, f"not in the telemetry: {leader} x {ratio:.3f}, at most rated power")
    return {load: fitted[load] for load in KINDS}


def _out_of_mixed(
    full_w: Mapping[str, float], context_w: float, most_w: float, shares: Mapping[str, float]
) -> dict[str, Part]:
    """Decoding and prefill so that they are mixed load on average: the one from the other, or both by their shares."""
    both_w = 2 * full_w["mixed"]
    prefill = both_w * shares["prefill"] / (shares["decode"] + shares["prefill"])
    if "decode" in full_w:
        prefill = both_w - full_w["decode"]
    elif "prefill" in full_w:
        prefill = full_w["prefill"]
    prefill = min(max(prefill, context_w), most_w)
    watts = {"decode": min(max(both_w - prefill, context_w), most_w), "prefill": prefill}
    return {load: Part(load, watts[load], "out of mixed load") for load in watts if load not in full_w}


def _near_median(watts: Floats, least_scale: float) -> Floats:
    """Powers [W] without those that lie far off the median."""
    if not watts.size:
        return watts
    far = np.abs(watts - np.median(watts))
    return watts[far <= SET_ASIDE * max(_TO_DEVIATION * float(np.median(far)), least_scale)]


def _idle(bare_w: Floats, known: Estimate, context_w: float) -> Estimate:
    """Power without a context [W]: median with 5th and 95th percentile, else as the profile has it, below the context's.

    A few samples do not narrow the range that the profile has.
    """
    figures = np.percentile(bare_w, (5, 50, 95)) if bare_w.size else np.array(known)
    if bare_w.size < ENOUGH_FOR_RANGE:
        figures[0], figures[2] = min(figures[0], known.low), max(figures[2], known.high)
    return Estimate(*(float(figure) for figure in np.minimum(figures, context_w)))


def _idle_part(idle: Estimate, bare_w: Floats) -> Part:
    if not bare_w.size:
        return Part("idle", idle.central, "not in the telemetry: as in the profile that this one is based on")
    scatter = float(np.sqrt(np.mean((bare_w - idle.central) ** 2)))
    return Part("idle", idle.central, "median at rest without a context", bare_w.size, 0.0, 0.0, scatter)


def _context_part(context_w: float, groups: Mapping[str, _Group], bounds: _Bounds) -> Part:
    if bounds.low_w == bounds.high_w:
        return Part(
            _REST, context_w, "not in the telemetry: in the ratio to idle of the profile that this one is based on"
        )
    return Part(_REST, context_w, "fitted" if _REST in groups else "fitted, from samples under load alone")


def _described(part: Part, groups: Mapping[str, _Group], curve: Curve) -> Part:
    """A part with the number, range and scatter of the samples that it was fitted to."""
    if part.name not in groups:
        return part
    group = groups[part.name]
    errors = _errors(group, curve.context_w, getattr(curve, f"{part.name}_w"))
    low, high = float(group.busy.min()), float(group.busy.max())
    return part._replace(
        samples=group.busy.size, busy_low=low, busy_high=high, rmse_w=float(np.sqrt(np.mean(errors**2)))
    )


def _tell_of_doubts(fit: Fit, file: str, findings: Findings) -> None:
    """Warn of many outliers, and of kinds of load whose power at full load lies far beyond the samples."""
    if fit.outliers > MANY_OUTLIERS * fit.samples:
        findings.warning(
            "outliers", f"has {fit.outliers:,} of {fit.samples:,} samples far off one curve, which are left out of it",
            "fit other batch sizes, power limits and models to profiles of their own", file=file,
        )  # fmt: skip
    for part in fit.parts:
        if part.name in KINDS and part.busy_high < FULL_ENOUGH:
            findings.warning(
                "extrapolated", f"has no {part.name} sample above a busy fraction of {part.busy_high:.2g}; "
                f"{part.watts:.4g} W at full load is extrapolated", "record the device at full load too", file=file,
            )  # fmt: skip


def _result(curve: Curve, idle: Estimate, parts: tuple[Part, ...], kept: Mapping[str, _Group], used: int) -> Fit:
    errors = np.concatenate(
        [_errors(group, curve.context_w, getattr(curve, f"{name}_w")) for name, group in kept.items()]
    )
    measured = sum(float(group.power_w.sum()) for group in kept.values())
    outliers = used - errors.size - parts[0].samples
    scatter = float(np.sqrt(np.mean(errors**2)))
    return Fit(curve, idle, parts, used, outliers, scatter, float(errors.sum()) / measured)

"""Imported series in the project's `grid/` folder: one Parquet file an import, never overwritten."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.core.errors import InputError
from carbon.core.findings import Findings

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "zone", "start_us", "end_us", "direct_g_per_kwh", "lifecycle_g_per_kwh", "status", "source", "published_us",
    "retrieved_us", "includes_losses", "basis", "gas", "gwp_set", "file", "digest",
)  # fmt: skip
MARGINAL = (
    "zone", "start_us", "end_us", "marginal_g_per_kwh", "status", "source", "model", "retrieved_us", "digest",
)  # fmt: skip
MARGINAL_FOLDER = "marginal"


class Series(NamedTuple):
    """The values [g/kWh] that hold for one zone from one source, the latest of each interval, in order of start."""

    zone: str
    source: str
    rows: pd.DataFrame

    @property
    def version(self) -> str:
        """Digest of the imports behind the values, short."""
        import hashlib

        digests = "".join(sorted(self.rows["digest"].unique()))
        return hashlib.sha256(digests.encode()).hexdigest()[:12]


def path_of(series: pd.DataFrame, folder: str | Path) -> Path:
    """Where an import is kept: named by the digest of its file."""
    return Path(folder) / f"{series['digest'].iloc[0][:16]}.parquet"


def save(series: pd.DataFrame, folder: str | Path) -> Path:
    """Write one import as its own file; the same content again is the same file."""
    path = path_of(series, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        partial = path.with_suffix(".partial")
        series[list(MARGINAL if MARGINAL[3] in series else COLUMNS)].to_parquet(partial, index=False)
        partial.replace(path)
    return path


def remove(folder: str | Path, source: str) -> list[Path]:
    """Set aside every import that holds nothing but this source: `.removed` files stay beside and are not read."""
    found = [path for path in _files(folder) if set(_read(path)["source"]) == {source}]
    marginal = {path: pd.read_parquet(path, columns=["source"]) for path in _files(Path(folder) / MARGINAL_FOLDER)}
    found += [path for path, rows in marginal.items() if set(rows["source"]) == {source}]
    return [path.replace(path.with_suffix(".removed")) for path in found]


def same(series: pd.DataFrame, kept: pd.DataFrame) -> bool:
    """Whether two readings of one file say the same, whenever and from wherever it was read."""
    if len(series) != len(kept):
        return False
    said = [column for column in COLUMNS if column not in {"retrieved_us", "file"}]
    pairs = [(series[column].reset_index(drop=True), kept[column].reset_index(drop=True)) for column in said]
    return all(((one == other).fillna(False) | (one.isna() & other.isna())).all() for one, other in pairs)


def load(folder: str | Path, wanted: Sequence[str] | None = None, known_at: int | None = None) -> list[Series]:
    """Series [g/kWh] of the wanted zones (all, if None) from every import of a folder; a later value wins.

    `known_at` [us]: only what was retrieved by then, inclusive. Raises InputError for a Parquet file that is no import.

    Later is what was published later, and of that what was retrieved later; without a time of publication that of
    retrieval counts. An earlier interval gives way only where a later one overlaps it.
    """
    files = _files(folder)
    if not files:
        return []
    rows = pd.concat([_read_once(path) for path in files], ignore_index=True)
    if known_at is not None:
        rows = rows[rows["retrieved_us"] <= known_at]
    if wanted is not None:
        rows = rows[rows["zone"].isin(list(wanted))]
    known = rows["published_us"].fillna(rows["retrieved_us"])
    rows = rows.assign(known=known).sort_values(["known", "retrieved_us", "digest", "start_us"], kind="stable")
    groups = rows.drop(columns="known").groupby(["zone", "source"])
    return [Series(str(zone), str(source), _latest(group)) for (zone, source), group in groups]


def _files(folder: str | Path) -> list[Path]:
    try:
        return sorted(path for path in Path(folder).iterdir() if path.suffix == ".parquet")
    except FileNotFoundError:
        return []
    except OSError as error:  # a folder that is passed over in silence would lower the tier of what is posted
        _refuse("unreadable", f"cannot be read ({error.strerror})", "allow this account to read it", folder)


def _read_once(path: Path) -> pd.DataFrame:
    """Rows of an import, read again only when its file has changed; not to be changed by the caller."""
    stat = path.stat()
    return _remembered(path.absolute(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _remembered(path: Path, changed_ns: int, size: int) -> pd.DataFrame:  # noqa: ARG001
    return _read(path)


def load_marginal(folder: str | Path, known_at: int | None = None) -> pd.DataFrame:
    """Marginal series [g/kWh] of a project's `grid/`, the latest of each interval: for decisions, never for a ledger."""
    files = _files(Path(folder) / MARGINAL_FOLDER)
    rows = pd.concat(map(pd.read_parquet, files)) if files else _no_marginal()
    rows = rows if known_at is None else rows[rows["retrieved_us"] <= known_at]
    last = rows.sort_values(["retrieved_us", "start_us"], kind="stable").drop_duplicates(
        ["zone", "start_us"], keep="last"
    )
    return last.sort_values(["zone", "start_us"], ignore_index=True)


def _no_marginal() -> pd.DataFrame:
    return pd.DataFrame(columns=list(MARGINAL))


def _read(path: Path) -> pd.DataFrame:
    try:
        _refuse_marginal(path)
        return pd.read_parquet(path, columns=list(COLUMNS))
    except PermissionError as error:
        _refuse("unreadable", f"cannot be read ({error.strerror})", "allow this account to read it", path)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0][:120]
        mend = "move it away; series come here by `carbon grid import`"
        _refuse("foreign-series", f"is not an imported series ({reason})", mend, path)


def _refuse(code: str, problem: str, mend: str, place: str | Path) -> NoReturn:
    findings = Findings()
    findings.error(code, problem, mend, file=str(place))
    raise InputError(list(findings)) from None


def _refuse_marginal(path: Path) -> None:
    import pyarrow.parquet as pq

    if MARGINAL[3] in pq.read_schema(path).names:
        problem = "holds marginal intensity, which answers another question than an account's and never enters a ledger"
        _refuse("marginal", problem, f"move it back into {path.parent / MARGINAL_FOLDER}", path)


def _latest(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in order of start, none overlapping: where two do, the one that stands later in `rows` holds."""
    rows = rows.drop_duplicates(["start_us", "end_us"], keep="last")
    in_order = rows.sort_values("start_us", kind="stable")
    if (in_order["start_us"].to_numpy()[1:] >= in_order["end_us"].to_numpy()[:-1]).all():
        return in_order
    edges = np.unique(rows[["start_us", "end_us"]].to_numpy())
    first, stop = (np.searchsorted(edges, rows[column].to_numpy()) for column in ("start_us", "end_us"))
    holder = np.full(len(edges), -1)
    for place, (begin, end) in enumerate(zip(first, stop, strict=True)):
        holder[begin:end] = place
    runs = np.flatnonzero(np.diff(holder, prepend=-2))
    held = runs[holder[runs] >= 0]
    ends = edges[np.append(runs, len(edges) - 1)[np.searchsorted(runs, held) + 1]]
    return rows.iloc[holder[held]].assign(start_us=edges[held], end_us=ends)


def years(series: Series) -> dict[int, int]:
    """Number of values in each year."""
    year = series.rows["start_us"].to_numpy().view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    numbers, counts = np.unique(year, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))

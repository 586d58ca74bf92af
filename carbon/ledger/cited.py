"""What entries rest on: the factors that they cite, and the files of the project behind them, as they are now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.grid import store
from carbon.ledger.tally import Tally
from carbon.readers.files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MARKET_KINDS = ("sss", "contract", "certificate", "supplier")
_TABLES = {"typical": "typical.csv", "annual": "annual.csv", "losses": "td_losses.csv", "residual": "residual_mix.csv"}
_FACTOR = ["factor", "factor_kind", "tier", "status"]
_FACTOR_COLUMNS = (*_FACTOR, "entries", "energy_kwh", "kgco2e", "file", "sha256")
_SOURCE_COLUMNS = ("file", "digest", "entries", "there", "same", "sha256")
_DIGEST = re.compile(r"[0-9a-f]{12}")
_COUNT = re.compile(r" \([0-9]+ files\)$")


class Inputs(NamedTuple):
    """The project that a ledger belongs to: its folder, entity, settings as TOML, and where its own factors are.

    `tables`, `profiles` and `series` are folders, `instruments` is a file; `files` names the inputs without a digest.
    """

    folder: Path
    entity: str
    settings: str
    tables: Path | None
    profiles: Path
    series: Path
    instruments: Path
    files: Sequence[str]


def cited(entries: pd.DataFrame | None = None) -> Tally:
    """A tally of the factors that entries cite, to which more may be added; None: of none yet."""
    found = Tally(_FACTOR, ("energy_kwh", "kgco2e"))
    if entries is not None:
        found.add(entries)
    return found


def factors(found: Tally, inputs: Inputs) -> pd.DataFrame:
    """Each factor by kind, tier and status: entries, energy [kWh] and emissions [kg] that cite it, its file and SHA-256.

    `found` is the tally of `cited`. Energy stands once for each basis, so it is no statement. `file` is empty for factors
    that come with `carbon`.
    """
    kept = _series_files(inputs)
    rows = []
    for key, count, amounts in found.rows():
        places = list(dict.fromkeys(_files_of(str(key[0]), str(key[1]), inputs, kept)))
        names, digests = (
            "; ".join(words) for words in ((_named(file, inputs) for file in places), map(sha256, places))
        )
        rows.append((*key, count, *amounts, names or None, digests or None))
    return pd.DataFrame(rows, columns=list(_FACTOR_COLUMNS))


def sources(found: Tally, inputs: Inputs) -> pd.DataFrame:
    """Each file that entries name, with the digest that they name: whether it is there now, and has that digest.

    `found` is a tally by `source`. `digest` is the beginning of a SHA-256, empty for files that are named without; `same`
    is then empty too.
    """
    counted: dict[tuple[str, str], int] = {}
    for (source,), count, _ in found.rows():
        for named in dict.fromkeys(_named_in(str(source), inputs.files)):
            counted[named] = counted.get(named, 0) + count
    rows = [
        (name, digest or None, counted[name, digest], *_state(name, digest, inputs)) for name, digest in sorted(counted)
    ]
    return pd.DataFrame(rows, columns=list(_SOURCE_COLUMNS))


def _named_in(source: str, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Files with their digests in a `source`; of more files than it names only the first and the last are told."""
    for piece in _COUNT.sub("", source).replace(" … ", "; ").split("; "):
        name, _, digest = piece.rpartition("@")
        if name and _DIGEST.fullmatch(digest):
            yield name, digest
        elif piece in known:
            yield piece, ""


def _state(name: str, digest: str, inputs: Inputs) -> tuple[str, str | None, str | None]:
    file = inputs.folder / name
    if not file.is_file():
        return "no", None, None
    found = sha256(file)
    return "yes", ("yes" if found.startswith(digest) else "no") if digest else None, found


def _series_files(inputs: Inputs) -> dict[str, list[Path]]:
    """Files of kept imports by the beginning of the factors that are made from them."""
    found = {}
    for one in store.load(inputs.series):
        names = [inputs.series / f"{digest[:16]}.parquet" for digest in sorted(one.rows["digest"].unique())]
        for tier in ("measured", "annual"):
            found[f"{one.zone}/{tier}/{one.source}@"] = [name for name in names if name.is_file()]
    return found


def _files_of(factor: str, kind: str, inputs: Inputs, kept: dict[str, list[Path]]) -> Iterator[Path]:
    """Files of the project that a factor may come from."""
    for start, names in kept.items():
        if factor.startswith(start):
            yield from names
            factor = factor.partition("@")[2].partition(" x ")[2]
    places = [inputs.instruments] if kind in MARKET_KINDS else [*_places(factor, inputs)]
    yield from (place for place in places if place.is_file())


def _places(factor: str, inputs: Inputs) -> Iterator[Path]:
    """Where own tables and own profiles stand, for each part of a factor."""
    for part in factor.split(" x "):
        first, _, rest = part.partition("/")
        table = _TABLES.get(rest.partition("/")[0])
        if inputs.tables and table and _has_zone(inputs.tables / table, first):
            yield inputs.tables / table
        if first and not table:
            yield inputs.profiles / f"{first}.toml"


def _has_zone(table: Path, zone: str) -> bool:
    """Whether a table of one's own has a row of a zone or country."""
    if not table.is_file():
        return False
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    return any(zone in line.replace('"', "").split(",") for line in lines[1:])


def _named(file: Path, inputs: Inputs) -> str:
    """Path of a file from the project folder, where it is in it."""
    whole, folder = file.resolve(), inputs.folder.resolve()
    return (whole.relative_to(folder) if whole.is_relative_to(folder) else file).as_posix()

"""Evidence packs: what they hold, that their own script finds every change, and that they are whole or not there."""

from __future__ import annotations

import csv
import hashlib
import math
import random
import resource
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from carbon.core.errors import LedgerError, NotFoundError, UsageError
from carbon.core.schema import columns
from carbon.ledger import pack as packs
from carbon.ledger import recheck
from carbon.ledger.cited import Inputs
from carbon.ledger.entries import MAY_BE_EMPTY, NOT_DIGESTED, SCHEMA, digest, to_table
from carbon.ledger.pack import FILES, SUMS, export
from carbon.ledger.store import Ledger
from tests.ledger.lines import at_hour, frame

HOSTILE = ("=1+1", "'=1+1", "''", "'", "+a", "-a", "@a", "\ta", "a\r\nb", "\n", 'a"b', "a,b", "\u2028ü\x0b", "x\x00y")
MONTHS = ("2026-10", "2026-11", "2026-12")
FIRST = datetime(2027, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)


def lines(scale: float = 1.0, hours: tuple[int, ...] = (0, 744, 1464)) -> pd.DataFrame:
    """Lines of three months with texts that steer spreadsheets and numbers of all lengths."""
    made = [
        at_hour(hour, node=f"n{at}", product=text, kgco2e=scale * (at + 1) / 3, energy_kwh=-0.0 if at == 3 else math.pi * at,
                gsd2=None if at % 2 else 1.1, tier=None if at == 2 else "measured", category=None if at % 3 else 3,
                source=text)
        for hour in hours for at, text in enumerate(HOSTILE)
    ]  # fmt: skip
    return frame(*made)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Three postings: all months, a correction of the first two, a correction of the last."""
    found = Ledger(tmp_path_factory.mktemp("pack") / "ledger")
    found.post(lines(), months=MONTHS, recorded_at=FIRST)
    found.post(lines(2, (0, 744)), months=MONTHS[:2], recorded_at=FIRST + timedelta(days=1), reason="'=late")
    found.post(lines(3, (1464,)), months=MONTHS[2:], recorded_at=FIRST + timedelta(days=2))
    return found


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """A project without files."""
    own = tmp_path / "project"
    own.mkdir()
    return inputs_of(own)


def inputs_of(own: Path) -> Inputs:
    """A project of nothing but its settings."""
    return Inputs(own, "A, {b}", "[entity]\n", None, own / "profiles", own / "grid", own / "instruments.csv", ())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Path:
    """The pack of all, made once."""
    place = tmp_path_factory.mktemp("exported")
    (place / "project").mkdir()
    export(ledger, place / "pack", inputs_of(place / "project"))
    return place / "pack"


@pytest.fixture
def pack(tmp_path: Path, exported: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(exported, tmp_path / "pack"))


def checked(pack: Path) -> tuple[int, str]:
    """What the script of a pack says, with nothing but the standard library within reach."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(pack / "verify.py")], capture_output=True, text=True, cwd="/", check=False, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def seal(pack: Path) -> None:
    """Write the digests of the files anew, as one would who changed them."""
    sums = [f"{hashlib.sha256((pack / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    (pack / SUMS).write_text("".join(sums), encoding="utf-8")


def rows_of(path: Path) -> list[list[str]]:
    """Rows of a CSV file, the header first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def put(path: Path, rows: list[list[str]]) -> None:
    """Write rows as a pack does."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerows(rows)


def test_a_pack_holds_and_its_totals_are_the_ledgers(pack: Path, ledger: Ledger) -> None:
    code, text = checked(pack)
    assert code == 0
    assert sorted(path.name for path in pack.iterdir()) == sorted([*FILES, SUMS])
    live = ledger.live()
    for month in MONTHS:
        total = float(text.split(f"{month}, 2, location, ")[1].split(",")[0])
        assert total == pytest.approx(math.fsum(live.loc[live["period"] == month, "kgco2e"]), rel=1e-9)


def test_the_script_is_short_and_needs_nothing() -> None:
    text = Path(recheck.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 60
    named = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert named <= sys.stdlib_module_names


def test_the_script_knows_the_columns() -> None:
    kinds = {"count": recheck.COUNTS, "time": recheck.TIMES, "number": recheck.REALS}
    table = columns("entries")
    for kind, names in kinds.items():
        assert set(names) == {name for name, column in table.items() if column.type == kind}
    required = {name for name, column in table.items() if column.required and column.type == "text"}
    assert set(recheck.NEVER_EMPTY) == required - set(NOT_DIGESTED)
    assert set(MAY_BE_EMPTY) <= required


def test_entries_are_the_same_in_csv_and_parquet(pack: Path, ledger: Ledger) -> None:
    table = pq.read_table(pack / "entries.parquet")
    assert table.schema.equals(SCHEMA)
    last = ""
    for number in (1, 2, 3):
        posting = table.filter(pc.equal(table["posting"], number))
        last = digest(posting, last)
        assert posting["digest"][0].as_py() == last
    header, *rows = rows_of(pack / "entries.csv")
    assert header == SCHEMA.names
    products = [row[header.index("product")] for row in rows]
    assert set(products) == {f"'{text}" if text[0] in "=+-@\t\r\n'" else text for text in HOSTILE}


def plain_csv(path: Path, header: list[str], rows: list[list[object]]) -> bytes:
    """Cells as text, None empty: what a pack's CSV is by definition."""
    put(path, [header, *([cell(value) for value in row] for row in rows)])
    return path.read_bytes()


def cell(value: object) -> str:
    """A value as a pack writes it."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return ""
    if isinstance(value, pd.Timestamp):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, str):
        return f"'{value}" if value[:1] in tuple("=+-@\t\r\n'") else value
    return repr(value)


@pytest.mark.parametrize("periods", [None, ["2026-12"]])
def test_a_pack_is_what_the_whole_table_of_entries_gives(
    tmp_path: Path, ledger: Ledger, inputs: Inputs, periods: list[str] | None
) -> None:
    """Reckoned at once from all entries, as no large ledger can be."""
    export(ledger, tmp_path / "pack", inputs, periods)
    entries = ledger.entries()
    packed = entries if periods is None else entries[entries["posting"] != 2].reset_index(drop=True)
    pq.write_table(to_table(packed), tmp_path / "entries.parquet")
    assert (tmp_path / "pack" / "entries.parquet").read_bytes() == (tmp_path / "entries.parquet").read_bytes()
    rows = packed.astype(object).values.tolist()
    assert (tmp_path / "pack" / "entries.csv").read_bytes() == plain_csv(tmp_path / "e.csv", SCHEMA.names, rows)
    found = {
        key: math.fsum(some.dropna()) for key, some in packed.groupby(["period", "scope", "basis"])["kgco2e"]
    }
    totals = rows_of(tmp_path / "pack" / "totals.csv")[1:]
    assert [(row[0], int(row[1]), row[2]) for row in totals] == list(found)
    assert [float(row[3]) for row in totals] == list(found.values())
    cited = packed.groupby(["factor", "factor_kind", "tier", "status"], dropna=False)
    told = [
        [*key, len(some), math.fsum(some["energy_kwh"].dropna()), math.fsum(some["kgco2e"].dropna()), None, None]
        for key, some in cited
    ]
    header = ["factor", "factor_kind", "tier", "status", "entries", "energy_kwh", "kgco2e", "file", "sha256"]
    assert (tmp_path / "pack" / "factors.csv").read_bytes() == plain_csv(tmp_path / "f.csv", header, told)


def test_row_groups_have_the_bytes_of_one_table(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries a window has, as long as windows fill a row group."""
    size, group = 15_000, 45_000
    monkeypatch.setattr(packs, "_GROUP", group)
    few, chance = ledger.entries(), random.Random(1)
    entries = few.iloc[[chance.randrange(len(few)) for _ in range(100_000)]].reset_index(drop=True)
    entries["kgco2e"] = [chance.random() for _ in range(len(entries))]
    windows = [entries.iloc[start : start + size].reset_index(drop=True) for start in range(0, len(entries), size)]
    told: list[tuple[int, int]] = []
    packs._leave_entries(tmp_path, windows, len(entries), lambda done, count: told.append((done, count)))
    pq.write_table(to_table(entries), tmp_path / "whole.parquet", row_group_size=group)
    assert (tmp_path / "entries.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pq.read_metadata(tmp_path / "entries.parquet").num_row_groups == 3
    assert told == [(min(done + size, len(entries)), len(entries)) for done in range(0, len(entries), size)]


def test_exported_twice_the_bytes_are_the_same(pack: Path, tmp_path: Path, ledger: Ledger, inputs: Inputs) -> None:
    (tmp_path / "again").mkdir()
    export(ledger, tmp_path / "again", inputs)
    for name in (*FILES, SUMS):
        assert (pack / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_any_changed_byte_of_the_entries_is_found(pack: Path) -> None:
    whole, chance = (pack / "entries.csv").read_bytes(), random.Random(6)
    for _ in range(20):
        at = chance.randrange(len(whole))
        changed = bytes([whole[at] ^ (1 << chance.randrange(8))])
        (pack / "entries.csv").write_bytes(whole[:at] + changed + whole[at + 1 :])
        assert checked(pack)[0] == 1, at


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, how) for name in (*FILES, SUMS) if name != "verify.py" for how in ("changed", "removed")),
        *((name, "its line removed") for name in (*FILES, SUMS)),
        *((name, "removed with its line") for name in ("factors.csv", "closings.csv", "entries.parquet")),
        ("sources.csv", "a folder"),
    ],
)
def test_each_file_of_the_pack_is_asked_for(pack: Path, name: str, how: str) -> None:
    """Whatever happens to a file, it is named; to the list of files, all of them are, or the list."""
    lines = (pack / SUMS).read_text(encoding="utf-8").splitlines(keepends=True)
    if how == "changed":
        (pack / name).write_bytes((pack / name).read_bytes() + b"x")
    elif how.startswith("removed") or how == "a folder":
        (pack / name).unlink()
    if how == "a folder":
        (pack / name).mkdir()
    if "line" in how and name != SUMS:
        (pack / SUMS).write_text("".join(line for line in lines if not line.endswith(f"  {name}\n")), encoding="utf-8")
    if (name, how) == (SUMS, "its line removed"):
        (pack / SUMS).write_text("", encoding="utf-8")
        assert checked(pack)[1].count("changed, missing") == len(FILES)
        return
    code, text = checked(pack)
    assert code == 1
    assert name in text or (name == SUMS and how == "changed"), text


@pytest.mark.parametrize("listed", [False, True])
def test_a_file_that_is_none_of_the_pack_is_named(pack: Path, listed: bool) -> None:
    (pack / "more.csv").write_text("a\n")
    if listed:
        with (pack / SUMS).open("a") as sums:
            sums.write(f"{hashlib.sha256(b'a' + bytes([10])).hexdigest()}  more.csv\n")
    assert checked(pack) == (1, "more.csv: changed, missing, added or moved\n")


@pytest.fixture(scope="module")
def exported_closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack of a ledger in which a month was closed, reopened and closed again."""
    place = tmp_path_factory.mktemp("closed")
    ledger = Ledger(place / "ledger")
    ledger.post(lines(), months=MONTHS, recorded_at=FIRST)
    ledger.close(MONTHS[0], recorded_at=FIRST + timedelta(days=1), reason="'=first, \"Zürich\" 10:00Z")
    ledger.reopen(MONTHS[0], recorded_at=FIRST + timedelta(days=2), reason="@late")
    ledger.post(lines(2), months=MONTHS, recorded_at=FIRST + timedelta(days=3))
    ledger.close(MONTHS[1], recorded_at=FIRST + timedelta(days=4, microseconds=-123456))
    (place / "project").mkdir()
    export(ledger, place / "pack", inputs_of(place / "project"))
    return place / "pack"


@pytest.fixture
def closed_pack(tmp_path: Path, exported_closed: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(exported_closed, tmp_path / "pack"))


def test_closings_hold(closed_pack: Path) -> None:
    assert checked(closed_pack)[0] == 0
    table = rows_of(closed_pack / "closings.csv")
    assert [row[1] for row in table[1:]] == ["close", "reopen", "close"]


@pytest.mark.parametrize(("row", "at"), [(1 + at % 3, at) for at in range(10)])
def test_any_change_of_a_closing_is_found(closed_pack: Path, row: int, at: int) -> None:
    """Also where the digests of the files are made anew."""
    rows = rows_of(closed_pack / "closings.csv")
    was = rows[row][at]
    rows[row][at] = f"{int(was) + 1}" if was.isdecimal() else was[:-1] + ("1" if not was.endswith("1") else "2")
    put(closed_pack / "closings.csv", rows)
    seal(closed_pack)
    code, text = checked(closed_pack)
    assert code == 1
    assert f"closing {row}: " in text or "cannot be read" in text


@pytest.mark.parametrize("gone", [1, 2])
def test_a_closing_that_is_gone_or_moved_is_found(closed_pack: Path, gone: int) -> None:
    header, *rows = rows_of(closed_pack / "closings.csv")
    for order in ([row for at, row in enumerate(rows, 1) if at != gone], rows[::-1]):
        put(closed_pack / "closings.csv", [header, *order])
        seal(closed_pack)
        assert checked(closed_pack)[0] == 1


@pytest.mark.parametrize("seed", range(2))
def test_changed_values_are_found_where_the_files_digests_are_made_anew(pack: Path, seed: int) -> None:
    rows, chance = rows_of(pack / "entries.csv"), random.Random(seed)
    for _ in range(5):
        row, at = chance.randrange(1, len(rows)), chance.randrange(len(rows[0]))
        before = rows[row][at]
        rows[row][at] = before[:-1] + ("1" if not before.endswith("1") else "2")
        put(pack / "entries.csv", rows)
        seal(pack)
        assert checked(pack)[0] == 1, (rows[0][at], before)
        rows[row][at] = before
    put(pack / "entries.csv", rows)
    seal(pack)
    assert checked(pack)[0] == 0


@pytest.mark.parametrize("row", [1, 20, -1])
@pytest.mark.parametrize("change", ["removed", "twice", "added", "swapped", "posting removed"])
def test_rows_that_came_went_or_moved_are_found(pack: Path, row: int, change: str) -> None:
    rows = rows_of(pack / "entries.csv")
    if change == "removed":
        del rows[row]
    elif change == "twice":
        rows.insert(row, rows[row])
    elif change == "added":
        rows.append(["4", *rows[row][1:]])
    elif change == "swapped":
        rows[row], rows[row - 2 if row != 1 else 2] = rows[row - 2 if row != 1 else 2], rows[row]
    else:
        rows = [one for one in rows if one[0] != rows[row][0]]
    put(pack / "entries.csv", rows)
    seal(pack)
    assert checked(pack)[0] == 1


@pytest.mark.parametrize(("name", "row", "at"), [("digests.csv", 2, 1), ("digests.csv", 2, 3), ("digests.csv", 2, 2),
                                                ("totals.csv", 1, 3), ("totals.csv", 2, 0)])  # fmt: skip
def test_changed_digests_and_totals_are_found(pack: Path, name: str, row: int, at: int) -> None:
    rows = rows_of(pack / name)
    rows[row][at] = rows[row][at].replace(rows[row][at][-2], "0" if rows[row][at][-2] != "0" else "1")
    put(pack / name, rows)
    seal(pack)
    assert checked(pack)[0] == 1


def test_a_pack_of_a_month_has_whole_postings(tmp_path: Path, ledger: Ledger, inputs: Inputs) -> None:
    found = export(ledger, tmp_path / "month", inputs, ["2026-12"])
    assert found.postings == 2
    assert [row[-1] for row in rows_of(tmp_path / "month" / "digests.csv")] == ["packed", "yes", "no", "yes"]
    totals = {(row[0], row[4]) for row in rows_of(tmp_path / "month" / "totals.csv")[1:]}
    assert totals == {("2026-10", "no"), ("2026-11", "no"), ("2026-12", "yes")}
    assert checked(tmp_path / "month")[0] == 0
    rows = rows_of(tmp_path / "month" / "digests.csv")
    rows[2][1] = "0" * 64
    put(tmp_path / "month" / "digests.csv", rows)
    seal(tmp_path / "month")
    assert checked(tmp_path / "month")[0] == 1


def test_what_is_in_the_way_is_left_alone(pack: Path, tmp_path: Path, ledger: Ledger, inputs: Inputs) -> None:
    before = (pack / SUMS).read_bytes()
    with pytest.raises(UsageError, match="is not empty"):
        export(ledger, pack, inputs)
    assert (pack / SUMS).read_bytes() == before
    with pytest.raises(UsageError, match="is not a folder"):
        export(ledger, pack / SUMS, inputs)
    with pytest.raises(NotFoundError, match="no folder"):
        export(ledger, tmp_path / "none" / "pack", inputs)


def test_nothing_to_export_is_not_found(tmp_path: Path, ledger: Ledger, inputs: Inputs) -> None:
    with pytest.raises(NotFoundError, match="carbon account"):
        export(Ledger(tmp_path / "empty"), tmp_path / "pack", inputs)
    with pytest.raises(NotFoundError, match="2026-10, 2026-11, 2026-12"):
        export(ledger, tmp_path / "pack", inputs, ["2020-01"])
    assert not (tmp_path / "pack").exists()


def test_a_ledger_that_does_not_hold_is_no_evidence(tmp_path: Path, ledger: Ledger, inputs: Inputs) -> None:
    shutil.copytree(ledger.path, tmp_path / "ledger")
    next((tmp_path / "ledger").rglob("*.parquet")).unlink()
    with pytest.raises(LedgerError):
        export(Ledger(tmp_path / "ledger"), tmp_path / "pack", inputs)
    assert not (tmp_path / "pack").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_refuses_leaves_nothing(tmp_path: Path, ledger: Ledger, inputs: Inputs, there: bool) -> None:
    place = tmp_path / "place"
    place.mkdir()
    if there:
        (place / "pack").mkdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="pack"):
            export(ledger, place / "pack", inputs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in place.rglob("*")] == ["pack"] * there


def test_files_behind_the_entries_are_told_as_they_are(tmp_path: Path, inputs: Inputs) -> None:
    made = {name: f"{name}\n".encode() for name in ("a.csv", "b.csv", "nodes.csv", "instruments.csv")}
    for name, content in made.items():
        (inputs.folder / name).write_bytes(content)
    full = {name: hashlib.sha256(content).hexdigest() for name, content in made.items()}
    (inputs.folder / "profiles").mkdir()
    (inputs.folder / "profiles" / "gpu.toml").write_bytes(b"x")
    ledger = Ledger(tmp_path / "ledger")
    ledger.post(frame(
        at_hour(0, node="a", source=f"a.csv@{full['a.csv'][:12]}; b.csv@000000000000", factor="PPA", factor_kind="contract"),
        at_hour(0, node="b", source="nodes.csv", factor="gpu/2025-01@0 x freight/air/2025@1", factor_kind="embodied"),
        at_hour(0, node="c", source="a@b c.csv@123456789abc … z.csv@123456789abc (7 files)", kgco2e=None),
    ), months=["2026-10"], recorded_at=FIRST)  # fmt: skip
    export(ledger, tmp_path / "pack", inputs._replace(files=["nodes.csv"]))
    assert rows_of(tmp_path / "pack" / "sources.csv")[1:] == [
        ["a.csv", full["a.csv"][:12], "1", "yes", "yes", full["a.csv"]],
        ["a@b c.csv", "123456789abc", "1", "no", "", ""],
        ["b.csv", "0" * 12, "1", "yes", "no", full["b.csv"]],
        ["nodes.csv", "", "1", "yes", "", full["nodes.csv"]],
        ["z.csv", "123456789abc", "1", "no", "", ""],
    ]
    header, *rows = rows_of(tmp_path / "pack" / "factors.csv")
    files = {row[0]: row[header.index("file") :] for row in rows}
    assert files == {
        "GB/measured/neso@1": ["", ""],
        "PPA": ["instruments.csv", full["instruments.csv"]],
        "gpu/2025-01@0 x freight/air/2025@1": ["profiles/gpu.toml", hashlib.sha256(b"x").hexdigest()],
    }
    unknown = next(row for row in rows if row[0] == "GB/measured/neso@1")
    assert unknown[header.index("kgco2e")] == ""
    assert checked(tmp_path / "pack")[0] == 0

"""The node register: one row a node, or several with `valid_from` for a node that moved or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from carbon.core.findings import Findings
from carbon.readers.convert import Dialect
from carbon.readers.small import for_people, read_cells, warn_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_FIXED = ("operator", "in_service", "retired")


def read_nodes(path: str | Path, *, dialect: Dialect | None = None) -> pd.DataFrame:
    """Node register, index `row`, columns as in the schema: times UTC, `pue` [1], `devices` [1], position [degree].

    `devices` is Int64, `operated` boolean, text str; `valid_from` and `operated` are filled in by their rules. Raises
    InputError with every finding.
    """
    findings = Findings()
    nodes = parse_nodes(path, dialect or Dialect(), findings, str(path))
    findings.raise_errors()
    warn_of(findings)
    return for_people(nodes, "nodes")


def parse_nodes(path: str | Path, dialect: Dialect, findings: Findings, name: str) -> pd.DataFrame:
    """The same, with faults added to `findings`; a node with a fault loses its zone, so that no register takes it."""
    nodes, faulty = read_cells(path, "nodes", dialect, findings, name)
    if nodes.empty and not findings.errors:
        findings.error("empty-file", "has no rows", "list each node of the network", file=name)
    nodes["valid_from"] = nodes["valid_from"].fillna(nodes["in_service"])
    nodes["operated"] = nodes["operated"].fillna(nodes["boundary"].eq("own").map({True: "true", False: "false"}))
    _check_devices(nodes, faulty, findings, name)
    _check_position(nodes, faulty, findings, name)
    _check_service(nodes, faulty, findings, name)
    _check_versions(nodes, faulty, findings, name)
    _remind(nodes, findings, name)
    broken = nodes["node"][faulty.any(axis=1)]
    if len(broken):  # what its other cells say would be held against the workload
        nodes.loc[nodes["node"].isin(broken), "zone"] = None
    return nodes


def _remind(nodes: pd.DataFrame, findings: Findings, name: str) -> None:
    """A warning for each row with cells that `carbon init --from` guessed or could not know, until somebody looked."""
    marked = nodes[nodes["confirm"].notna()]
    for place, row in enumerate(marked.index):
        cells = [_guess(marked.iloc[place], column) for column in str(marked.at[row, "confirm"]).split()]
        if cells:
            findings.warning(
                "to-confirm", f"guessed or empty: {', '.join(cells)}", "look at each, mend it, and empty this cell",
                file=name, row=row, column="confirm",
            )  # fmt: skip


def _guess(cells: pd.Series[Any], column: str) -> str:
    """A column with what stands in it."""
    if column not in cells:
        return f"{column} (no such column)"
    value = cells[column]
    if cells.isna()[column] or value == "":
        return f"{column} (empty)"
    if hasattr(value, "year"):
        return f"{column} {value:%Y-%m-%d}"
    return f"{column} {value:g}" if isinstance(value, float) else f"{column} {value}"


def _check_devices(nodes: pd.DataFrame, faulty: pd.DataFrame, findings: Findings, name: str) -> None:
    none = nodes["devices"] == 0
    part = nodes["devices"] % 1 > 0
    mend = "count whole devices, 1 or more (of a machine without accelerators, a profile of kind host: the machines)"
    for bad, code, problem in ((none, "no-device", "is no device"), (part, "part-device", "is not a whole number")):
        faulty["devices"] |= bad
        for row in nodes.index[bad]:
            findings.error(
                code, problem, mend, file=name, row=row, column="devices", value=f"{nodes['devices'][row]:g}"
            )


def _check_position(nodes: pd.DataFrame, faulty: pd.DataFrame, findings: Findings, name: str) -> None:
    for column, other in (("latitude", "longitude"), ("longitude", "latitude")):
        alone = nodes[column].isna() & ~faulty[column] & nodes[other].notna()
        for row in nodes.index[alone]:
            problem, mend = f"is empty beside {other}", f"give both, or leave {other} out"
            findings.error("half-position", problem, mend, file=name, row=row, column=column)


def _check_service(nodes: pd.DataFrame, faulty: pd.DataFrame, findings: Findings, name: str) -> None:
    backwards = nodes["retired"].notna() & (nodes["retired"] <= nodes["in_service"])
    faulty["retired"] |= backwards
    for row in nodes.index[backwards]:
        findings.error(
            "retired-before-service", "is not after in_service", "check both days", file=name, row=row, column="retired"
        )
    early = nodes["valid_from"].notna() & (nodes["valid_from"] < nodes["in_service"]) & ~backwards
    faulty["valid_from"] |= early
    for row in nodes.index[early]:
        findings.error(
            "valid-before-service",
            "is before in_service",
            "start with in_service",
            file=name,
            row=row,
            column="valid_from",
        )


def _check_versions(nodes: pd.DataFrame, faulty: pd.DataFrame, findings: Findings, name: str) -> None:
    dated = nodes[~faulty[["node", "valid_from", "in_service"]].any(axis=1)]
    twice = dated.index[dated.duplicated(["node", "valid_from"])]
    for row in twice:
        findings.error(
            "node-twice", "stands twice for the same time", "remove one row, or give the later one its valid_from",
            file=name, row=row, column="node", value=nodes.at[row, "node"],
        )  # fmt: skip
    for column in _FIXED:
        said = nodes[~faulty[[column, "node"]].any(axis=1)]
        _, at, group = np.unique(said["node"].to_numpy(np.str_), return_index=True, return_inverse=True)
        first = said[column].take(at[group]).set_axis(said.index)
        differing = said[(said[column] != first) & ~(said[column].isna() & first.isna())]
        for row in differing.drop_duplicates("node").index:
            faulty.at[row, column] = True
            empty = bool(said[column].isna()[row])
            findings.error(
                "node-contradicts", f"{'is empty and ' if empty else ''}differs from an earlier row of the node",
                "give every row of a node the same", file=name, row=row, column=column,
                value=None if empty else nodes.at[row, column],
            )  # fmt: skip
    faulty.loc[twice, "node"] = True

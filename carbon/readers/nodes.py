"""The node register: one row a node, or several with `valid_from` for a node that moved or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.findings import Findings
from carbon.readers.convert import Dialect
from carbon.readers.small import read_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_FIXED = ("operator", "in_service", "retired")


def read_nodes(path: str | Path, *, dialect: Dialect | None = None) -> pd.DataFrame:
    """Node register, index `row`, columns as in the schema: times UTC, `pue` [1], `devices` [1].

    `valid_from` and `operated` are filled in by their rules. Raises InputError with every finding.
    """
    findings = Findings()
    nodes = parse_nodes(path, dialect or Dialect(), findings, str(path))
    findings.raise_errors()
    return nodes


def parse_nodes(path: str | Path, dialect: Dialect, findings: Findings, name: str) -> pd.DataFrame:
    """The same, with faults added to `findings` and faulty rows left in."""
    nodes = read_table(path, "nodes", dialect, findings, name)
    if nodes.empty and not findings.errors:
        findings.error("empty-file", "has no rows", "list each node of the network", file=name)
    nodes["valid_from"] = nodes["valid_from"].fillna(nodes["in_service"])
    nodes["operated"] = nodes["operated"].fillna(nodes["boundary"].eq("own").map({True: "true", False: "false"}))
    _check_devices(nodes, findings, name)
    _check_service(nodes, findings, name)
    _check_versions(nodes, findings, name)
    return nodes


def _check_devices(nodes: pd.DataFrame, findings: Findings, name: str) -> None:
    for row, devices in nodes["devices"].dropna().items():
        if devices != devices // 1:
            findings.error(
                "part-device",
                "is not a whole number",
                "count whole devices",
                file=name,
                row=row,
                column="devices",
                value=devices,
            )


def _check_service(nodes: pd.DataFrame, findings: Findings, name: str) -> None:
    backwards = nodes["retired"].notna() & (nodes["retired"] <= nodes["in_service"])
    for row in nodes.index[backwards]:
        findings.error(
            "retired-before-service", "is not after in_service", "check both days", file=name, row=row, column="retired"
        )
    early = nodes["valid_from"].notna() & (nodes["valid_from"] < nodes["in_service"])
    for row in nodes.index[early]:
        findings.error(
            "valid-before-service",
            "is before in_service",
            "start with in_service",
            file=name,
            row=row,
            column="valid_from",
        )


def _check_versions(nodes: pd.DataFrame, findings: Findings, name: str) -> None:
    for row in nodes.index[nodes.duplicated(["node", "valid_from"])]:
        findings.error(
            "node-twice", "stands twice for the same time", "remove one row, or give the later one its valid_from",
            file=name, row=row, column="node", value=nodes.at[row, "node"],
        )  # fmt: skip
    for column in _FIXED:
        differing = nodes.groupby("node")[column].transform("nunique", dropna=False) > 1
        for row in nodes.index[differing]:
            findings.error(
                "node-contradicts", "differs between the rows of the node", "give every row of a node the same",
                file=name, row=row, column=column, value=nodes.at[row, column],
            )  # fmt: skip

"""Names under which telemetry knows the nodes of the register: their ids, and what the column `aliases` lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from carbon.core.findings import Findings


def names_of(nodes: pd.DataFrame, findings: Findings) -> dict[str, str]:
    """Node of each name: ids first, then aliases (separated by spaces). A name of two nodes is an error."""
    names = {str(node): str(node) for node in nodes["node"].dropna()}
    listed = nodes[["node", "aliases"]].dropna() if "aliases" in nodes else nodes.head(0)
    for row, node, aliases in listed.itertuples():
        for alias in str(aliases).split():
            if names.setdefault(alias, str(node)) != str(node):
                findings.error(
                    "name-twice", f"is a name of {names[alias]} too", "let one node have it",
                    file="nodes.csv", row=row, column="aliases", value=alias,
                )  # fmt: skip
    return names


def unknown_nodes(found: Iterable[str], names: Mapping[str, str], file: str, findings: Findings) -> None:
    """An error for each name that no node has."""
    for name in sorted({name for name in found if name not in names}):
        findings.error(
            "unknown-node", "is not in the node register",
            "add it to nodes.csv, as a node or under aliases (`carbon init --from` does), or leave it out with --skip-unknown",
            file=file, column="node", value=name,
        )  # fmt: skip


def known(rows: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Rows of nodes of the register, by the register's name."""
    node = rows["node"].map(pd.Series(names, dtype="str"))
    return rows.assign(node=node)[node.notna().to_numpy()]

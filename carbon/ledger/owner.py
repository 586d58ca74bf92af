"""Whose ledger it is: the entity that postings name in their commits, outside of the digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.errors import LedgerError
from carbon.ledger.log import infos

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from carbon.ledger.place import Place

ENTITY = "carbon.entity"


def owner(path: Place, table: DeltaTable) -> str:
    """Name of the entity that the newest commit with a name tells; empty where none has any."""
    return next((str(told[ENTITY]) for told in infos(path, table.version()) if told.get(ENTITY)), "")


def require_owner(path: Place, table: DeltaTable, entity: str) -> None:
    """Raise LedgerError where the ledger is another entity's, or that of any while this one has no name.

    A ledger without a name, as of a project that had none, takes any.
    """
    known = owner(path, table)
    if known and not entity:
        raise LedgerError(
            f"{path}: this ledger belongs to {known!r}, and the project says no name; nothing was posted; set `name` under "
            f"[entity] to {known!r} where it is the same entity, else give the project a `path` of its own under [ledger]"
        )
    if known and known != entity:
        raise LedgerError(
            f"{path}: this ledger belongs to {known!r}, and the project to {entity!r}; nothing was posted; give the project "
            "a `path` of its own under [ledger], or, where the entity was only renamed, run `carbon account --rename`"
        )

"""The group export: the ledger's figures in the forms that others ask for, one module each."""

from __future__ import annotations

import typer

from carbon.cli import export_esrs, export_mica, export_pact, export_sci

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon export esrs 2026 --format csv")

for _form in (export_sci, export_esrs, export_mica, export_pact):
    _form.add_to(app)

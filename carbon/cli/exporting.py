"""Commands that export: one module each."""

from __future__ import annotations

import typer

from carbon.cli import export_esrs, export_mica, export_pact

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon export esrs 2026 --format csv")

export_esrs.add_to(app)
export_mica.add_to(app)
export_pact.add_to(app)

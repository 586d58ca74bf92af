"""All commands `carbon import …`, each group of which registers its own."""

from __future__ import annotations

from carbon.cli import importing, importing_logs

app = importing.app
importing_logs.add_to(app)

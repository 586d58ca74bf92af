"""The site: the pages of this folder as HTML. `sphinx-build -W --keep-going -c docs . build/site`, from the root.

The root is the source, so that a link means the same here and on a code host. The order of the pages stands here and not
in the pages, which stay plain Markdown.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from carbon.version import __version__  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "carbon"
version = release = __version__
root_doc = "docs/index"
include_patterns = ["docs/**.md", "CHANGELOG.md", "grid_data/SOURCES.md", "hardware_profiles/SOURCES.md"]
exclude_patterns = [".*", "benchmarks", "build", "carbon", "carbon-demo", "dist", "tests", "tools"]
extensions = ["myst_parser", "sphinx.ext.autodoc"]
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!carbon\.[A-Za-z_]+$).*")]  # types of others, and inner ones, have no page
add_module_names = False
python_maximum_signature_line_length = 80

myst_heading_anchors = 6

smartquotes = False  # an option keeps its two hyphens

html_theme = "furo"
html_title = f"carbon {__version__}"
html_copy_source = False
html_show_copyright = False
html_permalinks_icon = "#"
html_static_path = ["_static"]
html_extra_path = ["_root"]
html_css_files = ["site.css"]
pygments_style = "default"

TREES = {
    "docs/index": {
        "Begin": ["tutorial", "comparison"],
        "How to": ["import", "watch", "grid", "hardware", "refresh", "ledger", "exports", "notebook"],
        "Reference": ["commands", "settings", "tables", "python"],
        "Methods": ["methods", "references", "/grid_data/SOURCES", "/hardware_profiles/SOURCES"],
        "The project": ["developers", "decisions/README", "benchmarks", "/CHANGELOG"],
    },
    "docs/decisions/README": {"": ["0*"]},
}


def setup(app: Sphinx) -> None:
    """Hook in what the pages do not say themselves."""
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", append_trees)
    app.connect("autodoc-process-docstring", mark_code)


def append_trees(_: Sphinx, name: str, source: list[str]) -> None:
    """Give a page its part of the table of contents."""
    for caption, pages in TREES.get(name, {}).items():
        head = f":caption: {caption}\n:hidden:" if caption else ":maxdepth: 1"
        source[0] += f"\n```{{toctree}}\n{head}\n:glob:\n\n" + "\n".join(pages) + "\n```\n"


def mark_code(_: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text with code in single backticks: make them what reStructuredText takes for the same."""
    del what, name, item, options
    parts = re.split(r"`([^`]+)`", "\n".join(lines))
    told = [f"``{part}``" if at % 2 else part.replace("*", r"\*") for at, part in enumerate(parts)]
    lines[:] = "".join(told).split("\n")

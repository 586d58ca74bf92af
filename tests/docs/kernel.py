"""A notebook run by a process of its own: `python kernel.py NOTEBOOK FOLDER` writes what its cells show into it.

Sockets and threads that the client of a kernel leaves behind end with the process. Exit code 1 and the error of the cell
where one raises.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

MOST_S = 300  # of each cell


def main(path: Path, folder: str) -> int:
    """Run every cell in `folder`, and keep the notebook with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory(prefix="k") as short:  # a socket's path may have about a hundred letters
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{short}/k")
        client = NotebookClient(notebook, km=kernel, timeout=MOST_S, resources={"metadata": {"path": folder}})
        try:
            client.execute()
        except CellExecutionError as error:
            sys.stderr.write(str(error))
            return 1
    nbformat.write(notebook, path)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))

"""Executes a notebook afresh, and fails where one of its cells does.

usage: notebook.py NOTEBOOK
"""

import sys

import nbformat
from nbclient import NotebookClient


def printed(cells) -> list[str]:
    """What the cells print."""
    return [output.text for cell in cells for output in cell.outputs if output.output_type == "stream"]


notebook = nbformat.read(sys.argv[1], as_version=4)
cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
assert all(cell.execution_count for cell in cells), "expected a notebook that was executed"
expected = printed(cells)
assert expected, "expected something that it prints"
for cell in cells:
    cell.execution_count, cell.outputs = None, []
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
found = printed(cells)
assert found == expected, f"expected what the notebook shows, {expected}, found {found}"
print(f"{len(cells)} cells without an error")

"""What a chapter's page shows first: its picture, of the recorded run where one is kept; what can wait is folded.

The notebook itself keeps the order of the method: measure, draw, and draw the recorded run by the same function.
"""

import ast
import copy
import re

from pcn_lib.book.notebooks import FOLD, FOLD_ALL, Notebook, code_cells, shown_as_html, tagged
from pcn_lib.book.project import book_module

BARE = "remove-input"  # the theme's tag for a cell without its code
OWN_RUN = "The same of this page's own run, and how it is drawn"
PLACE = "first-picture"
ABOVE = f'<p><a href="#{PLACE}">This picture stands at the top of the page.</a></p>'
SYMBOLS = re.compile(r"(?:^\| symbol\b.*\n)(?:^\|.*(?:\n|\Z))+", re.MULTILINE)


def with_lead(notebook: Notebook) -> Notebook:
    """The notebook whose first picture stands under its first paragraph, and a link where it was."""
    result = copy.deepcopy(notebook)
    cells = [cell for cell in code_cells(result) if pictures_of(cell)]
    first = next((cell for cell in cells if not tagged(cell, FOLD_ALL)), None)
    if first is None:
        return result
    new, title = book_module("nbformat.v4"), result.cells[0]
    opening = re.match(r"# .*\n*(?:.+\n?)*", title.source)[0]
    picture = pictures_of(first)[0]
    shown = new.new_code_cell(first.source, outputs=[copy.deepcopy(picture)], metadata={"tags": [BARE]})
    shown.outputs[0].data["text/html"] = f'<div id="{PLACE}">{shown_as_html(picture)}</div>'
    picture.data = {"text/html": ABOVE, "text/plain": "(at the top)"}
    rest = [new.new_markdown_cell(text)] if (text := title.source[len(opening) :].strip()) else []
    title.source = opening.rstrip()
    result.cells[1:1] = [shown, *rest]
    return result


def with_recorded_first(notebook: Notebook) -> Notebook:
    """The notebook in which a picture of this run is folded where the same function draws the recorded one after it."""
    result, drawn = copy.deepcopy(notebook), {}
    for cell in code_cells(result):
        name, of_record = drawing(cell.source)
        if of_record and cell.outputs and name in drawn:
            own = drawn.pop(name)
            own.metadata["tags"] = [tag for tag in own.metadata.get("tags", ()) if tag != FOLD] + [FOLD_ALL]
            own.metadata["mystnb"] = {"code_prompt_show": OWN_RUN, "code_prompt_hide": OWN_RUN}
        elif cell.outputs:
            drawn[name] = cell
    return result


def with_symbols_folded(notebook: Notebook) -> Notebook:
    """The notebook with its tables of symbols to be unfolded by who needs them."""
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        if cell.cell_type == "markdown" and "{dropdown} Symbols" not in cell.source:
            cell.source = SYMBOLS.sub(lambda table: f"```{{dropdown}} Symbols\n{table[0].rstrip()}\n```\n", cell.source)
    return result


def pictures_of(cell: Notebook) -> list[Notebook]:
    """Those of a cell's outputs that are figures."""
    return [output for output in cell.outputs if "pcn-figure" in shown_as_html(output)]


def drawing(source: str) -> tuple[str, bool]:
    """Which function a cell's last line calls for what it shows, and whether of the kept record if there is one."""
    body = ast.parse(source).body
    shown = body[-1].value if body and isinstance(body[-1], ast.Expr) else None
    of_record = isinstance(shown, ast.BoolOp) and ast.unparse(shown.values[0]) == "kept"
    call = shown.values[-1] if of_record else shown
    return (ast.unparse(call.func) if isinstance(call, ast.Call) else "", of_record)

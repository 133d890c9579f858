"""The benchmarks' page: the recorded run as a picture and a table, or how to make one."""

from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from pcn_lib.experiments.benchmarks import RECORDED, Record
from pcn_lib.figures.benchmarks import methods, ratios, table
from pcn_lib.results import load, load_provenance
from pcn_lib.study.picture import with_source

MISSING = "No run of the benchmarks is recorded yet: `make bench` makes one in a few minutes."


class Benchmarks(SphinxDirective):
    """```{pcn-benchmarks}```: what was measured, on which machine, and when."""

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir) / RECORDED
        for suffix in (".json", ".npz"):
            self.env.note_dependency(f"{path}{suffix}")
        try:
            record, made = load(Record, path), load_provenance(path)
        except FileNotFoundError:
            return [nodes.paragraph("", *self.parse_inline(MISSING)[0])]
        picture, *rest = (part._repr_html_() for part in (ratios(record), table(record), methods(record), made))
        named = with_source(picture, lambda date: "benchmarks", "benchmarks-figure-1")
        return [nodes.raw("", part, format="html") for part in (named, *rest)]

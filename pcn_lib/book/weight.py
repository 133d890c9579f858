"""Light pages: drawings and numbers beside a page and not inside it, and of the theme's icons those that pages show."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes

from pcn_lib.book.mathjax import only_used_glyphs

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FIGURES = "_static/figures"
#: What a page holds that it need not: drawings that are shown or offered, and numbers.
SUFFIXES = {"image/svg+xml": ".svg", "application/pdf": ".pdf", "text/csv": ".csv"}
INSIDE = re.compile(
    rf'(?P<shown>src|href)="data:(?P<kind>{"|".join(map(re.escape, SUFFIXES))});base64,(?P<bytes>[^"]+)"'
)
ICONS = Path("scripts") / "fontawesome.js"
#: An icon in that script, by its name: width, height, other names, character, paths.
ICON = re.compile(r'"?([a-z0-9-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[^"]*",(?:"[^"]*"|\[[^\]]*\])\],?')
NAME = re.compile(r"\bfa-([a-z0-9-]+)")


def drawings_apart(app: "Sphinx", page: str, template: str, context: dict[str, Any], doctree: nodes.document) -> None:
    """Keep drawings and numbers as files beside the pages, which a browser fetches when they are wanted.

    A page that stands alone, for paper, keeps them inside.
    """
    if app.builder.name != "html" or "body" not in context:
        return
    root = context["pathto"](FIGURES, resource=True)

    def apart(found: re.Match) -> str:
        name = _written(Path(app.outdir, FIGURES), base64.b64decode(found["bytes"]), SUFFIXES[found["kind"]])
        lazily = "loading=lazy " if found["shown"] == "src" else ""
        return f'{lazily}{found["shown"]}="{root}/{name}"'

    context["body"] = INSIDE.sub(apart, context["body"])


def _written(folder: Path, content: bytes, suffix: str) -> str:
    """The name of a file with this content; numbers as a script, too, which a page opened from a disk may read."""
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(content).hexdigest()[:16] + suffix
    (folder / name).write_bytes(content)
    if suffix == ".csv":
        script = f"pcnNumbers({json.dumps(name)}, {json.dumps(content.decode())});"
        (folder / f"{name}.js").write_text(script, encoding="utf-8")
    return name


def only_what_is_used(app: "Sphinx", failed: Exception | None) -> None:
    """Of the theme's icons keep those that some page or script names, of MathJax's alphabets those in its TeX."""
    static = Path(app.outdir, "_static")
    if failed is not None or app.builder.format != "html":
        return
    pages = [path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")]
    only_used_glyphs(static, pages)
    if (script := static / ICONS).is_file():
        others = (path.read_text(encoding="utf-8") for path in script.parent.glob("*.js") if path != script)
        wanted = {name for text in (*pages, *others) for name in NAME.findall(text)}
        script.write_text(with_icons(script.read_text(encoding="utf-8"), wanted), encoding="utf-8")


def with_icons(script: str, wanted: set[str]) -> str:
    """The script without icons that go by none of the wanted names."""

    def kept(icon: re.Match) -> str:
        names = {icon[1], *re.findall(r'"([a-z0-9-]+)"', icon[2])}
        return icon[0] if names & wanted else ""

    return ICON.sub(kept, script)

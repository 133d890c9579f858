"""Docstrings as reference pages: Sphinx's autodoc, taught to read docstrings that are plain text with formulae.

The house's docstrings are written to be read in an editor: F* is a symbol there, |a| a norm, and an indented line
after a blank one a formula.  In reStructuredText each of them means something else, so they are escaped on the way.
"""

import re
from types import FunctionType
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.nodes import make_refnode

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

#: What is markup in a docstring as well: ``code``, :role:`target`.
MARKUP = re.compile(r"(``.+?``|:[a-z:]+:`[^`]+`)")
SPECIAL = re.compile(r"([*|`\\]|_(?=\W|$))")
#: Headings whose indented lines name arguments and the like, which the napoleon extension reads.
SECTIONS = ("Args:", "Attributes:", "Returns:", "Raises:", "Assumes:", "Yields:")
ADDRESS = re.compile(r"<(?:(?:wrapped )?function |class ')(?:[\w.<>]*\.)?(\w+)(?: at 0x[0-9a-f]+|')?>")


def setup(app: "Sphinx") -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    # Before napoleon, which turns sections into fields.
    app.connect("autodoc-process-docstring", _escape, priority=400)
    app.connect("autodoc-process-signature", _readable)
    app.connect("autodoc-skip-member", _told_already)
    app.connect("missing-reference", _by_last_name)
    app.setup_extension("sphinx.ext.napoleon")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _escape(app: "Sphinx", what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    if what in ("data", "attribute") and lines:
        # Napoleon takes what stands before a colon there for a type.
        lines[0] = lines[0].replace(": ", " – ", 1)
    lines[:] = escaped(lines)


def escaped(lines: list[str]) -> list[str]:
    """A docstring's lines with formulae as literal blocks, and with what would be markup escaped elsewhere."""
    result, section, formula = [], False, False
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line.strip() and not indented:
            section, formula = line.strip() in SECTIONS, False
        elif indented and not section and not formula and not lines[number - 1].strip():
            formula = True
            result += ["::", ""]
        result.append(line if formula else _plain(line))
    return result


def _plain(line: str) -> str:
    parts = MARKUP.split(line)
    return "".join(part if MARKUP.fullmatch(part) else SPECIAL.sub(r"\\\1", part) for part in parts)


def _readable(
    app: "Sphinx", what: str, name: str, thing: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Defaults by their names instead of their places in memory."""
    return _short(signature), _short(returns)


def _short(signature: str | None) -> str | None:
    """A signature with defaults and arrays by their own names."""
    return signature and re.sub(r"\b(?:jax|jaxlib)\.(?:\w+\.)*Array\b", "Array", ADDRESS.sub(r"\1", signature))


def _told_already(app: "Sphinx", what: str, name: str, thing: Any, skip: bool, options: object) -> bool | None:
    """Leave out fields that the class tells of: of named tuples, and those of which a function is the default."""
    alias = "Alias for field number" in str(getattr(thing, "__doc__", ""))
    default = what == "class" and isinstance(thing, FunctionType) and "." not in thing.__qualname__
    return True if alias or default else None


def _by_last_name(
    app: "Sphinx", env: "BuildEnvironment", node: addnodes.pending_xref, shown: nodes.Element
) -> nodes.Element | None:
    """Find what is documented under its public name where it is mentioned under the module that defines it."""
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    # What is no entry of its own (a field, told of in its class's docstring) leads to the class.
    kinds = ("class", "exception", "function", "data")
    own = [full for full, entry in domain.objects.items() if entry.objtype in kinds and not entry.aliased]
    for last in reversed(node["reftarget"].removeprefix("pcn_lib").split(".")[1:]):
        public = [full for full in own if full.split(".")[-1] == last]
        if len(public) == 1 and node["reftarget"].startswith("pcn_lib"):
            entry = domain.objects[public[0]]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, [shown], public[0])
    return None

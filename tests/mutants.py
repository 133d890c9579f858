"""Mutation testing: Cosmic Ray changes one operator or number of a module, and a test must notice.

    make mutants MODULE=energy SAMPLE=30

The working tree is copied, so nothing is touched; each mutant is tried in a fork of a process that has imported what
takes long, with the files of :data:`LAWS` only. What is judged once is kept in .cache/mutants, until the module or its
tests change. ``tests/mutants.md`` lists the mutants that are no defects.
"""

import argparse
import ast
import difflib
import importlib
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

from cosmic_ray import plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from pytest import hookimpl, main

ROOT = Path(__file__).parents[1]
#: Which files of tests state the laws of a module, quick ones first.
LAWS = {
    "parameterisation": ["test_parameterisation", "test_gains"],
    "energy": ["test_energy", "study/test_curves", "test_laws"],
    "gradients": ["test_gradients", "test_input", "test_laws"],
    "rescaling": ["test_rescaling", "test_gap", "test_convolution"],
    "moreau": ["test_moreau"],
    "training": ["test_training"],
    "spectrum": ["studies/test_figure_4a", "test_spectrum"],
    "dmft": ["test_dmft"],
    "inference": ["inference"],
    "layers": ["test_layers", "test_network", "test_convolution", "test_vectors", "test_transformer", "test_wrapped"],
    "network": ["test_network", "test_input", "test_convolution", "test_transformer", "test_laws"],
    "study": ["study", "test_claims", "test_figures"],
    "book/fingerprint": ["book/test_fingerprint"],
}
#: How a figure looks, which its readers judge.
LOOKS = ("drawing.py", "picture.py", "plotted.py", "progress.py", "style.py")
#: Imported before the forks; nothing of the library, and nothing that starts JAX's threads.
SHARED = ("jax", "jax.numpy", "flax.nnx", "optax", "scipy.optimize", "scipy.stats", "xarray")
#: Operators that any call refuses or that mean the same, and what changes the speed alone.
SENSELESS = re.compile(
    r"_(BitOr|BitAnd|BitXor|LShift|RShift|Mod|FloorDiv|Pow|Invert|UAdd)$|BinaryOperator_Bit|RemoveDecorator"
    r"|(Eq|NotEq|Lt|LtE|Gt|GtE)_(Is|IsNot)$|_(Is|IsNot)_(Eq|NotEq|Lt|LtE|Gt|GtE)$"
)


def unseen(source: str) -> list[tuple[int, int]]:
    """Where nothing is computed: messages, annotations, decorators, and the module's constants, which are choices."""
    spans = []
    for node in ast.walk(ast.parse(source)):
        parts = [getattr(node, name, None) for name in ("annotation", "returns", "exc")]
        if isinstance(node, ast.Module):
            parts += [line for line in node.body if isinstance(line, ast.Assign) and not calls(line)]
        parts += getattr(node, "decorator_list", [])
        spans += [((p.lineno, p.col_offset), (p.end_lineno, p.end_col_offset)) for p in parts if p is not None]
    return spans


def calls(line: ast.Assign) -> bool:
    return any(isinstance(part, ast.Call | ast.Dict) for part in ast.walk(line.value))


def places_of(path: Path) -> list[tuple[Path, str, int]]:
    """(path, operator, occurrence) of every mutant of a module."""
    source = path.read_text()
    tree, hidden, made = get_ast(source), unseen(source), []
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if SENSELESS.search(name) or operator.arguments():
            continue
        places = [place for node in ast_nodes(tree) for place in operator().mutation_positions(node)]
        made += [
            (path, name, number)
            for number, (start, _) in enumerate(places)
            if not any(first <= start < last for first, last in hidden)
        ]
    return made


def readable(source: str) -> bool:
    try:
        return bool(compile(source, "mutant", "exec"))
    except SyntaxError:
        return False


def changed(source: str, mutant: str) -> tuple[str, str]:
    """The changed lines, before and after."""
    lines = list(difflib.unified_diff(source.splitlines(), mutant.splitlines(), n=0, lineterm=""))[3:]
    return tuple(" ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")


class QuickestFirst:
    """Runs the tests in the order of the time that they took when nothing was changed."""

    def __init__(self, place: Path):
        self.place = place
        self.took = json.loads(place.read_text()) if place.exists() else {}

    @hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list) -> None:
        items.sort(key=lambda item: self.took.get(item.nodeid, 0.0))

    @hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        start = time.process_time()
        found = yield
        self.took[item.nodeid] = time.process_time() - start
        return found

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == 0:
            self.place.write_text(json.dumps(self.took))


def passes(tests: list[str], took: Path, seconds: int = 3600) -> bool:
    """Whether every test passes, in a fork that may use so many seconds of the processor."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.path.insert(0, os.getcwd())
    os._exit(main(["-x", "-q", "-p", "no:cacheprovider", *tests], [QuickestFirst(took)]))


def judge(module: str, sample: int | None, seed: int, harmless: set, known: Path) -> None:
    """Print the survivors of a module and its score; what was killed once is not tried again."""
    place = Path("pcn_lib", module)
    paths = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    tests = [str(path) if (path := Path("tests", name)).is_dir() else f"{path}.py" for name in LAWS[module]]
    every = [place for path in paths if path.name not in LOOKS for place in places_of(path)]
    tried = every if sample is None else random.Random(seed).sample(every, min(sample, len(every)))
    killed = set((known / "killed").read_text().split()) if (known / "killed").exists() else set()
    texts = [path.read_bytes() for path in (*paths, *map(Path, tests)) if path.is_file()]
    took = known / f"{module.replace('/', '_')}-{sha256(b''.join(texts)).hexdigest()[:8]}.json"
    if not took.exists() and not passes(tests, took):
        sys.exit(f"{module}: {' '.join(tests)} fail as they are; a mutant says nothing before they pass")
    seconds = int(10 + 1.5 * sum(json.loads(took.read_text()).values()))
    alive = equivalent = 0
    for path, operator, number in tried:
        source = path.read_text()
        mutant = mutate_code(source, plugins.get_operator(operator)(), number)
        line, name = changed(source, mutant), sha256(mutant.encode()).hexdigest()
        if not readable(mutant) or line in harmless:
            equivalent += 1
        elif name not in killed:
            path.write_text(mutant)
            survived = passes(tests, took, seconds)
            path.write_text(source)
            if survived:
                alive += 1
                print(f"{path}: `{line[0]}` -> `{line[1]}`", flush=True)
            else:
                with (known / "killed").open("a") as file:
                    print(name, file=file)
    judged = len(tried) - equivalent
    print(
        f"{module}: {len(every)} mutants, {len(tried)} tried, {equivalent} equivalent, {judged - alive} of {judged} "
        f"killed, {100 * (1 - alive / max(judged, 1)):.0f} %",
        flush=True,
    )


def tell() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(LAWS), help=", ".join(LAWS))
    parser.add_argument("--sample", type=int, help="so many mutants of each module, drawn at random; all by default")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    harmless = set(re.findall(r"^- `(.+?)` -> `(.+?)`:", (ROOT / "tests/mutants.md").read_text(), re.M))
    tree = ROOT / ".cache/mutants/tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    os.chdir(tree)
    # What a mutant leaves as it was is compiled once.
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": str(tree.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    for module in SHARED:
        importlib.import_module(module)
    for module in given.modules:
        judge(module, given.sample, given.seed, harmless, tree.parent)


if __name__ == "__main__":
    tell()

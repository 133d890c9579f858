"""Settings of every test: double precision, strict promotion, checked shapes, GPU tests only where a GPU is."""

import os
from importlib import metadata
from importlib.util import find_spec

# Most of a test's time is compilation, a third of it optimisation that such small arrays do not repay, and half of the
# rest goes to a way of generating code that jaxlib 0.10 can do without; 0.12 knows no other and stops at the flag.
# It must be set before JAX wakes up; the book's own chapters are run without it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    + (" --xla_cpu_use_fusion_emitters=false" if metadata.version("jaxlib").startswith("0.10.") else ""),
)

import jax
import pytest
from jaxtyping import install_import_hook

# Set on the running process and not in the environment, which the chapters' kernels inherit.
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# A machine that only computes, where `pytest -m gpu` is run, may lack what renders the book.
RENDERS = all(find_spec(name) for name in ("docutils", "sphinx"))
collect_ignore = [] if RENDERS else ["book", "test_benchmarks.py"]

CHECKED = (
    "numerics",
    "gains",
    "scales",
    "parameterisation",
    "data",
    "provenance",
    "layers",
    "network",
    "energy",
    "inference",
    "rescaling",
    "moreau",
    "sharding",
    "saving",
    "gradients",
    "spectrum",
    "optimisers",
    "training",
    "dmft",
    "study",
    "verify",
)
# Every annotated shape is checked at run time; this must come before the first import of pcn_lib.
install_import_hook([f"pcn_lib.{module}" for module in CHECKED], "beartype.beartype")


def has_gpu() -> bool:
    try:
        return bool(jax.devices("gpu"))
    except RuntimeError:
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not has_gpu():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no GPU on this machine"))


def pytest_report_header() -> list[str]:
    why = "Sphinx is not installed here (`pip install -e '.[book]'`)"
    return [] if RENDERS else [f"left out: {', '.join(collect_ignore)}: {why}"]

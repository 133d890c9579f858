"""How a result came about: enough to make it again, or to see why it cannot be."""

import dataclasses
import html
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp

PACKAGE = Path(__file__).parent
#: How a date is written: in this form the earlier of two sorts first.
DATE = "%Y-%m-%d %H:%M UTC"
DISTRIBUTIONS = ("jax", "jaxlib", "flax", "optax", "numpy")


class ResultError(ValueError):
    """A record that cannot be written, or a file that does not hold the record asked for."""


@dataclass(frozen=True)
class Provenance:
    """Where numbers come from.

    Attributes:
        settings: each setting of the run by name, in words.
        seeds: every seed used.
        data_set: the data set really used, in words.
        dtype: the number type of the run, such as ``float64``.
        matmul_precision: JAX's precision of matrix products, ``default`` where none was chosen.
        device: the kind of device the numbers were computed on.
        versions: of Python, of the libraries and of pcn_lib, by name.
        commit: of the code, empty where it is neither in a git repository nor installed from one.
        dirty: the code differed from that commit.
        seconds: the computation's wall-clock time.
        date: when it ended, UTC.
    """

    settings: tuple[tuple[str, str], ...]
    seeds: tuple[int, ...]
    data_set: str
    dtype: str
    matmul_precision: str
    device: str
    versions: tuple[tuple[str, str], ...]
    commit: str
    dirty: bool
    seconds: float
    date: str

    @property
    def origin(self) -> str:
        """What tells one record from another: data, device, code and date."""
        return f"data: {self.data_set} · device: {self.device} · {self.made}"

    @property
    def made(self) -> str:
        """Code and date, for where data and device are said already."""
        return f"{self._code} · {self.date}"

    @property
    def _code(self) -> str:
        changes = " with changes" if self.dirty else ""
        return f"commit {self.commit[:10]}{changes}" if self.commit else "no commit known"

    def __str__(self) -> str:
        parts = (
            f"data: {self.data_set}",
            f"seeds: {', '.join(map(str, self.seeds)) or 'none'}",
            f"{self.dtype}, matrix products {self.matmul_precision}",
            f"device: {self.device}",
            f"{self.seconds:.1f} s on {self.date}",
            self._code,
            ", ".join(f"{name} {version}" for name, version in self.versions),
        )
        return " · ".join(parts)

    def as_json(self) -> str:
        """As one line of text, for an attribute of a record; :meth:`from_json` reads it."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Provenance":
        """What :meth:`as_json` wrote.

        Raises:
            ValueError: other fields, or no JSON: written by another version.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(content := json.loads(text), dict) or set(content) != names:
            raise ValueError(f"{text[:60]!r} given; a provenance with {', '.join(sorted(names))} is needed: run again")
        pairs = {name: tuple(map(tuple, content[name])) for name in ("settings", "versions")}
        return cls(**content | pairs | {"seeds": tuple(content["seeds"])})

    def _repr_html_(self) -> str:
        return f'<p class="pcn-provenance" style="font-size:0.8em;opacity:0.8">{html.escape(str(self))}</p>'


def device() -> str:
    """The kind of device computations run on here: ``CPU``, or the accelerator's own name."""
    first = jax.devices()[0]
    return "CPU" if first.platform == "cpu" else first.device_kind


def default_dtype() -> str:
    """The number type of a fresh floating-point array in this run."""
    return jnp.zeros(()).dtype.name


def provenance(
    settings: Any,
    *,
    seconds: SupportsFloat,
    data_set: str = "none",
    seeds: Sequence[int] = (),
    dtype: str | None = None,
) -> Provenance:
    """Collects the provenance of a result just computed in this process.

    Args:
        settings: the frozen dataclass the run was made from, or a mapping from names to settings.
        seconds: what the computation took.
        data_set: the data set really used, in words (``dataset.note``).
        seeds: every seed used; by default the field ``seed`` or ``seeds`` of the settings.
        dtype: number type of the computation; by default that of a fresh array.
    """
    commit, dirty = _commit()
    return Provenance(
        settings=tuple((name, _word(value)) for name, value in _settings(settings).items()),
        seeds=tuple(seeds) or _seeds(settings),
        data_set=data_set,
        dtype=dtype or default_dtype(),
        matmul_precision=str(jax.config.jax_default_matmul_precision or "default"),  # type: ignore[attr-defined]
        device=device(),
        versions=versions(),
        commit=commit,
        dirty=dirty,
        seconds=float(seconds),
        date=datetime.now(UTC).strftime(DATE),
    )


def provenance_of(record: Any) -> Provenance:
    """How a record came about: its attribute ``provenance``, as :func:`pcn_lib.study.grid` notes it.

    Raises:
        ResultError: a record that says nothing of it.
    """
    found = getattr(record, "provenance", None)
    if found is None and hasattr(record, "subtree"):
        # Of several tables, the first that says it; they come from one run of a chapter.
        found = next((node.attrs["provenance"] for node in record.subtree if "provenance" in node.attrs), None)
    if isinstance(found, Provenance):
        return found
    if not isinstance(found, str):
        raise ResultError(
            f"a {type(record).__name__} without provenance given; grid(...) notes it as an attribute: keep attributes"
        )
    return Provenance.from_json(found)


def _settings(settings: Any) -> Mapping[str, Any]:
    if isinstance(settings, Mapping):
        return settings
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(
            f"settings of type {type(settings).__name__} given; a frozen dataclass or a mapping is needed: "
            "pass the run's settings"
        )
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


def _word(value: Any) -> str:
    """A setting in words; a function is known by its name."""
    return getattr(value, "__name__", None) or str(value)


def _seeds(settings: Any) -> tuple[int, ...]:
    if hasattr(settings, "seeds"):
        given = settings.seeds
        return tuple(given) if isinstance(given, Sequence) else tuple(range(given))
    return (settings.seed,) if hasattr(settings, "seed") else ()


def versions() -> tuple[tuple[str, str], ...]:
    """Of Python, of the libraries that numbers come from, and of pcn_lib."""
    from pcn_lib import __version__

    libraries = tuple((name, metadata.version(name)) for name in DISTRIBUTIONS)
    return (("python", platform.python_version()), *libraries, ("pcn_lib", __version__))


def _commit() -> tuple[str, bool]:
    """Commit and whether the code differs from it; outside a repository that holds this code, what pip noted."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        # An installed copy may lie in somebody else's repository, which does not track it.
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return _installed_commit(), False


def _installed_commit() -> str:
    """The commit from which pip installed this code (PEP 610); empty where it was not from one."""
    try:
        distribution = metadata.distribution("pcn-lib")
    except metadata.PackageNotFoundError:
        return ""
    if Path(str(distribution.locate_file(PACKAGE.name))).resolve() != PACKAGE.resolve():
        return ""  # another copy is installed than the one that runs
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", ""))

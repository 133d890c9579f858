"""``python -m benchmarks.peers --jpc PYTHON --pcx PYTHON --weights PYTHON``: record what the book's page shows.

Each PYTHON is that of an environment in which the library is installed; for ``--weights``, this one, Equinox and
PyTorch together. What is not given is left as it was recorded.
"""

import argparse
import csv
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.peers.ours import Setting, asked, closed_form, predictive_coding
from pcn_lib.numerics import use_float64

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "results" / "peers"
SCRIPTS = {name: Path(__file__).parent / f"in_{name}.py" for name in ("jpc", "pcx")}
#: What the names of the numbers stand for.
WORDS = {
    "loss": "loss of the feedforward pass",
    "energy": "energy where the descent of the activities ended",
    "equilibrated_energy": "equilibrated energy of the linear network",
    "rescaling": "rescaling of the linear network, its norm",
}


def rows(here: Mapping[str, np.ndarray], there: Mapping[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Each number of another library beside this one's, arrays by their norms, and how far apart they are."""
    made = []
    for name, theirs in there.items():
        ours = np.asarray(here[name])
        words = WORDS.get(name) or f"gradient of the weights of layer {int(name.split('_')[1]) + 1}, its norm"
        apart = np.linalg.norm(theirs - ours) / np.linalg.norm(theirs)
        norms = [f"{np.linalg.norm(number):.15g}" for number in (ours, theirs)]
        made.append((words, *norms, f"{apart:.0e}" if apart else "0"))
    return made


def measure(python: str, script: Path, setting: Setting) -> tuple[dict[str, np.ndarray], str]:
    """The numbers of another library, by name, and its versions."""
    with tempfile.TemporaryDirectory() as folder:
        given, answers = (Path(folder) / f"{name}.npz" for name in ("problem", "answers"))
        np.savez(given, **asked(setting))
        subprocess.run([python, str(script), str(given), str(answers)], check=True)
        found = dict(np.load(answers))
    return found, str(found.pop("versions"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    for name in (*SCRIPTS, "weights"):
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"Python of the environment that has {name}")
    options = vars(parser.parse_args())
    use_float64()
    RECORDED.mkdir(exist_ok=True)
    here = predictive_coding(Setting()) | closed_form(Setting())
    for name, script in SCRIPTS.items():
        if options[name]:
            there, versions = measure(options[name], script, Setting())
            ours = ", ".join(f"{part} {version(part)}" for part in ("jax", "flax"))
            with open(RECORDED / f"{name}.csv", "w", newline="") as file:
                table = csv.writer(file)
                table.writerow(["", "this library", name, "relative difference"])
                table.writerows([*rows(here, there), ("versions", ours, versions, "")])
    if options["weights"]:
        command = [options["weights"], "-m", "benchmarks.peers.weights", str(RECORDED / "weights.csv")]
        subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()

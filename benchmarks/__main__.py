"""``python -m benchmarks``: measure, print the table, record it for the book."""

import argparse
import sys
from pathlib import Path

from benchmarks.suite import GROUPS, Settings, run
from pcn_lib.book.benchmarks import RECORDED, methods, table
from pcn_lib.numerics import use_float64
from pcn_lib.study import provenance_of, save

ROOT = Path(__file__).parents[1]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory, as ratios of one run.")
    known = ", ".join(GROUPS)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"only these, and record nothing: {known}")
    parser.add_argument("--full", action="store_true", help="time the script's protocol with all its steps")
    parser.add_argument("--rounds", type=int, default=Settings.rounds, help="turns of each side (default: %(default)s)")
    parser.add_argument("--jpc", metavar="PYTHON", help="of an environment with the authors' library, for `authors`")
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"{', '.join(sorted(unknown))} given; known are {known}: choose from these")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} given; a median needs at least 1: choose more")
    if options.groups == ["authors"] and not options.jpc:
        parser.error("authors given; that needs --jpc, the Python of an environment with their library")
    use_float64()
    settings = Settings(rounds=options.rounds, full=options.full, jpc=options.jpc)
    record = run(settings, options.groups or GROUPS, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(record), methods(record), sep="\n\n")
    print(provenance_of(record))
    if not options.groups:
        print(f"Recorded as {save(record, ROOT / RECORDED)}.")


if __name__ == "__main__":
    main(sys.argv[1:])

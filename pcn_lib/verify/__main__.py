"""``python -m pcn_lib.verify [--device gpu|cpu] [--json FILE]``: needs none of the book's packages."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pcn_lib.files import no_place, try_place
from pcn_lib.numerics import use_float64
from pcn_lib.verify import DeviceMissing, place, verify, write

HOLDS, FAILS, MISSING = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify on a device: 0 if every claim came out as expected, 1 if not, 2 where the device is missing."""
    parser = argparse.ArgumentParser(prog="python -m pcn_lib.verify", description=__doc__.splitlines()[0])
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, which `pcn verify` has too."""
    parser.add_argument("--device", choices=("cpu", "gpu"), help="where to compute (default: JAX's choice)")
    parser.add_argument("--json", metavar="FILE", help="write the certificate into this file")


def run(options: argparse.Namespace) -> int:
    """Carry out the parsed command."""
    use_float64()
    try:
        where = place(options.device)
    except DeviceMissing as missing:
        print(missing, file=sys.stderr)
        return MISSING
    try:
        if options.json:
            try_place(Path(options.json).parent)
    except OSError as error:
        print(no_place(error) or error, file=sys.stderr)
        return MISSING
    certificate = verify(where, tell=lambda sentence: print(sentence, flush=True))
    print(f"\n{certificate}")
    if options.json:
        print(f"Written to {write(certificate, options.json)}.")
    return HOLDS if certificate.holds else FAILS


if __name__ == "__main__":
    sys.exit(main())

"""Which device JAX would use, asked in a process of its own so that this one never holds the GPU's memory."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from pcn_lib.book.project import BookError, UsageError

PROBE = """
import json, jax
try:
    devices = jax.devices({backend!r})
except RuntimeError as error:
    print(json.dumps(dict(error=str(error))))
else:
    print(json.dumps(dict(platform=devices[0].platform, kind=devices[0].device_kind, count=len(devices))))
"""


@dataclass(frozen=True)
class Device:
    """The device that chapters compute on: JAX's platform, the maker's name for it, and how many there are."""

    platform: str
    kind: str
    count: int

    def __str__(self) -> str:
        name = self.kind if self.kind == self.platform else f"{self.platform} ({self.kind})"
        return name if self.count == 1 else f"{self.count} x {name}"


def probe(wanted: str) -> Device:
    """The device for `auto`, `cpu` or `gpu`.

    Raises:
        UsageError: a GPU was asked for and JAX sees none.
    """
    # With JAX_PLATFORMS=cuda and no plugin JAX dies of a bare assertion, with cuda,cpu it falls back unsaid.
    source = PROBE.format(backend=None if wanted == "auto" else wanted)
    environment = os.environ | settings(wanted)
    process = subprocess.run([sys.executable, "-P", "-c", source], capture_output=True, text=True, env=environment)
    lines = process.stdout.strip().splitlines()
    answer = json.loads(lines[-1]) if lines else {"error": (process.stderr.strip().splitlines() or ["no message"])[-1]}
    if "error" in answer and wanted != "gpu":
        raise BookError(f"JAX does not start here ({answer['error']}): look at JAX_PLATFORMS and at the installed jax.")
    if "error" in answer:
        raise UsageError(
            "A GPU was asked for and JAX sees none on this machine: install JAX's plugin for it, "
            "for NVIDIA `pip install 'jax[cuda12]'`, or leave --device out."
        )
    return Device(**answer)


def settings(wanted: str) -> dict[str, str]:
    """The environment under which a chapter's kernel uses the wanted device."""
    return {"auto": {}, "cpu": {"JAX_PLATFORMS": "cpu"}, "gpu": {"JAX_PLATFORMS": ""}}[wanted]

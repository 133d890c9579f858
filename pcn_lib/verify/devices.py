"""The device that is asked to prove itself."""

import os
from dataclasses import dataclass

import jax

#: Platforms whose rounding is known.
KNOWN = ("cpu", "gpu")


class DeviceMissing(RuntimeError):
    """A device was asked for that JAX does not see."""


@dataclass(frozen=True)
class Place:
    """Where to compute.

    Attributes:
        platform: JAX's name of it: ``cpu`` or ``gpu``.
        kind: the maker's name of the device, such as ``NVIDIA H100 80GB HBM3``; ``CPU`` for a CPU.
        devices: all of this kind, the first of which computes.
    """

    platform: str
    kind: str
    devices: tuple[jax.Device, ...]


def place(platform: str | None = None) -> Place:
    """The devices of a platform; JAX's default one unless told.

    Raises:
        DeviceMissing: JAX sees none.
    """
    try:
        devices = tuple(jax.devices(platform))
    except (RuntimeError, AssertionError) as error:
        # With JAX_PLATFORMS=cuda and no plugin, JAX fails with a bare assertion.
        if platform != "gpu":
            raise DeviceMissing(
                f"A {(platform or 'device').upper()} was asked for and JAX does not start one here "
                f"({str(error).splitlines()[0] if str(error) else 'no message'}): look at JAX_PLATFORMS."
            ) from error
        limited = os.environ.get("JAX_PLATFORMS")
        advice = f"unset JAX_PLATFORMS, which is '{limited}', or " if limited else ""
        raise DeviceMissing(
            f"A GPU was asked for and JAX sees none on this machine: {advice}install JAX's plugin for it, "
            "for NVIDIA `pip install 'jax[cuda12]'`, or ask for --device cpu."
        ) from error
    first = devices[0]
    if first.platform not in KNOWN:
        raise DeviceMissing(
            f"JAX computes on a {first.platform} here, whose rounding pcn_lib.numerics.TOLERANCES does not know: "
            "ask for --device cpu or gpu, or add a row for it there."
        )
    return Place(first.platform, "CPU" if first.platform == "cpu" else first.device_kind, devices)

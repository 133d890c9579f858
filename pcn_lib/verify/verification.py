"""Measure everything on a device and certify it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax

from pcn_lib.provenance import provenance
from pcn_lib.study import Report
from pcn_lib.verify.certificate import Certificate
from pcn_lib.verify.devices import Place
from pcn_lib.verify.measurement import Settings, measure
from pcn_lib.verify.precision import PRECISIONS, Precision
from pcn_lib.verify.statements import claims


def verify(
    place: Place,
    settings: Settings | None = None,
    precisions: Sequence[Precision] = PRECISIONS,
    tell: Callable[[str], None] = lambda _: None,
) -> Certificate:
    """Measure every statement in every precision on a device.

    Call ``pcn_lib.numerics.use_float64()`` first where float64 is among the precisions.

    Args:
        place: the device, from :func:`pcn_lib.verify.place`.
        settings: sizes of the networks; None for the ones of a certificate.
        precisions: number types and precisions of matrix products.
        tell: hears a sentence before each precision, which takes a while.
    """
    settings, start = settings or Settings(), time.perf_counter()
    reports, sharing = [], 1
    for precision in precisions:
        tell(f"Measuring on {place.kind} in {precision} ...")
        measured = measure(settings, precision, place.devices)
        sharing = measured.devices
        reports.append(Report(claims(measured), place.kind, str(precision)))
    with jax.default_device(place.devices[0]):
        origin = provenance(settings, seconds=time.perf_counter() - start, data_set="toy task")
    types = ", ".join(dict.fromkeys(precision.dtype for precision in precisions))
    products = ", ".join(dict.fromkeys(precision.products for precision in precisions))
    origin = replace(origin, device=place.kind, dtype=types, matmul_precision=products)
    return Certificate(place.platform, sharing, origin, tuple(reports))

"""The proof on any device: the equivalence of predictive coding and backpropagation, measured where it will be used.

``python -m pcn_lib.verify --device gpu --json FILE`` measures every statement in float32, at the default and at the
highest precision of matrix products, and in float64, and writes a certificate.
"""

from pcn_lib.verify.certificate import Certificate, CertificateError, newest, read, write
from pcn_lib.verify.devices import DeviceMissing, Place, place
from pcn_lib.verify.measurement import Measurement, Settings, measure
from pcn_lib.verify.precision import PRECISIONS, Precision
from pcn_lib.verify.statements import claims
from pcn_lib.verify.verification import verify

__all__ = [
    "PRECISIONS",
    "Certificate",
    "CertificateError",
    "DeviceMissing",
    "Measurement",
    "Place",
    "Precision",
    "Settings",
    "claims",
    "measure",
    "newest",
    "place",
    "read",
    "verify",
    "write",
]

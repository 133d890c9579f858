"""A certificate: what was stated, measured and found on one device, as a file.

Committed ones lie in ``results/certificates/`` and are shown on the book's report page.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from pcn_lib.files import write_atomically
from pcn_lib.provenance import Provenance
from pcn_lib.study import Claim, Relation, Report

#: Of the file's form; a reader of another one refuses it.
FORM = 1
FOLDER = Path("results") / "certificates"


class CertificateError(ValueError):
    """A file that is not a certificate."""


@dataclass(frozen=True)
class Certificate:
    """The statements in each precision, and where and when they were measured.

    Attributes:
        platform: ``cpu`` or ``gpu``.
        devices: how many shared a batch in what was measured on several.
        provenance: device kind, versions, commit, date, sizes.
        reports: one for each precision, in words in its ``dtype``.
    """

    platform: str
    devices: int
    provenance: Provenance
    reports: tuple[Report, ...]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every claim of every precision."""
        return tuple(claim for report in self.reports for claim in report.claims)

    @property
    def as_expected(self) -> int:
        """How many claims came out as theory says."""
        return sum(claim.as_expected for claim in self.claims)

    @property
    def holds(self) -> bool:
        """Whether all of them did."""
        return self.as_expected == len(self.claims)

    @property
    def device(self) -> str:
        """The device in words, its number included."""
        kind = self.provenance.device
        return kind if self.devices == 1 else f"{self.devices} x {kind}"

    @property
    def summary(self) -> str:
        """The verdict in a line."""
        return (
            f"{self.device}: {self.as_expected} of {len(self.claims)} claims as expected · {self.provenance.date} · "
            f"jax {dict(self.provenance.versions)['jax']}"
        )

    def __str__(self) -> str:
        return "\n\n".join([*(f"{report.dtype}\n{report}" for report in self.reports), self.summary])


def write(certificate: Certificate, path: str | PathLike) -> Path:
    """Put a certificate into a JSON file, whole or not at all."""
    reports = [{"precision": report.dtype, "claims": report.as_json()} for report in certificate.reports]
    content = {
        "certificate": FORM,
        "platform": certificate.platform,
        "devices": certificate.devices,
        "verdict": "holds" if certificate.holds else "fails",
        "provenance": dataclasses.asdict(certificate.provenance),
        "reports": reports,
    }
    return write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read(path: str | PathLike) -> Certificate:
    """The certificate that :func:`write` put into a file.

    Raises:
        CertificateError: no such file, or another kind of file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["certificate"] != FORM:
            raise ValueError(f"form {content['certificate']}, and this version reads {FORM}")
        provenance = _provenance(content["provenance"])
        reports = tuple(
            Report(tuple(map(_claim, report["claims"])), provenance.device, report["precision"])
            for report in content["reports"]
        )
        return Certificate(content["platform"], content["devices"], provenance, reports)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = error if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {error}"
        raise CertificateError(
            f"{path} is not a certificate ({reason}): write one with `pcn verify --json {path}`."
        ) from error


def newest(folder: str | PathLike) -> tuple[Certificate, ...]:
    """The newest certificate of each device among the files of a folder, by device.

    Raises:
        CertificateError: a .json file there that is no certificate.
    """
    found: dict[str, Certificate] = {}
    for certificate in map(read, sorted(Path(folder).glob("*.json"))):
        earlier = found.get(certificate.device)
        if earlier is None or earlier.provenance.date <= certificate.provenance.date:
            found[certificate.device] = certificate
    return tuple(found[device] for device in sorted(found))


def _provenance(fields: dict) -> Provenance:
    pairs = {name: tuple(map(tuple, fields[name])) for name in ("settings", "versions")}
    return Provenance(**fields | pairs | {"seeds": tuple(fields["seeds"])})


def _claim(entry: dict) -> Claim:
    fields: Sequence[str] = [field.name for field in dataclasses.fields(Claim)]
    return Claim(**{name: entry[name] for name in fields} | {"relation": Relation(entry["relation"])})

"""The committed certificates: on which devices the book's claims have been verified, and on which not."""

from pathlib import Path

from pcn_lib.book.project import BookError, Project
from pcn_lib.verify.certificate import FOLDER, Certificate, CertificateError, newest

#: Kinds of device that a reader asks about, certified or not.
PLATFORMS = {"cpu": "CPU", "gpu": "GPU"}


def folder(project: Project) -> Path:
    return project.root / FOLDER


def committed(project: Project) -> tuple[Certificate, ...]:
    """The newest certificate of each device.

    Raises:
        BookError: a file there is no certificate.
    """
    try:
        return newest(folder(project))
    except CertificateError as error:
        raise BookError(str(error)) from error


def missing(certificates: tuple[Certificate, ...]) -> tuple[str, ...]:
    """A sentence for each platform on which nothing has been certified."""
    here = {certificate.platform for certificate in certificates}
    return tuple(
        f"No certificate of a {name} exists: these claims have not been verified on one. "
        f"`pcn verify --device {platform} --json {FOLDER}/{platform}.json` writes one."
        for platform, name in PLATFORMS.items()
        if platform not in here
    )


def lines(certificates: tuple[Certificate, ...]) -> list[str]:
    """A line for each device, and for each platform without one; for the terminal."""
    return [*(f"certificate  {certificate.summary}" for certificate in certificates), *missing(certificates)]


def rows(certificates: tuple[Certificate, ...]) -> list[tuple[str, ...]]:
    """Device, precision, verdict, versions and date: a row for each precision of each certificate."""
    found = []
    for certificate in certificates:
        origin = certificate.provenance
        versions = dict(origin.versions)
        made_by = f"jax {versions.get('jax', '?')}, commit {origin.commit[:10] or 'unknown'}"
        for report in certificate.reports:
            wrong = [claim.name for claim in report.claims if not claim.as_expected]
            verdict = f"{len(report.claims) - len(wrong)} of {len(report.claims)} claims as expected"
            named = f"; not so: {', '.join(wrong)}" if wrong else ""
            found.append((certificate.device, report.dtype, verdict + named, made_by, origin.date))
    return found

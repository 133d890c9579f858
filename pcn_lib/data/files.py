"""Finding one file of a data set, and refusing it where its content is not what it should be."""

import gzip
import os
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

from pcn_lib.data.dataset import sha256
from pcn_lib.files import write_atomically

#: Where Debian's dataset-* packages put their files.
DEBIAN = Path("/usr/share/datasets")
#: Seconds without a byte before a download is given up.
PATIENCE = 20


class DataMissing(RuntimeError):
    """A data set is not on this machine and could not be fetched."""


class DataCorrupted(ValueError):
    """A file of a data set is not what it should be: truncated, changed, or another file."""


@dataclass(frozen=True)
class Resource:
    """One file of a data set.

    Attributes:
        path: below a data folder.
        url: where it can be fetched.
        sha256: of its content.
        gzipped: the hash and the content are those of the uncompressed file, since gzip headers differ between copies.
    """

    path: str
    url: str
    sha256: str
    gzipped: bool = False


@dataclass(frozen=True)
class Found:
    """A file's content, checked, and where it was found, in words."""

    content: bytes
    source: str


def data_folder() -> Path | None:
    """The user's own data folder, $PCN_DATA, where set."""
    folder = os.environ.get("PCN_DATA")
    return Path(folder).expanduser() if folder else None


def cache_folder() -> Path:
    """Where downloads are kept: $PCN_CACHE, by default ~/.cache/pcn."""
    return Path(os.environ.get("PCN_CACHE") or Path.home() / ".cache" / "pcn").expanduser()


def places() -> tuple[tuple[str, Path], ...]:
    """The folders that are searched, in order, each with its name in words."""
    own = data_folder()
    return (*((("own folder", own),) if own else ()), ("Debian package", DEBIAN), ("cache", cache_folder()))


def locate(path: str) -> tuple[str, Path] | None:
    """The first place that has the file, in words and as a path; its content is not looked at."""
    present = ((words, folder / path) for words, folder in places())
    return next(((words, file) for words, file in present if file.is_file()), None)


def find(resource: Resource) -> Found:
    """The file from the first place that has it, or downloaded into the cache.

    A file that is there but damaged is an error, not a reason to look further.

    Raises:
        DataMissing: nowhere on this machine, and offline or not to be downloaded.
        DataCorrupted: found, with another content than it should have.
    """
    if place := locate(resource.path):
        words, file = place
        return Found(checked(file.read_bytes(), resource, str(file)), words)
    return Found(checked(download(resource), resource, resource.url, keep=True), "downloaded")


def checked(stored: bytes, resource: Resource, name: str, keep: bool = False) -> bytes:
    """The content, uncompressed, if its hash is right; ``keep`` puts what was downloaded into the cache.

    Raises:
        DataCorrupted: it cannot be uncompressed, or its hash differs.
    """
    try:
        content = gzip.decompress(stored) if resource.gzipped else stored
    except (OSError, EOFError, zlib.error) as error:
        raise DataCorrupted(
            f"{name} ({len(stored)} bytes) cannot be uncompressed ({error}); a whole gzip file is needed: "
            "delete it, then run `pcn data fetch`"
        ) from error
    if sha256(content) != resource.sha256:
        raise DataCorrupted(
            f"{name} holds {len(content)} bytes with sha256 {sha256(content)}; {resource.sha256} is expected: "
            "delete it, then run `pcn data fetch`"
        )
    if keep:
        write_atomically(cache_folder() / resource.path, stored)
    return content


def download(resource: Resource) -> bytes:
    """The file as its address gives it.

    Raises:
        DataMissing: offline by choice, or the address did not answer.
    """
    searched = ", ".join(str(folder) for _, folder in places())
    if os.environ.get("PCN_OFFLINE") == "1":
        reason = "PCN_OFFLINE=1 forbids downloading it"
    else:
        try:
            with urllib.request.urlopen(resource.url, timeout=PATIENCE) as answer:
                return answer.read()
        except (OSError, urllib.error.URLError) as error:
            reason = f"{resource.url} could not be downloaded ({error})"
    raise DataMissing(
        f"{resource.path} is not in {searched}, and {reason}; the file is needed: "
        "put it into a folder named by PCN_DATA, or allow and repeat the download"
    )

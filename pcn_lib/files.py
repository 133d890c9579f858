"""Writing a file whole or not at all."""

import errno
import glob
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

#: Why a file cannot be written that no program can mend.
NO_PLACE = tuple(
    getattr(errno, name) for name in "ENOSPC EDQUOT EFBIG EROFS EACCES EPERM ENOTDIR EISDIR EEXIST".split()
)

#: Seconds after which the file of a writer that never finished is one of a process that is no more.
ABANDONED = 3600


def try_place(folder: str | os.PathLike) -> None:
    """Write into a folder, or into the one where it will be made: before a computation whose result is to go there.

    Raises:
        OSError: a file cannot be written there.
    """
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    with tempfile.NamedTemporaryFile(dir=place, prefix=".") as file:
        file.write(b"0" * 4096)


def no_place(error: OSError) -> str | None:
    """The sentence for a file that cannot be written; None for any other error."""
    if error.errno not in NO_PLACE:
        return None
    return (
        f"{error.filename or 'A file'} cannot be written ({error.strerror}): make room, or make its folder one that "
        "can be written to."
    )


def write_atomically(path: str | os.PathLike, content: bytes) -> Path:
    """Put ``content`` at ``path``: a reader sees the old file or the new one, never half of one.

    Missing folders are made.  An interruption leaves what was there before; what a killed writer left beside it goes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; these are for everyone the folder is for.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path

"""Writing a file whole or not at all."""

import errno
import os
import tempfile
from pathlib import Path

#: Why a file cannot be written that no program can mend.
NO_PLACE = tuple(
    getattr(errno, name) for name in "ENOSPC EDQUOT EFBIG EROFS EACCES EPERM ENOTDIR EISDIR EEXIST".split()
)


def try_place(folder: str | os.PathLike) -> None:
    """Write into a folder, or into the one where it will be made: before a computation whose result is to go there.

    Raises:
        OSError: a file cannot be written there.
    """
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".") as file:
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

    Missing folders are made.  An interruption leaves what was there before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
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

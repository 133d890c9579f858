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
from typing import Any

from pcn_lib.book import fingerprint
from pcn_lib.book.children import end_with_parent
from pcn_lib.book.project import BookError, UsageError

#: Seconds to wait for a scheduler to answer.
PATIENCE = 20
START = "start one with `dask worker`, the scheduler's address, `--nworkers 1 --nthreads 1`"


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """So many worker processes, ended with whatever they are doing where the block ends in an exception."""
    # Workers hear neither Ctrl-C nor the end of a terminal: this process does, and then ends them itself.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _obey_the_parent_alone)
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
        _wait_for_workers(client, address)
        _check_versions(client.run(fingerprint.versions))
        executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)
            raise
    finally:
        client.close()


def _wait_for_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as none:
        raise BookError(f"The Dask scheduler at {address} has no workers: {START}, then run again.") from none


def deserted(executor: Executor) -> bool:
    """Whether it is a cluster whose workers have all gone."""
    client = getattr(executor, "_client", None)
    return client is not None and not client.scheduler_info()["workers"]


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
            "with `pip install --editable '.[cluster]'` in the book's folder, here and on every worker."
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


def _obey_the_parent_alone() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()

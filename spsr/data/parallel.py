"""Independent work on many images in a few processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item")

_WORTH_A_POOL = 8


def workers() -> int:
    """Processes to use: the CPUs that this job may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def for_each(work: Callable[[Item], object], items: Sequence[Item], processes: int | None = None) -> Iterator[int]:
    """Call `work(item)` for every item and yield how many are done; the first error ends everything.

    Few items, or one process, are worked through here; a pool's start costs more than they do.
    """
    processes = min(processes or workers(), len(items))
    if processes <= 1 or len(items) < _WORTH_A_POOL:
        for done, item in enumerate(items, start=1):
            work(item)
            yield done
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                yield done
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Let this worker end when its parent does, however that ends; interrupts are for the parent to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)

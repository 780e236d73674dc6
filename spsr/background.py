"""Work that may never come to an end, so that nobody has to wait for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def begun(work: Callable[[], Result]) -> Future[Result]:
    """Begin `work` in a thread that ends with the process at the latest."""
    result: Future[Result] = Future()

    def carry_out() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=carry_out, daemon=True).start()
    return result

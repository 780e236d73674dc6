"""The first contact with an MLflow store: quick, or one line that says why not."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

from spsr.background import begun
from spsr.errors import InputError, RunFailed

Answer = TypeVar("Answer")

ANSWER_WITHIN = 15.0
"""Seconds; MLflow itself tries for minutes, in silence."""


def check_address(uri: str) -> None:
    """`InputError` for what cannot be the address of a store."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - a port that is none raises here
    except ValueError as error:
        raise InputError(f"MLFLOW_TRACKING_URI={uri}: no address ({error}); write http://HOST:PORT") from error
    if not uri.isprintable() or not parts.scheme or (parts.scheme in ("http", "https") and not parts.hostname):
        raise InputError(f"MLFLOW_TRACKING_URI={uri}: no address; write http://HOST:PORT, or unset it")


def first_contact(uri: str, ask: Callable[[], Answer], remedy: str) -> Answer:
    """What the store answers to `ask`.

    Raises:
        RunFailed: it fails, or has not answered after `ANSWER_WITHIN`; with the `remedy`.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    asking = begun(ask)
    if not wait([asking], ANSWER_WITHIN).done:
        raise RunFailed(f"{uri}: no answer within {ANSWER_WITHIN:.0f} s; {remedy}")
    try:
        return asking.result()
    except InputError:
        raise
    except BaseException as error:
        raise RunFailed(f"{uri}: {_first_line(error)}; {remedy}") from error


@contextmanager
def told(uri: str, remedy: str) -> Iterator[None]:
    """What MLflow raises in this block as one line (`RunFailed`); errors of ours pass."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3")):
            raise
        raise RunFailed(f"{uri}: {_first_line(error)}; {remedy}") from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:300]

"""A metric of one's own, from a file that the configuration names."""

import inspect
import math
import numbers

import numpy as np
from numpy.typing import NDArray

from spsr import plugins
from spsr.errors import InputError
from spsr.metrics.metric import Metric


class CustomMetric:
    """A function `f(sr, hr) -> float` of two whole uint8 H×W×3 RGB images, named by `FILE.py:f` or `MODULE:f`.

    It may run in several threads at once.

    Raises:
        InputError: the reference leads to nothing, or to no function.
    """

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._function = plugins.named(reference)
        if not callable(self._function):
            raise InputError(f"'{reference}': is no function; name one that takes two images and returns a number")

    def record(self) -> Metric:
        """What is known of it: the function's name and docstring, and its attributes `digits`, `lower_is_better`."""
        function = self._function
        return Metric(
            self._reference,
            getattr(function, "__name__", self._reference),
            " ".join((inspect.getdoc(function) or "no description").split("\n\n")[0].split()),
            digits=int(getattr(function, "digits", 4)),
            tolerance=0,
            lower_is_better=bool(getattr(function, "lower_is_better", False)),
            function=self,
        )

    def __call__(self, sr: NDArray[np.uint8], hr: NDArray[np.uint8]) -> float:
        """Call the function; `InputError` if it returns no number or nan, `OwnCodeFailed` if it fails."""
        with plugins.running(self._reference):
            value = self._function(sr, hr)
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
            raise InputError(f"'{self._reference}': returned {type(value).__name__}{shape}; return one number")
        if math.isnan(value):
            raise InputError(f"'{self._reference}': returned nan, which would count as not measured; return a number")
        return float(value)

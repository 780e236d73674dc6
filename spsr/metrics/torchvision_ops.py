"""Imports torchvision beside a build of torch that its compiled part was not made for, and without torch's compiler.

On import torchvision registers shape rules for its own operators (such as `nms`). When the compiled extension that
declares those operators cannot be loaded, that registration fails, although the plain network definitions that LPIPS
needs would work. Declaring the operators, without any implementation, is enough.

`torchvision.ops.roi_align` imports torch._dynamo for one question, which takes ten times as long as all else. A
stand-in answers it.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_DECLARATIONS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def import_torchvision() -> Any:
    """The package torchvision; call this before anything that imports it."""
    found = importlib.util.find_spec("torchvision")
    if found is not None and found.origin is not None and not _extension_loads(Path(found.origin).parent):
        for declaration in _DECLARATIONS:
            _library().define(declaration)
    with _stand_in_for_the_compiler():
        return importlib.import_module("torchvision")


@cache
def _library() -> torch.library.Library:
    """Where the declarations live, as long as it does."""
    return torch.library.Library("torchvision", "FRAGMENT")


def _extension_loads(package: Path) -> bool:
    for suffix in EXTENSION_SUFFIXES:
        extension = package / f"_C{suffix}"
        if extension.is_file():
            try:
                torch.ops.load_library(str(extension))
            except OSError:
                return False
            return True
    return False


@contextmanager
def _stand_in_for_the_compiler() -> Iterator[None]:
    if "torch._dynamo" in sys.modules:
        yield
        return
    utils = ModuleType("torch._dynamo.utils")
    vars(utils)["is_compile_supported"] = lambda device: False
    stand_ins = {"torch._dynamo": ModuleType("torch._dynamo"), "torch._dynamo.utils": utils}
    sys.modules |= stand_ins
    try:
        yield
    finally:
        for name in stand_ins:
            del sys.modules[name]

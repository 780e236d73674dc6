"""Lets `import torchvision` succeed beside a build of torch that its compiled part was not made for.

On import torchvision registers shape rules for its own operators (such as `nms`). When the compiled extension that
declares those operators cannot be loaded, that registration fails, although the plain network definitions that LPIPS
needs would work. Declaring the operators, without any implementation, is enough.
"""

import importlib.util
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch

_DECLARATIONS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def declare_torchvision_ops() -> torch.library.Library | None:
    """Declare torchvision's operators unless its extension loads; call this before torchvision is imported.

    Returns the library that holds the declarations (they live as long as it does), or None if none were needed.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None or _extension_loads(Path(found.origin).parent):
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for declaration in _DECLARATIONS:
        library.define(declaration)
    return library


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

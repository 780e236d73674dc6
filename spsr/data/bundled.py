"""Photographs that ship inside scikit-image's wheel, for runs without any download."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from spsr.config.preset import PHOTOGRAPHS
from spsr.config.strict import suggestion
from spsr.errors import InputError


def photographs(names: Sequence[str] = PHOTOGRAPHS) -> dict[str, Path]:
    """The image files of scikit-image by name, in the given order; scikit-image is not imported.

    Raises:
        InputError: no photograph of that name, or scikit-image is not installed.
    """
    found = {}
    for name in names:
        if name not in PHOTOGRAPHS:
            raise InputError(f"scikit_image: no photograph '{name}' in it{suggestion(name, PHOTOGRAPHS)}")
        files = sorted(_folder().glob(f"{name}.*"))
        if not files:
            raise InputError(f"scikit_image: {_folder()} lacks '{name}'; install scikit-image 0.25 or 0.26")
        found[name] = files[0]
    return found


def _folder() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("scikit_image: the package is not installed; run `pip install scikit-image`")
    return Path(next(iter(spec.submodule_search_locations))) / "data"

"""A set of images as a preset names it: a registered dataset, a folder, or scikit-image's photographs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from spsr.config.preset import ImageSource
from spsr.data import bundled, datasets
from spsr.errors import InputError
from spsr.images import RGB, SCALE, Role, crop_to_multiple, degrade, image_index, plain_name, read_rgb, select_role


@dataclass(frozen=True)
class ImageSet:
    """Image files by name, in a fixed order.

    Attributes:
        files: by image name.
        crop: side of the central square that is kept; None keeps the whole image.
        dataset: its entry in the registry of datasets, if it has one.
        lr: files of LR images by the same names, where they are given.
    """

    files: Mapping[str, Path]
    crop: int | None = None
    dataset: str | None = None
    lr: Mapping[str, Path] = field(default_factory=dict)

    def read(self, name: str) -> RGB:
        """The image `name` as uint8 H×W×3: its central square, cut to multiples of 4."""
        return read_hr(self.files[name], self.crop)


def read_hr(file: Path, crop: int | None) -> RGB:
    """`file` as uint8 H×W×3: the central square of side `crop` (all of it if None), cut to multiples of 4.

    Raises:
        InputError: not a readable image, or smaller than the square.
    """
    image = read_rgb(file)
    if crop is not None:
        height, width = image.shape[:2]
        if min(height, width) < crop:
            raise InputError(f"{file}: {width}x{height} is smaller than crop {crop}; choose a smaller crop")
        top, left = (height - crop) // 2, (width - crop) // 2
        image = image[top : top + crop, left : left + crop]
    return crop_to_multiple(image)


def read_lr(file: Path | None, hr: RGB) -> RGB:
    """The LR image of `hr`, uint8 H×W×3 cut to multiples of 4: the given `file`, or without one made from `hr`.

    Raises:
        InputError: the file is not an image of H/4×W/4 pixels.
    """
    if file is None:
        return degrade(hr)
    lr = read_rgb(file)
    height, width = hr.shape[0] // SCALE, hr.shape[1] // SCALE
    if lr.shape[:2] != (height, width):
        raise InputError(
            f"{file}: {lr.shape[1]}x{lr.shape[0]} pixels, but its original needs an LR image of {width}x{height}; "
            "correct one of them"
        )
    return lr


def resolve(*sources: ImageSource) -> ImageSet:
    """The files that the sources mean, one source after another.

    Raises:
        InputError: the dataset is not there or incomplete, the folder holds no image, an unknown photograph, an image
            has no LR image where they are given, or two sources have an image of one name.
    """
    sets = [_resolve(source) for source in sources]
    if len(sets) == 1:
        return sets[0]
    files: dict[str, Path] = {}
    for images in sets:
        if twice := files.keys() & images.files.keys():
            name = min(twice)
            raise InputError(
                f"{files[name]} and {images.files[name]} are both '{name}'; leave out one of their sources"
            )
        files |= images.files
    return ImageSet(files, sets[0].crop, lr={name: file for images in sets for name, file in images.lr.items()})


def _resolve(source: ImageSource) -> ImageSet:
    images = _originals(source)
    if source.lr is None:
        return images
    folder = Path(source.lr).expanduser()
    given = from_folder(folder, "LR")
    by_name = {plain_name(name): file for name, file in given.items()}
    if missing := [name for name in images.files if plain_name(name) not in by_name]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{folder}: has no LR image of {missing[0]}{more}; add it, or leave out `lr`")
    return replace(images, lr={name: by_name[plain_name(name)] for name in images.files})


def _originals(source: ImageSource) -> ImageSet:
    if source.dataset is not None:
        return ImageSet(datasets.images(source.dataset), source.crop, source.dataset)
    if source.folder is not None:
        return ImageSet(from_folder(Path(source.folder).expanduser()), source.crop)
    return ImageSet(bundled.photographs(source.scikit_image), source.crop)


def from_folder(folder: Path, role: Role = "HR") -> dict[str, Path]:
    """The images of `folder` by plain name; where HR and LR images lie side by side, those of the role."""
    files: dict[str, Path] = {}
    for stem, file in select_role(image_index(folder), role).items():
        name = plain_name(stem)
        if name in files:
            raise InputError(f"{folder}: {files[name].name} and {file.name} are both '{name}'; keep one of them")
        files[name] = file
    return files

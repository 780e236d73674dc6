"""The schema of a preset file: everything that scales the benchmark from a laptop to the paper."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from spsr.config.settings import Compute, Naturalness, Perceptual, Probe, Recipe, Schedule
from spsr.config.strict import Slug, Strict

TRAINING = "training"
"""The name of the training images among those that are prepared."""


MOST_SEED = 2**63 - 1


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) != len(seeds):
        raise ValueError("a seed is given twice, and would count twice; keep one of them")
    return seeds


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MOST_SEED)], ...], Field(strict=False), AfterValidator(_each_once)
]

PHOTOGRAPHS = (
    "astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "hubble_deep_field", "ihc", "moon",
    "motorcycle_left", "motorcycle_right", "retina", "rocket",
)  # fmt: skip
"""Photographs in scikit-image's wheel (`brick`, `camera`, `coins`, `grass`, `gravel`, `moon` are grey)."""


class ImageSource(Strict):
    """Where a set of images comes from: exactly one of a registered dataset, a folder, or scikit-image's own.

    Attributes:
        dataset: an entry of `configs/datasets.yaml`.
        folder: a folder of images, from the repository's root.
        scikit_image: names of photographs inside scikit-image's wheel.
        lr: a folder with the LR image of each, matched by name, where they are given instead of made.
        crop: side of the central square in pixels that is kept of each image.
        optional: left out where it is not at hand, instead of being fetched or missed.
    """

    dataset: str | None = None
    folder: str | None = None
    scikit_image: tuple[str, ...] = Field(default=(), strict=False)
    lr: str | None = None
    crop: int | None = Field(default=None, ge=32)
    optional: bool = False

    @model_validator(mode="after")
    def _exactly_one(self) -> "ImageSource":
        if sum((self.dataset is not None, self.folder is not None, bool(self.scikit_image))) != 1:
            raise ValueError("give exactly one of `dataset`, `folder` and `scikit_image`")
        if self.lr is not None and self.crop is not None:
            raise ValueError("`lr` images cannot be cropped with their originals; leave out `crop` or `lr`")
        return self


class Tiling(Strict):
    """Sub-images that training samples are drawn from, as the official code cuts them.

    Attributes:
        size, step: side and distance of the tiles in HR pixels.
        remainder: a last tile is added where more pixels than this remain.
    """

    size: int = Field(ge=16)
    step: int = Field(ge=1)
    remainder: int = Field(ge=0)


TrainingImages = ImageSource | Annotated[tuple[ImageSource, ...], Field(min_length=1, strict=False)]


class Data(Strict):
    """Training and test images.

    Attributes:
        train: what is trained on, from one source or one after another.
    """

    train: TrainingImages
    tiling: Tiling | None = None
    benchmarks: dict[Slug, ImageSource]

    @property
    def training_sources(self) -> tuple[ImageSource, ...]:
        """The sources of the training images, in their order."""
        return (self.train,) if isinstance(self.train, ImageSource) else self.train

    @model_validator(mode="after")
    def _possible(self) -> "Data":
        if len({source.crop for source in self.training_sources}) > 1:
            raise ValueError("give all sources of training images the same `crop`")
        if TRAINING in self.benchmarks:
            raise ValueError(f"a benchmark cannot be called `{TRAINING}`, as the training images are; rename it")
        return self


class Validation(Strict):
    """A look at every method while it trains: its mean PSNR on a benchmark, into the ledger and MLflow.

    Weights do not depend on it.

    Attributes:
        benchmark: one of the preset's.
        every: steps between two looks.
    """

    benchmark: str
    every: int = Field(ge=1)


class Foreign(Strict):
    """Someone else's results as a row: a folder of images or a checkpoint.

    Attributes:
        name: the title that tables print.
        from_images: folder with one sub-folder of super-resolved images per benchmark.
        from_checkpoint: a checkpoint file; the architecture is inferred.
        tables: the tables that get the row.
    """

    name: str
    from_images: str | None = None
    from_checkpoint: str | None = None
    tables: tuple[str, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _exactly_one(self) -> "Foreign":
        if (self.from_images is None) == (self.from_checkpoint is None):
            raise ValueError("give exactly one of `from_images` and `from_checkpoint`")
        return self


class Preset(Strict):
    """One preset file.

    Attributes:
        preset: its name, and the name of its folder under `results/`.
        mark: what a reader must know of every number of this preset; empty for the paper's own settings.
        seeds: seeds of the runs. Starting points (PSNR networks, extractors) are trained once, with the first.
        more_seeds: further seeds of single methods; not of starting points.
        recipe: see `Recipe`.
        compute: see `Compute`.
        data: training and test images.
        validation: see `Validation`; none if absent.
        networks: sizes of the networks, by name, where they differ from the paper's.
        schedules: schedules by name; methods and extractors refer to them. One of a method's own name is that method's
            in place of the one that it refers to.
        perceptual: the VGG19 of the perceptual loss.
        extractor_weights: registry entries that replace an extractor's own.
        probe: evaluation of the extractors; none leaves it out.
        naturalness: see `Naturalness`.
        anchors_per_patch, puzzles_per_patch: anchors of contrastive prediction and jigsaw puzzles on each patch
            (paper: 1). They share the features of the patch, so that more are nearly free; short trainings gain
            much by them.
        released: methods that are taken from released weights instead of being trained, with the entry in the
            registry of weights.
        probability_maps: folders of probability maps for SFTGAN's images, by method, with one sub-folder per
            benchmark; they take the place of those that the network's own provider makes.
        results: foreign results by method name.
        only: if given, the only methods that are run; cells of the others say that they were not.
        tables: tables that are made.
        figures: entries of `configs/figures.yaml` whose methods are run although no table holds them.
        metrics: measured beside the paper's (`lpips`, `psnr`, `ssim`, `ssim_standard`) and those that a table shows:
            `dists`, or a function of one's own, `FILE.py:FUNCTION`.
        lpips: backbone of the LPIPS metric.
        evaluate_together: one job makes and scores the images of all methods that the same tables hold, where
            starting a job costs more than they do. Without it each method's images are a job of their own.
    """

    preset: Slug
    mark: str = ""
    seeds: Seeds = Field(default=(0,), min_length=1)
    more_seeds: dict[str, Seeds] = {}
    recipe: Recipe
    compute: Compute = Compute()
    data: Data
    validation: Validation | None = None
    networks: dict[str, dict[str, Any]] = {}
    schedules: dict[str, Schedule] = {}
    perceptual: Perceptual = Perceptual()
    extractor_weights: dict[str, str] = {}
    probe: Probe | None = None
    naturalness: Naturalness = Naturalness()
    anchors_per_patch: int = Field(default=1, ge=1)
    puzzles_per_patch: int = Field(default=1, ge=1)
    released: dict[str, str] = {}
    probability_maps: dict[str, str] = {}
    results: dict[Slug, Foreign] = {}
    only: tuple[str, ...] | None = Field(default=None, strict=False)
    tables: tuple[str, ...] = Field(
        default=("table1", "table2", "table3", "table4", "table5", "table6", "table7"), strict=False
    )
    figures: tuple[str, ...] = Field(default=(), strict=False)
    metrics: tuple[str, ...] = Field(default=(), strict=False)
    lpips: Literal["alex"] = "alex"
    evaluate_together: bool = False

    @model_validator(mode="after")
    def _says_how_it_starts(self) -> "Preset":
        start = self.recipe.start
        if start != "official" and start not in self.mark:
            raise ValueError(
                f"`recipe.start: {start}` is neither the paper's nor the code's; say {start} in the `mark`"
            )
        return self

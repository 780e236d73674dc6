"""How training is done: schedules, the points where paper and released code differ, and the arithmetic."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from spsr.config.strict import Strict


class Recipe(Strict):
    """The choices on which the paper's text and the released code disagree, each by name.

    `recipe: official` follows the released code, `recipe: paper` the text; `{like: official, replicas: 1}`
    changes single choices.

    Attributes:
        gradient_pixel: the distance of the pixelwise gradient loss. Paper, eq. 7: `l1`. Code: `mse`.
        gradient_padding: zero padding of the gradient maps in the gradient losses. Code: 2 (maps are two pixels
            larger than the image); the paper does not mention it: 1.
        fusion_warmup: number of first steps in which only the fusion module of the generator trains.
            Code: 4999 (`Branch_pretrain`); the paper does not mention it: 0.
        replicas: groups of `batch` samples in a step. Batch normalisation works within a group, the means of
            the relativistic losses over all. Code: 2 (30 samples on two GPUs); paper: 1 (15 samples).
        structure_reduction: how eq. 14's norm is reduced over a feature map. `sum` is the norm as written;
            `mean` divides by the number of elements. Neither paper nor code decides.
        start: of generators without weights to start from. Paper and code: `official`, every network's own first
            weights. `interpolation` is neither's: each network starts as an enlargement of its input, and SPSR as the
            RRDB network that it starts from, so that short trainings are no worse than what they begin with. It needs
            no `fusion_warmup`, and changes PSNR-oriented trainings, too.
    """

    gradient_pixel: Literal["l1", "mse"]
    gradient_padding: Literal[1, 2]
    fusion_warmup: int = Field(ge=0)
    replicas: int = Field(ge=1)
    structure_reduction: Literal["sum", "mean"] = "sum"
    start: Literal["official", "interpolation"] = "official"

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A name, or a mapping of which `like` gives what is left out."""
        complete = handler.resolve_ref_schema(handler(core))
        name = {"enum": list(RECIPES)}
        alike = complete | {"properties": complete["properties"] | {"like": name}, "required": ["like"]}
        return {"anyOf": [name, alike, dict(complete)]}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if isinstance(data, str):
            data = {"like": data}
        if isinstance(data, dict) and "like" in data:
            data = dict(data)
            name = data.pop("like")
            if name not in RECIPES:
                raise ValueError(f"no recipe '{name}'; choose official or paper")
            return RECIPES[name] | data
        return data


RECIPES: dict[str, dict[str, Any]] = {
    "official": {"gradient_pixel": "mse", "gradient_padding": 2, "fusion_warmup": 4999, "replicas": 2},
    "paper": {"gradient_pixel": "l1", "gradient_padding": 1, "fusion_warmup": 0, "replicas": 1},
}


class Schedule(Strict):
    """Iterations, batches and learning rate of one training.

    Attributes:
        iterations: number of steps.
        batch: samples in a step (a replica).
        patch: side of the HR patch in pixels, a multiple of the scale 4.
        learning_rate: of the generator and of every discriminator (Adam, betas 0.9 and 0.999, eps 1e-8).
        milestones: steps, in rising order, after which the learning rate is multiplied by `decay`.
        decay: factor of the learning rate at a milestone.
        warmup: first steps in which only SFTGAN's transforms and condition network train; no other network has any.
        log_every: steps between two lines of events.
        checkpoint_every: steps between two checkpoints.
    """

    iterations: int = Field(ge=1)
    batch: int = Field(ge=1)
    patch: int = Field(ge=16, multiple_of=4)
    learning_rate: float = Field(gt=0)
    milestones: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), strict=False)
    decay: float = Field(default=0.5, gt=0, le=1)
    warmup: int = Field(default=0, ge=0)
    log_every: int = Field(default=100, ge=1)
    checkpoint_every: int = Field(default=5000, ge=1)

    @field_validator("milestones")
    @classmethod
    def _in_order(cls, milestones: tuple[int, ...]) -> tuple[int, ...]:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError("milestones are steps in rising order, each once; sort them")
        return milestones

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of the 0-based `step`."""
        passed = sum(step >= milestone for milestone in self.milestones)
        return self.learning_rate * self.decay**passed


def device_named(name: str) -> str:
    """The name of a device, or a `ValueError`."""
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise ValueError("is no device; choose cpu, cuda or cuda:N")
    return name


class Compute(Strict):
    """The arithmetic of a training; part of a run's identity because it changes the numbers.

    Attributes:
        precision: `fp32`, or `bf16` autocast with fp32 islands.
        tf32: TensorFloat-32 matrix products for fp32 on GPUs that have them.
        channels_last: NHWC memory layout.
        compile: torch.compile.
        device: `cpu`, `cuda` or `cuda:N`; by default a GPU where there is one. No part of the identity.
        capture: on a GPU, replay steps from CUDA graphs. No part of the identity: eager steps give the same weights.
        deterministic: deterministic kernels; one seed gives the same bytes.
        threads: CPU threads of one training; fixed, because sums depend on it.
    """

    precision: Literal["fp32", "bf16"] = "fp32"
    tf32: bool = False
    channels_last: bool = False
    compile: bool = False
    device: Annotated[str, AfterValidator(device_named)] | None = Field(default=None, exclude=True)
    capture: bool = Field(default=False, exclude=True)
    deterministic: bool = True
    threads: int = Field(default=1, ge=1)


class Perceptual(Strict):
    """The VGG19 of the perceptual loss, eq. 4.

    Attributes:
        weights: entry in the registry of weights.
        scale: factor on the perceptual weight, for weights whose features have another magnitude than
            torchvision's.
    """

    weights: str = "vgg19_torchvision"
    scale: float = Field(default=1.0, gt=0)


MAP_PROVIDERS = {
    "outdoor_scene": "probability maps by its authors' segmentation network",
    "deeplab": "probability maps by torchvision's DeepLab, which of the eight categories knows animals and plants",
    "colour": "probability maps by a rule on colour and texture, not by a segmentation network",
}
"""Where probability maps come from, and what a reader of a table must know of each."""

MAP_WEIGHTS = {"outdoor_scene": "outdoor_scene_seg", "deeplab": "deeplab_resnet50"}
"""Entries of the registry of weights that providers of probability maps read, by the provider."""

NATURALNESS = "nmd"
"""The name under which the naturalness discriminator is trained and stored."""


class Judge(Strict):
    """NatSR's natural manifold discriminator, trained before the methods that have a naturalness loss."""

    title: str = "NMD"
    network: Literal["nmd"] = "nmd"
    task: Literal["naturalness"] = "naturalness"


class Naturalness(Strict):
    """How the naturalness discriminator's distortions are adapted.

    Attributes:
        validate_every: steps between two validations.
        validation_patches: held-out patches of each; one half is distorted.
    """

    validate_every: int = Field(default=100, ge=1)
    validation_patches: int = Field(default=200, ge=2, multiple_of=2)


class Extractor(Strict):
    """A structure extractor F.

    Attributes:
        title: the name that tables and figures print.
        network: `nse`, `vgg19` or `resnet18`.
        task: the self-supervised task it is trained with here; none for random and ImageNet weights.
        sampling: positions of the inputs in contrastive prediction, Fig. 13.
        weights: entry in the registry of weights.
    """

    title: str
    network: Literal["nse", "vgg19", "resnet18"]
    task: Literal["contrastive", "jigsaw"] | None = None
    sampling: Literal["h", "v", "c"] | None = None
    weights: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> "Extractor":
        if (self.task == "contrastive") != (self.sampling is not None):
            raise ValueError("contrastive prediction, and nothing else, needs a `sampling`: h, v or c")
        if (self.network == "nse") == (self.weights is not None):
            raise ValueError("vgg19 and resnet18, and nothing else, take their `weights` from the registry")
        return self


class Probe(Strict):
    """Evaluation of the extractors on both tasks, Section 5.2: fresh heads on a frozen extractor.

    Attributes:
        contrastive, jigsaw: schedules of the heads.
        contrastive_patch, jigsaw_patch: side of the test patches in pixels (paper: 200 and 84).
        contrastive_stride, jigsaw_stride: distance between test patches in pixels.
        repeats: how often an anchor is drawn on each patch (paper: 10).
    """

    contrastive: Schedule
    jigsaw: Schedule
    contrastive_patch: int = Field(default=200, ge=96)
    contrastive_stride: int = Field(default=100, ge=1)
    jigsaw_patch: int = Field(default=84, ge=84)
    jigsaw_stride: int = Field(default=42, ge=1)
    repeats: int = Field(default=10, ge=1)

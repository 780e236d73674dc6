"""What a method is: a generator, where it starts, and the weighted terms of its objective."""

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from spsr.config.validation import Strict

Comparison = Literal["pixel", "perceptual", "adversarial"]
View = Literal["image", "gradient", "structure", "branch"]


def _weight(value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise ValueError("a weight is a finite number, zero or more")
    return value


Weight = Annotated[float, AfterValidator(_weight)]


class Term(NamedTuple):
    """One weighted term of an objective: a comparison on a view of the image pair."""

    comparison: Comparison
    view: View
    weight: float

    @property
    def name(self) -> str:
        """`comparison/view`, as it stands in logs."""
        return f"{self.comparison}/{self.view}"


class PixelWeights(Strict):
    """Weights of the pixelwise comparisons: beta of eq. 10 and eq. 16."""

    image: Weight = 0.0
    gradient: Weight = 0.0
    structure: Weight = 0.0
    branch: Weight = 0.0


class PerceptualWeights(Strict):
    """Weight of the VGG19 comparison, eq. 4."""

    image: Weight = 0.0


class AdversarialWeights(Strict):
    """Weights of the relativistic adversarial comparisons: gamma of eq. 10 and eq. 16."""

    image: Weight = 0.0
    gradient: Weight = 0.0
    structure: Weight = 0.0


class Losses(Strict):
    """The objective of a method as the paper writes it; a weight of zero builds nothing."""

    pixel: PixelWeights = PixelWeights()
    perceptual: PerceptualWeights = PerceptualWeights()
    adversarial: AdversarialWeights = AdversarialWeights()

    def terms(self) -> tuple[Term, ...]:
        """The terms whose weight is not zero, in the order of the paper's eq. 10."""
        groups: tuple[tuple[Comparison, Strict], ...] = (
            ("pixel", self.pixel),
            ("perceptual", self.perceptual),
            ("adversarial", self.adversarial),
        )
        return tuple(
            Term(comparison, view, weight) for comparison, weights in groups for view, weight in weights if weight != 0
        )


class Generator(Strict):
    """A generator network by name, with sizes that differ from the preset's."""

    name: str
    size: dict[str, Any] = {}


class Method(Strict):
    """One row or column of the tables.

    Attributes:
        title: the name that tables and figures print.
        extends: the method that this one is a delta of.
        source: `trained` here, `computed` (bicubic), `released` weights, or `foreign` images or checkpoint.
        weights: for `released`, the entry in the registry of weights.
        images, checkpoint: for `foreign`, a folder of super-resolved images per benchmark, or a checkpoint.
        generator: the network of a trained method.
        init_from: the method whose trained generator it starts from.
        extractor: the structure extractor of its `structure` view.
        losses: the weighted terms of its objective.
        schedule: the schedule of the preset that it is trained with.
    """

    title: str
    extends: str | None = None
    source: Literal["trained", "computed", "released", "foreign"] = "trained"
    weights: str | None = None
    images: str | None = None
    checkpoint: str | None = None
    generator: Generator | None = None
    init_from: str | None = None
    extractor: str | None = None
    losses: Losses = Field(default_factory=Losses)
    schedule: str = "gan"

    @model_validator(mode="after")
    def _possible(self) -> "Method":
        terms = self.losses.terms()
        views = {term.view for term in terms}
        if self.source == "trained":
            if self.generator is None:
                raise ValueError("a trained method needs a generator; add `generator: {name: ...}`")
            if not terms:
                raise ValueError("a trained method needs a loss; give one weight that is not zero")
            if "structure" in views and self.extractor is None:
                raise ValueError("the structure view needs an extractor; add `extractor: nse_p_h` or another")
            if "branch" in views and self.generator.name != "spsr":
                raise ValueError(
                    f"generator '{self.generator.name}' has no gradient branch; set losses.pixel.branch to 0"
                )
        if self.source == "released" and self.weights is None:
            raise ValueError("a released method names its `weights`")
        if self.source == "foreign" and (self.images is None) == (self.checkpoint is None):
            raise ValueError("a foreign method has either `images` or `checkpoint`")
        return self

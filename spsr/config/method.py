"""What a method is: a generator, where it starts, and the weighted terms of its objective."""

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from spsr.config.strict import Strict
from spsr.plugins import is_reference

Comparison = Literal["pixel", "perceptual", "naturalness", "adversarial", "custom"]


def _weight(value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise ValueError("a weight is a finite number, zero or more")
    return value


Weight = Annotated[float, AfterValidator(_weight)]


class Term(NamedTuple):
    """One weighted term of an objective: a comparison on a view of the image pair.

    Attributes:
        view: `image`, `gradient`, `structure` or `branch`; of a custom comparison the reference to its function.
    """

    comparison: Comparison
    view: str
    weight: float

    @property
    def name(self) -> str:
        """`comparison/view`, as it stands in logs; of a custom comparison `custom/FUNCTION`."""
        return f"{self.comparison}/{self.view.rpartition(':')[2]}"


class PixelWeights(Strict):
    """Weights of the pixelwise comparisons: beta of eq. 10 and eq. 16."""

    image: Weight = 0.0
    gradient: Weight = 0.0
    structure: Weight = 0.0
    branch: Weight = 0.0


class PerceptualWeights(Strict):
    """Weight of the VGG19 comparison, eq. 4."""

    image: Weight = 0.0


class NaturalnessWeights(Strict):
    """Weight of NatSR's naturalness loss."""

    image: Weight = 0.0


class AdversarialWeights(Strict):
    """Weights of the relativistic adversarial comparisons: gamma of eq. 10 and eq. 16."""

    image: Weight = 0.0
    gradient: Weight = 0.0
    structure: Weight = 0.0


class Losses(Strict):
    """The objective of a method as the paper writes it; a weight of zero builds nothing.

    Attributes:
        custom: weights of comparisons of one's own by reference, `FILE.py:FUNCTION`; see `spsr.losses.CustomLoss`.
    """

    pixel: PixelWeights = PixelWeights()
    perceptual: PerceptualWeights = PerceptualWeights()
    adversarial: AdversarialWeights = AdversarialWeights()
    naturalness: NaturalnessWeights = NaturalnessWeights()
    custom: dict[str, Weight] = {}

    @model_validator(mode="after")
    def _possible(self) -> "Losses":
        for reference in self.custom:
            if not is_reference(reference):
                raise ValueError(f"custom loss '{reference}': write folder/file.py:function or package.module:function")
        names = [term.name for term in self.terms()]
        if len(set(names)) != len(names):
            raise ValueError("two custom losses have a function of the same name; rename one, so that logs differ")
        return self

    def terms(self) -> tuple[Term, ...]:
        """The terms whose weight is not zero, in the order of the paper's eq. 10, then one's own."""
        groups: tuple[tuple[Comparison, Strict | dict[str, float]], ...] = (
            ("pixel", self.pixel),
            ("perceptual", self.perceptual),
            ("naturalness", self.naturalness),
            ("adversarial", self.adversarial),
            ("custom", self.custom),
        )
        return tuple(
            Term(comparison, view, weight)
            for comparison, weights in groups
            for view, weight in dict(weights).items()
            if weight != 0
        )


class Generator(Strict):
    """A generator network by name, or by reference (`FILE.py:CLASS`), with sizes that differ from the preset's."""

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
        discriminator: the kind of its discriminators: `vgg` (SPSR, ESRGAN), `spectral` (NatSR), or `auxiliary`, which
            tells the category of an image, too (SFTGAN).
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
    discriminator: Literal["vgg", "spectral", "auxiliary"] = "vgg"
    schedule: str = "gan"

    @property
    def code(self) -> tuple[str, ...]:
        """References to code of one's own that the training runs: the generator's and the losses'."""
        names = [self.generator.name] if self.generator is not None else []
        names += [term.view for term in self.losses.terms() if term.comparison == "custom"]
        return tuple(name for name in names if is_reference(name))

    @property
    def needs_perceptual(self) -> bool:
        """Whether its training looks through the VGG19 of the perceptual loss."""
        return self.losses.perceptual.image != 0

    @property
    def needs_structure(self) -> bool:
        """Whether its training looks through its extractor."""
        return any(term.view == "structure" for term in self.losses.terms())

    @property
    def needs_naturalness(self) -> bool:
        """Whether its training asks the naturalness discriminator."""
        return self.losses.naturalness.image != 0

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
            if "branch" in views and self.generator.name != "spsr" and not is_reference(self.generator.name):
                raise ValueError(
                    f"generator '{self.generator.name}' has no gradient branch; set losses.pixel.branch to 0"
                )
            conditional = self.generator.name == "sftgan"
            if (self.discriminator == "auxiliary") != (conditional and self.losses.adversarial.image != 0):
                raise ValueError("the discriminator `auxiliary` is SFTGAN's, for its images; give it to no other")
        if self.source == "released" and self.weights is None:
            raise ValueError("a released method names its `weights`")
        if self.source == "foreign" and (self.images is None) == (self.checkpoint is None):
            raise ValueError("a foreign method has either `images` or `checkpoint`")
        return self

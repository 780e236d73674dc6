"""A comparison of one's own, from a file that the configuration names."""

from torch import Tensor

from spsr import plugins
from spsr.config import Term
from spsr.errors import InputError
from spsr.losses.comparisons import Measured
from spsr.losses.views import Views
from spsr.plugins import running


class CustomLoss:
    """A function `f(views: Views) -> Tensor` that a term refers to by `FILE.py:f` or `MODULE:f`.

    The function gets the views of a batch, of which it uses what it needs: `views.pair("image")` are the generated
    images and the originals, N×3×H×W; so are `"gradient"` and, with an extractor, `"structure"`. It returns a scalar
    tensor that carries the gradient. Its value is logged as `custom/f`, before the weight.

    Raises:
        InputError: the reference leads to nothing, or to no function.
    """

    def __init__(self, term: Term) -> None:
        self.term = term
        self.weight = term.weight
        self._function = plugins.named(term.view)
        if not callable(self._function):
            raise InputError(f"'{term.view}': is no function; name one that takes the views and returns a loss")

    def __call__(self, views: Views) -> Measured:
        """Call the function; `InputError` if it returns no scalar with a gradient, `OwnCodeFailed` if it fails."""
        with running(self.term.view, *views.images):
            loss = self._function(views)
        if not isinstance(loss, Tensor) or loss.ndim != 0 or not loss.requires_grad:
            shown = f"a tensor of shape {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise InputError(
                f"'{self.term.view}': returned {shown}; return one number as a tensor that depends on the "
                'generated images (`views.view("fake", "image")`)'
            )
        return Measured(loss, {self.term.name: loss.detach()})

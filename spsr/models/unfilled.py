"""Networks whose weights come from a file, built without drawing random ones first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

_FILLING = (Tensor.normal_, Tensor.uniform_, init.normal_, init.uniform_, init.kaiming_uniform_)


class Unfilled(TorchFunctionMode):
    """In this context tensors are not filled with random numbers: networks start with what their memory holds.

    It takes nothing from a random generator. On the `meta` device it also spares `normal_`'s import of `torch._dynamo`.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)

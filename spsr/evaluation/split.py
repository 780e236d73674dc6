"""Cutting a super-resolution network in two at its first upsampling.

What a network computes at the LR size takes little memory, but sees hundreds of pixels far; what it computes at
the HR size takes 16 times the memory a channel, but sees a few pixels. So the first part can run on the
whole image and the second in tiles with little context, and the result is that of the whole network.

Tiles of the whole network need far more: for a released 23-block RRDB generator (Real-ESRGAN ×4) on a photograph,
context of 32, 48 and 63 LR pixels left 6.6, 0.7 and 0.1 % of all values more than one level off.
"""

import inspect
import math
import operator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from spsr.models.gradient import gradient_map
from spsr.models.layers import with_residual

_POINTWISE_MODULES = (nn.LeakyReLU, nn.ReLU, nn.PReLU, nn.Tanh, nn.Sigmoid, nn.Identity, nn.BatchNorm2d, nn.Dropout)
_POINTWISE_FUNCTIONS = {
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.iadd, operator.imul, torch.add, torch.mul),
    *(torch.cat, torch.relu, torch.tanh, torch.sigmoid, torch.clamp),
    *(with_residual, functional.leaky_relu, functional.relu, functional.prelu, functional.dropout),
}
_POINTWISE_METHODS = frozenset(
    {"add", "sub", "mul", "mul_", "add_", "div", "clamp", "clamp_", "relu", "tanh", "sigmoid"}
)
_INTERPOLATION_REACH = 2


@dataclass(frozen=True)
class SplitNetwork:
    """A network as two: `reconstruct(*extract(lr))` is its SR image.

    Attributes:
        extract: 1×3×H×W → what the second part needs, a tuple: feature maps at LR size, and constants.
        reconstruct: that tuple, or a `window` of it → 1×3×sH×sW.
        context: how many LR pixels around an SR pixel's own `reconstruct` sees, at most.
    """

    extract: nn.Module
    reconstruct: nn.Module
    context: int

    @staticmethod
    def window(features: tuple[torch.Tensor, ...], size: torch.Size, rows: slice, columns: slice) -> list[torch.Tensor]:
        """The same rectangle of all feature maps of `size` H×W; constants as they are."""
        return [
            feature[:, :, rows, columns] if feature.ndim == 4 and feature.shape[2:] == size else feature
            for feature in features
        ]


@lru_cache(maxsize=1)
def split_at_upsampling(network: nn.Module) -> SplitNetwork | None:
    """Cut `network` (its first output is the SR image) in two; None if it is not of a kind that is understood.

    Understood are networks without control flow on tensors, whose part after the first pixel shuffle or
    interpolation by a fixed factor is made of convolutions of stride 1 and pointwise operations. The network must
    be in evaluation mode. The parts share its parameters; the last network's are kept for the next call.
    """
    traced = _trace(network)
    if traced is None:
        return None
    graph = traced.graph
    output = next(iter(reversed(graph.nodes)))
    sr = _first(output.args[0])
    if sr is None:
        return None
    output.args = (sr,)
    graph.eliminate_dead_code()
    low, high = _before_and_after(traced)
    reach = _reach(traced, low, high)
    if sr not in high or reach is None:
        return None
    crossing = [node for node in graph.nodes if node not in high and any(user in high for user in node.users)]
    return SplitNetwork(_low_part(traced, high, crossing), _high_part(traced, high, crossing), math.ceil(reach) + 1)


def _first(result: Any) -> fx.Node | None:
    """The SR image in what a network returns: the value, or the first of a tuple or named tuple."""
    if isinstance(result, fx.Node) and isinstance(result.target, type) and issubclass(result.target, tuple):
        result = result.args
    if isinstance(result, tuple | list):
        result = result[0] if result else None
    return result if isinstance(result, fx.Node) else None


def _trace(network: nn.Module) -> fx.GraphModule | None:
    parameters = inspect.signature(network.forward).parameters.values()
    options = {each.name: each.default for each in parameters if each.default is not each.empty}
    try:
        graph = _Tracer(autowrap_functions=(gradient_map, with_residual)).trace(network, concrete_args=options)
    except Exception:  # whatever a foreign network's code raises when it is given a stand-in for a tensor
        return None
    return fx.GraphModule(network, graph)


class _Tracer(fx.Tracer):
    """Takes any convolution as one step, also one that is not PyTorch's own."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Conv2d) or super().is_leaf_module(module, name)


def _factor(traced: fx.GraphModule, node: fx.Node) -> float | None:
    """By how much a node enlarges, or None if it is no upsampling."""
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if isinstance(module, nn.PixelShuffle):
            return module.upscale_factor
        if isinstance(module, nn.Upsample):
            return _fixed(module.scale_factor)
    if node.op == "call_function" and node.target is functional.interpolate:
        return _fixed(node.kwargs.get("scale_factor"))
    if node.op == "call_function" and node.target in (functional.pixel_shuffle, torch.pixel_shuffle):
        return _fixed(node.args[1] if len(node.args) > 1 else node.kwargs.get("upscale_factor"))
    return None


def _fixed(factor: object) -> float:
    return float(factor) if isinstance(factor, int | float) else math.nan


def _before_and_after(traced: fx.GraphModule) -> tuple[set[fx.Node], set[fx.Node]]:
    """What depends on the input's pixels, before and after the first upsampling; constants are in neither."""
    low: set[fx.Node] = set()
    high: set[fx.Node] = set()
    for node in traced.graph.nodes:
        sources = node.all_input_nodes
        if any(source in high for source in sources) or _factor(traced, node) is not None:
            high.add(node)
        elif node.op == "placeholder" or (any(source in low for source in sources) and not _is_type_of_tensor(node)):
            low.add(node)
    return low, high


def _is_type_of_tensor(node: fx.Node) -> bool:
    return node.target is getattr and node.args[1] in ("dtype", "device")


def _reach(traced: fx.GraphModule, low: set[fx.Node], high: set[fx.Node]) -> float | None:
    """The most LR pixels that the part after the upsampling sees beyond one's own; None if that is not known."""
    scale: dict[fx.Node, float] = {}
    reach: dict[fx.Node, float] = {}
    for node in traced.graph.nodes:
        if node not in high:
            continue
        scales = {scale[source] if source in high else 1.0 for source in node.all_input_nodes if source in low | high}
        factor, radius = _factor(traced, node), _radius(traced, node)
        if radius is None or len(scales) != 1 or (factor is not None and math.isnan(factor)):
            return None
        before = scales.pop()
        scale[node] = before * (factor or 1)
        reach[node] = max(reach.get(source, 0.0) for source in node.all_input_nodes) + radius / before
    return max(reach.values(), default=None)


def _radius(traced: fx.GraphModule, node: fx.Node) -> float | None:
    """How far a node of the HR part sees, in pixels of its input; None if it is of no understood kind."""
    if node.op == "output":
        return 0
    if node.op == "call_module":
        module = traced.get_submodule(str(node.target))
        if isinstance(module, nn.Conv2d):
            sides = zip(module.kernel_size, module.dilation, strict=True)
            return max(kernel // 2 * dilation for kernel, dilation in sides) if set(module.stride) == {1} else None
        if isinstance(module, nn.Upsample):
            return _INTERPOLATION_REACH
        return 0 if isinstance(module, (*_POINTWISE_MODULES, nn.PixelShuffle)) else None
    if node.op == "call_function":
        if node.target is functional.interpolate:
            return _INTERPOLATION_REACH
        shuffles = (functional.pixel_shuffle, torch.pixel_shuffle)
        return 0 if node.target in _POINTWISE_FUNCTIONS or node.target in shuffles else None
    return 0 if node.op == "call_method" and node.target in _POINTWISE_METHODS else None


def _low_part(traced: fx.GraphModule, high: set[fx.Node], crossing: list[fx.Node]) -> nn.Module:
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in traced.graph.nodes:
        if node not in high:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for node in crossing))
    return fx.GraphModule(traced, graph)


def _high_part(traced: fx.GraphModule, high: set[fx.Node], crossing: list[fx.Node]) -> nn.Module:
    graph = fx.Graph()
    copies = {node: graph.placeholder(f"features_{number}") for number, node in enumerate(crossing)}
    for node in traced.graph.nodes:
        if node in high:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    return fx.GraphModule(traced, graph)

"""The checkpoints of other projects: which network a state dict is of, and how its keys map to ours.

Sources of the key layouts: Maclory/SPSR (`spsr.pth`), ESRGAN before and after its clean-up of 2019 (BasicSR's
`old arch` and `new arch`), BasicSR, EDSR-PyTorch, RCAN, and BasicSR's old `sr_resnet`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from spsr.errors import InputError
from spsr.models.edsr import DIV2K_MEAN, RGB_RANGE

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """One way of naming the tensors of one network.

    Attributes:
        title: of the layout, for people.
        architecture, size: what `spsr.models.build` needs.
        layers: our layer's name to theirs, both without `.weight` and `.bias`.
        aliases: a layer that is stored a second time under another name, to the name that we read.
        constants: keys that may be there and must hold these fixed values.
    """

    title: str
    architecture: str
    size: dict[str, Any]
    layers: dict[str, str]
    aliases: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Tensor] = field(default_factory=dict)

    @property
    def keys(self) -> dict[str, str]:
        """Our state dict key to theirs."""
        return {
            f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in self.layers.items() for part in ("weight", "bias")
        }


def recognise(state: State) -> Layout:
    """Tell the network, its size and its layout from the keys and shapes.

    Raises:
        InputError: no known layout, or a size or scale that the network here cannot have.
    """
    for marker, layout in LAYOUTS.items():
        if marker in state:
            return layout(state)
    raise InputError(
        f"unknown network (its first keys are {', '.join(list(state)[:3]) or 'none'}); "
        "known are SPSR, ESRGAN/RRDB, EDSR, RCAN, SRResNet, SFTGAN, and the files of this project"
    )


def translate(state: State, layout: Layout) -> dict[str, Tensor]:
    """Rename every tensor of `state` to our keys.

    Raises:
        InputError: a key is missing or left over, a copy differs from its original, or a constant from its value.
    """
    keys = layout.keys
    aliases = {
        f"{copy}.{part}": f"{original}.{part}"
        for copy, original in layout.aliases.items()
        for part in ("weight", "bias")
    }
    expected = set(keys.values()) | set(aliases)
    unexpected = [key for key in state if key not in expected and key not in layout.constants]
    missing = [key for key in sorted(expected) if key not in state]
    if missing:
        raise InputError(f"{layout.title}: {_some(missing)} missing; the file is not complete")
    if unexpected:
        raise InputError(f"{layout.title}: {_some(unexpected)} does not belong to this network; take it out")
    for copy, original in aliases.items():
        if not torch.equal(state[copy], state[original]):
            raise InputError(f"{layout.title}: '{copy}' and '{original}' are one tensor there, but differ here")
    for key, value in layout.constants.items():
        if key in state and not (state[key].shape == value.shape and torch.allclose(state[key], value, rtol=1e-4)):
            raise InputError(f"{layout.title}: '{key}' is not the fixed value of this network; it is another network")
    return {ours: state[theirs] for ours, theirs in keys.items()}


def _some(keys: list[str]) -> str:
    return f"'{keys[0]}'" + (f" (and {len(keys) - 1} more)" if len(keys) > 1 else "")


def _count(state: State, pattern: str) -> int:
    """How many numbers, from 0 on, the group in `pattern` takes among the keys."""
    numbers = [int(found[1]) for key in state if (found := re.match(pattern, key))]
    return max(numbers, default=-1) + 1


def _channels(state: State, key: str, axis: int = 0) -> int:
    if key not in state or state[key].ndim <= axis:
        raise InputError(f"'{key}' is missing or has no channels; the file is not complete")
    return state[key].shape[axis]


def _rrdb(ours: str, theirs: str) -> dict[str, str]:
    """Layers of one RRDB; `theirs` has places for the dense block and the convolution, counted from 1."""
    return {
        f"{ours}.dense.{block}.convs.{layer}": theirs.format(block + 1, layer + 1)
        for block in range(3)
        for layer in range(5)
    }


def old_sr_branch(blocks: int, upsamplings: int = 2) -> dict[str, str]:
    """Layers of the SR branch in the layout of SPSR and of the old ESRGAN."""
    layers = {"sr_branch.head": "model.0", "sr_branch.trunk_end": f"model.1.sub.{blocks}"}
    for n in range(blocks):
        layers |= _rrdb(f"sr_branch.trunk.{n}", f"model.1.sub.{n}.RDB{{}}.conv{{}}.0")
    for n in range(upsamplings):
        layers[f"sr_branch.upsample.{n}.conv"] = f"model.{3 + 3 * n}"
    return layers | {"sr_branch.hr": f"model.{2 + 3 * upsamplings}"}


def spsr_layers(blocks: int = 23) -> dict[str, str]:
    """Our layers of SPSR with its four taps, to the names of the official code."""
    layers = old_sr_branch(blocks) | {"sr_out": "HR_conv1_new.0", "gradient_branch.head": "b_fea_conv.0"}
    for n in range(4):
        layers |= _rrdb(f"gradient_branch.blocks.{n}", f"b_block_{n + 1}.RDB{{}}.conv{{}}.0")
        layers[f"gradient_branch.reduce.{n}"] = f"b_concat_{n + 1}.0"
    layers |= {
        "gradient_branch.end": "b_LR_conv.0",
        "gradient_branch.upsample.0.conv": "b_module.1",
        "gradient_branch.upsample.1.conv": "b_module.4",
        "gradient_branch.hr": "b_module.6",
        "gradient_branch.out": "b_module.8",
        "to_gradient": "conv_w.0",
    }
    layers |= _rrdb("fusion.block", "f_block.RDB{}.conv{}.0")
    return layers | {"fusion.reduce": "f_concat.0", "fusion.hr": "f_HR_conv0.0", "fusion.to_rgb": "f_HR_conv1.0"}


def _spsr(state: State) -> Layout:
    blocks = _count(state, r"model\.1\.sub\.(\d+)\.RDB")
    if blocks < 20:
        raise InputError(f"official SPSR: {blocks} blocks, but its gradient branch reads the 5th, 10th, 15th and 20th")
    size = {
        "features": _channels(state, "model.0.weight"),
        "blocks": blocks,
        "growth": _channels(state, "b_block_1.RDB1.conv1.0.weight"),
        "taps": (5, 10, 15, 20),
    }
    vertical = torch.tensor([[0.0, -1, 0], [0, 0, 0], [0, 1, 0]]).view(1, 1, 3, 3)
    return Layout(
        title="SPSR in the official layout",
        architecture="spsr",
        size=size,
        layers=spsr_layers(blocks),
        aliases={"HR_conv0_new.0": "model.8"},
        constants={"get_g_nopadding.weight_v": vertical, "get_g_nopadding.weight_h": vertical.transpose(2, 3)},
    )


def _rrdb_old(state: State) -> Layout:
    blocks = _count(state, r"model\.1\.sub\.(\d+)\.RDB")
    upsamplings = (_count(state, r"model\.(\d+)\.weight") - 5) // 3
    if upsamplings not in (0, 1, 2):
        raise InputError(f"RRDB network with scale {2.0**upsamplings:g}; this project has scale 1, 2 and 4")
    return Layout(
        title="RRDB network in the old ESRGAN layout",
        architecture="rrdb",
        size={
            "features": _channels(state, "model.0.weight"),
            "blocks": blocks,
            "growth": _channels(state, "model.1.sub.0.RDB1.conv1.0.weight"),
            "scale": 2**upsamplings,
        },
        layers=old_sr_branch(blocks, upsamplings) | {"to_rgb": f"model.{4 + 3 * upsamplings}"},
    )


def _rrdb_named(state: State, title: str, trunk: str, dense: str, names: tuple[str, str, str, str]) -> Layout:
    blocks = _count(state, rf"{trunk}\.(\d+)\.")
    end, up1, up2, hr = names
    inputs = _channels(state, "conv_first.weight", axis=1)
    if inputs != 3:
        raise InputError(
            f"{title} with {inputs} input channels (pixel unshuffle of scale 1 or 2); only scale 4 in this layout"
        )
    layers = {"sr_branch.head": "conv_first", "sr_branch.trunk_end": end}
    for n in range(blocks):
        layers |= _rrdb(f"sr_branch.trunk.{n}", f"{trunk}.{n}.{dense}{{}}.conv{{}}")
    layers |= {"sr_branch.upsample.0.conv": up1, "sr_branch.upsample.1.conv": up2}
    layers |= {"sr_branch.hr": hr, "to_rgb": "conv_last"}
    size = {
        "features": _channels(state, "conv_first.weight"),
        "blocks": blocks,
        "growth": _channels(state, f"{trunk}.0.{dense}1.conv1.weight"),
        "scale": 4,
    }
    return Layout(title, "rrdb", size, layers)


def _rrdb_new(state: State) -> Layout:
    names = ("trunk_conv", "upconv1", "upconv2", "HRconv")
    return _rrdb_named(state, "RRDB network in the new ESRGAN layout", "RRDB_trunk", "RDB", names)


def _rrdb_basicsr(state: State) -> Layout:
    names = ("conv_body", "conv_up1", "conv_up2", "conv_hr")
    return _rrdb_named(state, "RRDB network in the BasicSR layout", "body", "rdb", names)


def _mean_shift() -> dict[str, Tensor]:
    identity = torch.eye(3).view(3, 3, 1, 1)
    mean = torch.tensor(DIV2K_MEAN) * RGB_RANGE
    return {
        "sub_mean.weight": identity,
        "sub_mean.bias": -mean,
        "add_mean.weight": identity,
        "add_mean.bias": mean,
    }


def _check_shuffles(state: State, title: str, first: str, second: str) -> None:
    features = _channels(state, "head.0.weight" if "head.0.weight" in state else "model.0.weight")
    if _channels(state, first) != 4 * features or second not in state or _channels(state, second) != 4 * features:
        raise InputError(f"{title} of another scale than 4 ('{first}', '{second}'); only x4 is known here")


def _edsr(state: State) -> Layout:
    title = "EDSR in the official layout"
    _check_shuffles(state, title, "tail.0.0.weight", "tail.0.2.weight")
    blocks = _count(state, r"body\.(\d+)\.body\.")
    features = _channels(state, "head.0.weight")
    layers = {"head": "head.0", "body_end": f"body.{blocks}", "tail": "tail.1"}
    layers |= {"upsample.0.conv": "tail.0.0", "upsample.1.conv": "tail.0.2"}
    for n in range(blocks):
        layers |= {f"body.{n}.conv1": f"body.{n}.body.0", f"body.{n}.conv2": f"body.{n}.body.2"}
    # The factor on the residuals is not stored; the EDSR repository uses 0.1 with its 256 channels.
    size = {"features": features, "blocks": blocks, "residual_scale": 0.1 if features >= 256 else 1.0}
    return Layout(title, "edsr", size, layers, constants=_mean_shift())


def _rcan(state: State) -> Layout:
    title = "RCAN in the official layout"
    _check_shuffles(state, title, "tail.0.0.weight", "tail.0.2.weight")
    groups = _count(state, r"body\.(\d+)\.body\.")
    blocks = _count(state, r"body\.0\.body\.(\d+)\.body\.")
    features = _channels(state, "head.0.weight")
    reduction = features // _channels(state, "body.0.body.0.body.3.conv_du.0.weight")
    layers = {"head": "head.0", "body_end": f"body.{groups}", "tail": "tail.1"}
    layers |= {"upsample.0.conv": "tail.0.0", "upsample.1.conv": "tail.0.2"}
    inside = {"conv1": "0", "conv2": "2", "squeeze": "3.conv_du.0", "excite": "3.conv_du.2"}
    for g in range(groups):
        layers[f"groups.{g}.end"] = f"body.{g}.body.{blocks}"
        for b in range(blocks):
            for ours, theirs in inside.items():
                layers[f"groups.{g}.blocks.{b}.{ours}"] = f"body.{g}.body.{b}.body.{theirs}"
    size = {"features": features, "groups": groups, "blocks": blocks, "reduction": reduction}
    return Layout(title, "rcan", size, layers, constants=_mean_shift())


def _srresnet(state: State) -> Layout:
    title = "SRResNet without norm in the old BasicSR layout"
    _check_shuffles(state, title, "model.2.weight", "model.5.weight")
    blocks = _count(state, r"model\.1\.sub\.(\d+)\.res\.")
    layers = {"head": "model.0", "body_end": f"model.1.sub.{blocks}"}
    for n in range(blocks):
        layers |= {f"body.{n}.conv1": f"model.1.sub.{n}.res.0", f"body.{n}.conv2": f"model.1.sub.{n}.res.2"}
    layers |= {"upsample.0.conv": "model.2", "upsample.1.conv": "model.5", "hr": "model.8", "tail": "model.10"}
    return Layout(title, "srresnet", {"features": _channels(state, "model.0.weight"), "blocks": blocks}, layers)


def _sftgan(state: State) -> Layout:
    blocks = _count(state, r"sft_branch\.(\d+)\.sft0\.")
    nearest = "HR_branch.1.weight" in state
    features = _channels(state, "conv0.weight")
    up1, up2, hr, tail = (1, 4, 6, 8) if nearest else (0, 3, 6, 8)
    if _channels(state, f"HR_branch.{up1}.weight") != (1 if nearest else 4) * features:
        raise InputError(f"SFTGAN of another scale than 4 ('HR_branch.{up1}'); only x4 is known here")
    layers = {"head": "conv0", "body_end": f"sft_branch.{blocks + 1}", "hr": f"HR_branch.{hr}"}
    layers |= {
        "upsample.0.conv": f"HR_branch.{up1}",
        "upsample.1.conv": f"HR_branch.{up2}",
        "tail": f"HR_branch.{tail}",
    }
    transforms = {"sft_end": f"sft_branch.{blocks}"}
    for n in range(blocks):
        layers |= {f"body.{n}.conv1": f"sft_branch.{n}.conv0", f"body.{n}.conv2": f"sft_branch.{n}.conv1"}
        transforms |= {f"body.{n}.sft1": f"sft_branch.{n}.sft0", f"body.{n}.sft2": f"sft_branch.{n}.sft1"}
    for ours, theirs in transforms.items():
        layers |= {f"{ours}.{part}.{n}": f"{theirs}.SFT_{part}_conv{n}" for part in ("scale", "shift") for n in (0, 1)}
    layers |= {f"condition.{n}": f"CondNet.{n}" for n in (0, 2, 4, 6, 8)}
    size = {
        "features": features,
        "blocks": blocks,
        "conditions": _channels(state, "CondNet.8.weight"),
        "variant": "torch" if nearest else "pytorch",
    }
    return Layout("SFTGAN in the official layout", "sftgan", size, layers)


LAYOUTS: dict[str, Callable[[State], Layout]] = {
    "b_fea_conv.0.weight": _spsr,
    "model.1.sub.0.RDB1.conv1.0.weight": _rrdb_old,
    "RRDB_trunk.0.RDB1.conv1.weight": _rrdb_new,
    "body.0.rdb1.conv1.weight": _rrdb_basicsr,
    "body.0.body.0.body.0.weight": _rcan,
    "body.0.body.0.weight": _edsr,
    "model.1.sub.0.res.0.weight": _srresnet,
    "CondNet.0.weight": _sftgan,
}
"""A key that only one layout has, to the function that reads the layout's size."""

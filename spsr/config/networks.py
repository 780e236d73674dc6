"""What networks there are, and the sizes that each of them takes, as its class says."""

import ast
import math
from functools import cache
from pathlib import Path
from typing import Any

GENERATORS = {
    "rrdb": "rrdb:RRDBNet",
    "spsr": "spsr:SPSR",
    "edsr": "edsr:EDSR",
    "srresnet": "srresnet:SRResNet",
    "srresnet_bn": "srresnet_bn:SRResNetBN",
    "rcan": "rcan:RCAN",
    "frsr": "natsr:FRSR",
    "sftgan": "sftgan:SFTGAN",
}
NETWORKS = GENERATORS | {
    "nse": "nse:NSE",
    "predictor": "nse:Predictor",
    "jigsaw_head": "nse:JigsawHead",
    "nmd": "natsr:NMD",
}
"""The class of each network in `spsr.models`."""

_MODELS = Path(__file__).resolve().parents[1] / "models"


@cache
def size_types(name: str) -> dict[str, str]:
    """The type of each size of a network, read from its class without importing it, for that would import torch."""
    if name == "discriminator":
        return {"channels": "int"}
    module, class_name = NETWORKS[name].split(":")
    tree = ast.parse((_MODELS / f"{module}.py").read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs][1:]
            return {each.arg: ast.unparse(each.annotation) if each.annotation else "" for each in arguments}
    return {}


def wrong_size(kind: str, value: Any) -> str | None:
    """What is wrong with the value of a size of the type `kind`; none if nothing is."""
    if kind == "int" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        return "give a whole number from 1"
    if kind == "float" and (
        not isinstance(value, int | float) or isinstance(value, bool) or not (math.isfinite(value) and value > 0)
    ):
        return "give a finite number above 0"
    return None

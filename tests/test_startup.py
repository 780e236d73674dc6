"""What starting a command imports, and what stands in for it."""

import subprocess
import sys

import torch
from torch import nn

from spsr.training.optimiser import adam


def imports_no_compiler(code: str) -> None:
    check = "\nimport sys\nfound = {'torch._dynamo', 'sympy'} & set(sys.modules)\nassert not found, found"
    result = subprocess.run([sys.executable, "-c", code + check], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_step_of_the_optimiser_imports_no_compiler():
    imports_no_compiler("""
import torch
from spsr.training.optimiser import adam
layer = torch.nn.Linear(2, 2)
optimiser = adam(layer.parameters())
optimiser.set_learning_rate(0.1)
optimiser.zero_grad()
layer(torch.ones(1, 2)).sum().backward()
optimiser.step()
optimiser.load_state_dict(optimiser.state_dict())
""")


def test_the_optimiser_is_pytorchs_adam_to_the_bit():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 7), nn.Linear(5, 7)
    theirs.load_state_dict(ours.state_dict())
    first = adam(ours.parameters())
    second = torch.optim.Adam(theirs.parameters(), betas=(0.9, 0.999), eps=1e-8, fused=True)
    for _ in range(5):
        batch = torch.rand(3, 5)
        for network, optimiser in ((ours, first), (theirs, second)):
            optimiser.zero_grad()
            network(batch).square().sum().backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert all(parameter.requires_grad for parameter in ours.parameters())
    mine, yours = first.state_dict()["state"], second.state_dict()["state"]
    assert all(torch.equal(mine[key][name], yours[key][name]) for key in yours for name in yours[key])


def test_lpips_is_imported_without_the_compiler_which_can_be_imported_afterwards():
    imports_no_compiler("""
from spsr.metrics.torchvision_ops import import_torchvision
import_torchvision()
import lpips
lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
""")
    code = """
from spsr.metrics.torchvision_ops import import_torchvision
import_torchvision()
import torch
assert torch.compile(lambda x: x + 1, backend="eager")(torch.zeros(1)) == 1
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""What starting a command imports, and what stands in for it."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from spsr.training.optimiser import adam


def imports_no_compiler(code: str) -> None:
    check = "\nimport sys\nfound = {'torch._dynamo', 'sympy'} & set(sys.modules)\nassert not found, found"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    run = [sys.executable, "-c", code + check]
    result = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
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


def test_no_network_needs_the_compiler_to_be_loaded(tmp_path: Path) -> None:
    imports_no_compiler(f"""
from pathlib import Path
from spsr.config.networks import NETWORKS
from spsr.models import build, from_checkpoint
from spsr.models.checkpoint import to_checkpoint
for name in NETWORKS:
    to_checkpoint(build(name), Path({str(tmp_path)!r}) / f"{{name}}.safetensors")
    from_checkpoint(Path({str(tmp_path)!r}) / f"{{name}}.safetensors")
""")


def test_a_training_that_starts_from_another_imports_no_compiler(tmp_path: Path) -> None:
    imports_no_compiler(f"""
import sys
from pathlib import Path
from random_weights import with_random_weights
from small_runs import small_schedules
from synthetic import photograph
from spsr import cli
from spsr.data.image_sets import ImageSet, from_folder
from spsr.data.pack import pack
from spsr.images import write_png
folder = Path({str(tmp_path)!r})
write_png(folder / "photographs" / "one.png", photograph(0, 160))
schedules = small_schedules(iterations=1)
schedules["gan"]["patch"] = 16  # As in the quick preset, whose steps are counted beforehand.
with with_random_weights(folder, schedules=schedules) as config:
    pack(ImageSet(from_folder(folder / "photographs")), config.layout.training_pack, processes=1)
    sys.argv = ["spsr", "train", "spsr_p", "--configfile", str(config.path)]
    try:
        cli.main()
    except SystemExit as ended:
        assert not ended.code, ended.code
    assert config.layout.model("spsr_p", 0).is_file()
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

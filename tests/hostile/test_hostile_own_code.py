"""Code of one's own that fails is one line with its file, line and function, and never looks like success."""

import os
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
import yaml
from random_weights import write_alexnet
from synthetic import photograph, toy_config

from spsr import cli
from spsr.config import CONFIGS, Config, Term
from spsr.data import weights
from spsr.data.benchmark import prepare_benchmark
from spsr.data.image_sets import ImageSet
from spsr.data.pack import pack
from spsr.errors import InputError, RunFailed
from spsr.images import write_png
from spsr.losses import CustomLoss
from spsr.losses.views import Views
from spsr.models import build
from spsr.models.inference_cost import cost_of
from spsr.plugins import OwnCodeFailed, named

FAILING = {
    "raises": "raise KeyError('x\\ny')",
    "an unknown view": "return views.view('fake', 'nothing')",
    "a view without its network": "return views.view('fake', 'structure')",
    "exits": "import sys; sys.exit(0)",
    "exits without a code": "raise SystemExit",
    "recurses": "return loss(views)",
    "no such name": "return nothing",
    "changes what was generated": "views.images[1].detach().mul_(2); return views.images[1].mean()",
    "changes the original": "views.view('real', 'image').zero_(); return views.view('fake', 'image').mean()",
    "shapes that do not fit": "return views.view('fake', 'image') @ torch.zeros(5, 5)",
}


def measure(code: str, signature: str = "views") -> None:
    Path("own.py").write_text(f"import torch\n\ndef loss({signature}):\n    {code}\n")
    sr = torch.rand(1, 3, 8, 8, requires_grad=True) * 1
    CustomLoss(Term("custom", "own.py:loss", 1.0))(Views(torch.rand(1, 3, 8, 8), sr))


@pytest.mark.parametrize("code", FAILING.values(), ids=FAILING)
def test_a_loss_that_fails(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OwnCodeFailed, match=r"own\.py:") as raised:
        measure(code)
    assert "\n" not in str(raised.value)
    assert "in place" in str(raised.value) or ", in loss:" in str(raised.value)


@pytest.mark.parametrize("signature", ["", "views, more", "*, views"])
def test_a_loss_of_another_signature(signature: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OwnCodeFailed, match="TypeError"):
        measure("return views.view('fake', 'image').mean()", signature)


def test_a_loss_may_read_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    measure("x = views.view('fake', 'image'); return x.mean() * max(x.max().item(), 0.1)")


@pytest.mark.parametrize("code", ["import sys; sys.exit(0)", "raise SystemExit", "import os; os.abort_", "1 / 0", "("])
def test_a_file_that_fails_or_exits_when_it_is_imported(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(code)
    with pytest.raises(InputError, match=r"net\.py fails when it is imported"):
        build("net.py:Net")


NETWORKS = {
    "a size that cannot be written down": ("size=torch.relu", "", "cannot be written down"),
    "a size that is not the same when read": ("size=(1, 2)", "", "are other ones once they are read back"),
    "two tensors that are one": (
        "",
        "self.a = self.b = torch.nn.Parameter(torch.zeros(3))",
        "two of its tensors are one",
    ),
    "a constructor that raises": ("", "raise ValueError('x')", r"net\.py:5, in __init__: ValueError"),
    "a constructor that exits": ("", "raise SystemExit(0)", r"net\.py:5, in __init__: SystemExit"),
}


@pytest.mark.parametrize(("arguments", "code", "said"), NETWORKS.values(), ids=NETWORKS)
def test_a_network_that_cannot_be_kept_is_refused_before_it_is_trained(
    arguments: str, code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "import torch\nclass Net(torch.nn.PixelShuffle):\n"
        f"    def __init__(self, {arguments}):\n        super().__init__(4)\n        {code or 'pass'}\n"
        "    def forward(self, x): return super().forward(x.repeat_interleave(16, 1))\n"
    )
    with pytest.raises((InputError, OwnCodeFailed), match=said):
        build("net.py:Net")


NETWORK = """
import os, sys, torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Conv2d(3, 48, 3, padding=1)
    def forward(self, x):
        if x.shape[-1] != 16 and {moment}:
            {code}
        return torch.nn.functional.pixel_shuffle(self.body(x), 4)
"""
FUNCTION = """
import os, sys
def f(*images):
    {code}
    return 0 * (images[0].view("fake", "image").mean() if len(images) == 1 else 1)
"""
EXITS = ("os._exit(0)", "sys.exit(0)", "sys.exit()", "1 / 0")
"""Each ends or fails; none of them may look like success."""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A preset of two steps with code of one's own: a network, a loss and a metric, all of which work."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK.format(moment=False, code="pass"))
    Path("f.py").write_text(FUNCTION.format(code="pass"))
    methods = yaml.safe_load((CONFIGS / "methods.yaml").read_text(encoding="utf-8"))
    terms = {"pixel": {"image": 1}, "custom": {"f.py:f": 1}}
    methods["own"] = {"title": "Own", "generator": {"name": "net.py:Net"}, "schedule": "psnr", "losses": terms}
    Path("methods.yaml").write_text(yaml.safe_dump(methods), encoding="utf-8")
    steps = {"iterations": 2, "batch": 1, "patch": 96, "learning_rate": 1e-3, "log_every": 1, "checkpoint_every": 2}
    base = toy_config(tmp_path).preset.model_dump(mode="json", exclude_none=True)
    config = toy_config(
        tmp_path,
        schedules=base["schedules"] | {"own": steps},
        validation={"benchmark": "Set5", "every": 1},
        metrics=["f.py:f"],
        data=base["data"] | {"benchmarks": {"Set5": {"folder": "."}}},
    )
    write_png(tmp_path / "photograph.png", photograph(0))
    images = ImageSet({"photograph": tmp_path / "photograph.png"})
    prepare_benchmark("Set5", images, config.layout.benchmark("Set5"))
    pack(images, config.layout.training_pack)
    write_alexnet(weights.stored("alexnet"))
    return config


def spsr(config: Config, command: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of `spsr COMMAND own`; 0 if it ended as it should."""
    monkeypatch.setattr(sys, "argv", ["spsr", command, "own", "--configfile", str(config.path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


MOMENTS = {
    "a loss": ("f.py", FUNCTION, "train"),
    "a generator that trains": ("net.py", NETWORK.replace("{moment}", "self.training"), "train"),
    "a generator that is validated": ("net.py", NETWORK.replace("{moment}", "not self.training"), "train"),
    "a generator that upscales": ("net.py", NETWORK.replace("{moment}", "True"), "evaluate"),
    "a metric": ("f.py", FUNCTION, "evaluate"),
}


@pytest.mark.parametrize(("moment", "code"), [*product(MOMENTS, EXITS)])
def test_a_command_whose_own_code_ends_it_fails_and_leaves_no_outputs(
    moment: str, code: str, own: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, text, command = MOMENTS[moment]
    if command == "evaluate":
        assert spsr(own, "train", monkeypatch) == 0
    Path(file).write_text(text.format(code=code))
    capsys.readouterr()
    leave = os._exit
    assert spsr(own, command, monkeypatch) == 1
    assert os._exit is leave
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert file in said
    assert own.layout.model("own", 0).exists() == (command == "evaluate")
    assert not list(own.layout.root.glob("scores/**/*.csv"))


def test_a_network_that_ends_the_process_that_measures_it_is_one_line(own: Config) -> None:
    Path("net.py").write_text(NETWORK.format(moment="True", code="os._exit(0)"))
    with pytest.raises(RunFailed, match=r"cannot be measured: .*net\.py:\d+, in forward: SystemExit"):
        cost_of({"architecture": "net.py:Net", "size": {}}, 1)


def test_what_is_run_is_what_stands_in_the_file_though_python_knows_it_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = Path("f.py")
    for value in (1, 2):
        file.write_text(f"value = {value}")
        os.utime(file, (1e9, 1e9))
        assert named("f.py:value") == value

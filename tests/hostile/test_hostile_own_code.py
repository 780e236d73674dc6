"""Code of one's own that fails is one line with its file, line and function, and never looks like success."""

import os
from pathlib import Path

import pytest
import torch

from spsr.config import Term
from spsr.errors import InputError
from spsr.losses import CustomLoss
from spsr.losses.views import Views
from spsr.models import build
from spsr.plugins import OwnCodeFailed

FAILING = {
    "raises": "raise KeyError('x\\ny')",
    "an unknown view": "return views.view('fake', 'nothing')",
    "a view without its network": "return views.view('fake', 'structure')",
    "exits": "import sys; sys.exit(0)",
    "exits at once": "import os; os._exit(0)",
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
    leave = os._exit
    with pytest.raises(OwnCodeFailed, match=r"own\.py:") as raised:
        measure(code)
    assert "\n" not in str(raised.value)
    assert "in place" in str(raised.value) or ", in loss:" in str(raised.value)
    assert os._exit is leave


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

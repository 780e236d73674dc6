"""What docs/extending.md shows works as it stands there: each example is cut out of the page and run."""

import json as formats
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from small_runs import train_method
from synthetic import photograph, toy_config
from torch.nn import functional

from spsr.cli.plan import plan
from spsr.config import CONFIGS, Config, load
from spsr.data.image_sets import ImageSet
from spsr.data.inputs import input_hashes
from spsr.data.pack import pack
from spsr.errors import InputError
from spsr.images import write_png
from spsr.models import architecture, build, from_checkpoint, to_checkpoint
from spsr.models.initialise import start_from_interpolation
from spsr.pipeline import Pipeline
from spsr.reporting.tables.formats import make_table
from spsr.training import step_cost

PAGE = CONFIGS.parent / "docs" / "extending.md"
STEPS = {"iterations": 2, "batch": 1, "patch": 64, "learning_rate": 1e-3, "log_every": 1, "checkpoint_every": 2}


def examples() -> dict[str, list[str]]:
    """The code blocks of the page, by the file that their first line names."""
    found = defaultdict(list)
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        found[name].append(text)
    return found


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The page's examples beside a preset of tiny trainings without a perceptual loss, which needs weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    shown = examples()
    for name, texts in shown.items():
        if name.endswith(".py"):
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text("\n".join(texts), encoding="utf-8")
    for name in ("methods.yaml", "tables.yaml"):
        own = (CONFIGS / name).read_text(encoding="utf-8")
        Path(name).write_text("\n".join([own, *shown[f"configs/{name}"]]), encoding="utf-8")
    methods = Path("methods.yaml")
    methods.write_text(methods.read_text(encoding="utf-8").replace("perceptual: {image: 1}", "perceptual: {image: 0}"))
    results = {}
    for text in shown["configs/quick.yaml"]:
        results |= yaml.safe_load(text)["results"]
    small = {"features": 4, "blocks": 4, "growth": 4}
    networks = {"rrdb": small, "spsr": small}
    config = toy_config(
        tmp_path,
        networks={**networks, "discriminator": {"channels": 4}},
        schedules=dict.fromkeys(load().preset.schedules, STEPS)
        | {task: STEPS | {"patch": patch} for task, patch in (("contrastive", 96), ("jigsaw", 84))}
        | {"naturalness": STEPS | {"batch": 4}},
        results=results,
        tables=["table1", "gradient_weight"],
    )
    for number in range(2):
        write_png(tmp_path / f"photograph{number}.png", photograph(number))
    images = ImageSet({f"photograph{n}": tmp_path / f"photograph{n}.png" for n in range(2)})
    pack(images, config.layout.training_pack)
    return config


def train(config: Config, name: str) -> dict[str, float]:
    """Train a method to its end; its last losses."""
    start = config.method(name).init_from
    if start is not None and not config.layout.model(start, 0).is_file():
        train_method(config, start, 0)
    train_method(config, name, 0)
    last = config.layout.run(name, 0).events.read_text().splitlines()[-1]
    losses: dict[str, float] = yaml.safe_load(last)["losses"]
    return losses


def test_an_ablation_is_a_delta_in_yaml_alone(config: Config):
    parent, own = (config.method(name).losses for name in ("spsr_g", "spsr_g_strong_gradient"))
    assert {term.name: term.weight for term in own.terms()} == {
        **{term.name: term.weight for term in parent.terms()},
        "pixel/gradient": 0.1,
        "adversarial/gradient": 0.05,
    }
    assert set(train(config, "spsr_g_strong_gradient")) >= {"pixel/gradient", "adversarial/gradient"}


def test_a_method_in_a_table_of_ones_own_is_in_the_workflow(config: Config):
    pipeline = Pipeline(config)
    assert {"spsr_g", "spsr_g_strong_gradient", "rrdb"} <= set(pipeline.trained)
    make_table(config, "gradient_weight")
    shown = config.layout.table("gradient_weight", "md").read_text(encoding="utf-8")
    assert "SPSR-G, gradient losses ×10" in shown


def test_a_loss_in_one_file_is_logged_and_trains(config: Config):
    assert 0 < train(config, "esrgan_tv")["custom/total_variation"] < 2
    without = from_checkpoint(config.layout.model("rrdb", 0)).state_dict()
    trained = from_checkpoint(config.layout.model("esrgan_tv", 0)).state_dict()
    assert not all(torch.equal(trained[key], without[key]) for key in trained)


@pytest.mark.parametrize(
    ("file", "line", "wait", "function"),
    [
        ("own/losses.py", "    sr = ", "    float(views.images[0].mean())\n", "total_variation"),
        ("own/networks.py", "        return ", "        lr[lr > 0.5].sum()\n", "forward"),
    ],
)
def test_code_of_ones_own_that_cannot_be_captured_is_named_with_the_remedy_once(
    file: str, line: str, wait: str, function: str, config: Config, capsys: pytest.CaptureFixture[str]
):
    """On any device, so that it is known before a GPU is asked for."""
    code = Path(file).read_text(encoding="utf-8")
    begin = code.index(line, code.index(f"def {function}"))
    Path(file).write_text(code[:begin] + wait + code[begin:], encoding="utf-8")
    schedules = {name: each.model_copy(update={"iterations": 6}) for name, each in config.preset.schedules.items()}
    asked = {"compute": config.preset.compute.model_copy(update={"capture": True}), "schedules": schedules}
    train(
        replace(config, preset=config.preset.model_copy(update=asked)),
        "esrgan_tv" if function == "total_variation" else "shallow",
    )
    said = [text for text in capsys.readouterr().out.splitlines() if "waits for the device" in text]
    assert len(said) == 1
    number = code[:begin].count("\n") + 1
    assert re.search(rf"{file}:{number}, in {function} \(aten\..* set compute.capture to false", said[0])


def test_a_generator_in_one_file_is_trained_saved_and_loaded_again(config: Config):
    train(config, "shallow_gan")
    network = from_checkpoint(config.layout.model("shallow_gan", 0), scale=4, code=config.method("shallow_gan").code)
    assert architecture(network) == ("own/networks.py:Shallow", {"features": 16})
    assert network(torch.rand(1, 3, 9, 7)).shape == (1, 3, 36, 28)


def test_a_generator_in_one_file_can_start_from_interpolation(config: Config):
    network, lr = build("own/networks.py:Shallow", features=16), torch.rand(1, 3, 9, 7)
    start_from_interpolation(network)
    enlarged = functional.interpolate(lr, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(network(lr), enlarged, atol=1e-3, rtol=0)


def test_a_change_of_ones_own_code_begins_another_run(config: Config):
    train(config, "shallow")
    before = input_hashes(config, "shallow")
    Path("own/networks.py").write_text(Path("own/networks.py").read_text() + "\n# changed\n")
    assert input_hashes(config, "shallow") != before
    assert Path("own/networks.py") in Pipeline(config).training_inputs(SimpleNamespace(name="shallow", seed="0"))
    with pytest.raises(InputError, match=r"code of own/networks\.py:Shallow"):
        train_method(config, "shallow", 0)


def test_results_of_others_stand_in_the_tables_that_they_name(config: Config):
    assert config.method("realesrgan").checkpoint == "resources/weights/realesrgan_x4plus.pth"
    assert config.table("table1").methods[-2:] == ("realesrgan", "theirs")
    assert len(examples()["configs/quick.yaml"][0].strip().splitlines()) == 5


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Net = 3", "is no class of torch.nn.Module"),
        ("x = 1", "has no 'Net'; it has x"),
        ("import nothing_such", "fails when it is imported: ModuleNotFoundError"),
        ("from torch import nn\nclass Net(nn.Conv2d):\n    def __init__(self, features=3): super().__init__(3, 3, 1)",
         "makes 1x3x16x16 of an image of 1x3x16x16; 1x3x64x64 is needed"),
        ("from torch import nn\nclass Net(nn.Module):\n    def __init__(self, width): super().__init__()",
         "size 'width' is not given and has no default"),
        ("from torch import nn\nclass Net(nn.Module): pass", "fails on an image of 1x3x16x16: NotImplementedError"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_used_is_one_clear_line(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(code)
    with pytest.raises(InputError, match=re.escape(said)) as raised:
        build("net.py:Net")
    assert "\n" not in str(raised.value)


def test_a_loss_that_returns_no_number_is_one_clear_line(config: Config):
    Path("own/losses.py").write_text("def total_variation(views):\n    return views.view('fake', 'image')\n")
    with pytest.raises(InputError, match="returned a tensor of shape"):
        train(config, "esrgan_tv")


def show_esrgan_tv() -> None:
    """Name the method with the custom loss in a table of the preset."""
    tables = Path("tables.yaml")
    tables.write_text(tables.read_text(encoding="utf-8").replace("methods: [spsr_g,", "methods: [esrgan_tv, spsr_g,"))


def test_a_file_that_is_not_there_is_named_with_the_line_of_the_method(config: Config):
    show_esrgan_tv()
    Path("own/losses.py").unlink()
    with pytest.raises(InputError, match=r"methods\.yaml:\d+: esrgan_tv: .*no file own/losses\.py"):
        load(config.path)


def test_a_file_that_is_not_there_stops_no_preset_that_does_not_show_its_method(config: Config):
    Path("own/losses.py").unlink()
    assert "esrgan_tv" in load(config.path).methods
    with pytest.raises(InputError, match=r"no file own/losses\.py"):
        train(config, "esrgan_tv")


@pytest.mark.parametrize(
    "code", ["def total_variation(views):\n    return views.nothing_such\n", "import nothing_such\n"]
)
def test_a_loss_that_fails_is_named_and_leaves_the_plan_of_the_others(
    config: Config, code: str, capsys: pytest.CaptureFixture[str]
):
    show_esrgan_tv()
    Path("own/losses.py").write_text(code)
    step_cost._known.cache_clear()  # Counted in this process with the code as it was.
    plan(config.path, json=True)
    printed = capsys.readouterr()
    planned = {run["name"] for run in formats.loads(printed.out)["runs"]}
    assert "esrgan_tv" not in planned
    assert {"rrdb", "esrgan", "spsr_g"} <= planned
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("warning: esrgan_tv is not counted: 'own/losses.py:total_variation'")


def test_a_checkpoint_can_name_no_code_outside_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    network = build("srresnet", features=4, blocks=1)
    vars(network)["architecture"] = "../elsewhere/net.py:Net"
    (tmp_path / "elsewhere" / "net.py").write_text("raise SystemExit('was run')")
    to_checkpoint(network, "model.safetensors")
    with pytest.raises(InputError, match="lies outside the current folder"):
        from_checkpoint("model.safetensors", code=["../elsewhere/net.py:Net"])


def test_a_checkpoint_can_call_nothing_but_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    network = build("srresnet", features=4, blocks=1)
    Path("kept").mkdir()
    vars(network).update(architecture="shutil:rmtree", size={"path": "kept"})
    to_checkpoint(network, "model.safetensors")
    with pytest.raises(InputError, match="no class of"):
        from_checkpoint("model.safetensors", code=["shutil:rmtree"])
    assert Path("kept").is_dir()

"""The command line: quick to start, clear about bad input, and honest in its exit codes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spsr.cli.commands import COMMANDS, imported
from spsr.cli.progress_bar import progress_bar
from spsr.config import CONFIGS
from spsr.images import write_png

ROOT = CONFIGS.parent


def spsr(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spsr", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_the_command_line_says_of_itself_imports_nothing_heavy(option: str):
    check = (
        f"import sys; sys.argv = ['spsr', '{option}']\n"
        "from spsr.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'matplotlib', 'mlflow', 'snakemake', 'skimage', 'scipy', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_first_line_of_each_commands_help(name: str):
    assert imported(name).help.splitlines()[0] == COMMANDS[name]


def test_every_command_of_the_list_is_shown_with_its_line():
    shown = " ".join(spsr("--help").stdout.replace("│", " ").split())
    for name, line in COMMANDS.items():
        assert f"{name} {line}" in shown


def test_a_misspelt_command_is_told_its_name():
    result = spsr("trian")
    assert result.returncode == 2
    assert "'train'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["train", "spsrg"], "did you mean 'spsr_g'?"),
        (["evaluate", "esrgn"], "did you mean 'esrgan'?"),
        (["table", "tabel1"], "did you mean 'table1'?"),
        (["pretrain", "nse_p"], "did you mean 'nse_p_"),
        (["fetch", "Set55"], "did you mean 'Set5'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unknown_name_is_one_line_with_the_name_that_was_meant(arguments: list[str], meant: str, tmp_path: Path):
    assert meant in refused(spsr(*arguments, cwd=tmp_path))


def test_a_folder_that_is_missing_is_named(tmp_path: Path):
    assert "nowhere" in refused(spsr("score", tmp_path / "nowhere", tmp_path / "nowhere"))


def test_a_file_that_is_no_image_is_named_and_nothing_is_written(tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert "broken.png" in refused(spsr("upscale", tmp_path / "broken.png", "--bicubic", "-o", tmp_path / "out"))
    assert not list((tmp_path / "out").glob("*"))


def test_upscale_wants_exactly_one_way(tmp_path: Path):
    assert "exactly one" in refused(spsr("upscale", tmp_path, "-o", tmp_path / "out"))


def test_upscaling_and_scoring_a_folder_works_as_printed_in_the_help(tmp_path: Path):
    hr = tmp_path / "hr"
    hr.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(hr / "noise.png")
    done = spsr("upscale", hr, "--bicubic", "--from-hr", "-o", tmp_path / "sr")
    assert done.returncode == 0, done.stderr
    done = spsr("score", tmp_path / "sr", hr, "--lpips", "none", "--csv", tmp_path / "scores.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "scores.csv").read_text().splitlines()[0] == "image,lpips,psnr,ssim,ssim_standard"


def test_scores_of_each_image_and_the_protocol_are_shown_without_nan(tmp_path: Path):
    for folder, seed in (("sr", 1), ("hr", 2)):
        write_png(tmp_path / folder / "a.png", np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8))
    result = spsr("score", tmp_path / "sr", tmp_path / "hr", "--lpips", "none", "--per-image", "--explain")
    assert result.returncode == 0, result.stderr
    assert re.search(r"│ a +│", result.stdout)
    assert re.search(r"│ RGB, whole image, plain SSIM +│", result.stdout)
    assert "nan" not in result.stdout


def test_without_a_terminal_a_part_of_an_image_is_a_percentage(capsys: pytest.CaptureFixture[str]):
    with progress_bar("upscale") as report:
        report(1 / 12, 1, "01")
        report(1, 1, "01")
    assert capsys.readouterr().out == "upscale: 8% 01\nupscale: 1/1 01\n"


def test_a_checkpoint_can_be_the_name_of_fetched_weights(tmp_path: Path):
    write_png(tmp_path / "a.png", np.zeros((24, 24, 3), np.uint8))
    command = [sys.executable, "-m", "spsr", "upscale", "a.png", "-o", "out", "--checkpoint", "srgan"]
    nowhere = os.environ | {"SPSR_RESOURCES": str(tmp_path)}
    result = subprocess.run(command, cwd=tmp_path, env=nowhere, capture_output=True, text=True, check=False)
    assert "run `spsr fetch srgan`" in refused(result)

"""The documents name what there is: packages, the directions of imports, commands and files."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from spsr.cli.commands import COMMANDS
from spsr.config import CONFIGS

ROOT = CONFIGS.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "configs" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
TRACKED = (".ci/", "benchmarks/", "configs/", "docs/", "envs/", "profiles/", "slurm/", "spsr/", "tests/", "workflow/")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_the_map_names_every_package_and_every_module_beside_them() -> None:
    packages = [path.parent for path in (ROOT / "spsr").rglob("__init__.py") if path.parent != ROOT / "spsr"]
    expected = [f"| `{path.relative_to(ROOT).as_posix()}/` |" for path in packages]
    expected += [f"| `spsr/{path.name}` |" for path in (ROOT / "spsr").glob("[!_]*.py")]
    assert [line for line in expected if line not in ARCHITECTURE] == []


def test_the_directions_of_imports_are_those_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(each for each in project["tool"]["importlinter"]["contracts"] if each["type"] == "layers")
    assert "\n".join(f"    {layer}" for layer in contract["layers"]) in ARCHITECTURE


@pages
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(r"(?:^ +|`|/bin/|&& |-- )spsr ([a-z]\w*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= COMMANDS.keys()


@pages
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    quoted = [name for name in re.findall(r"`([^`\s]+)`", text) if name.startswith(TRACKED)]
    patterns = [name.replace("NAME", "*") for name in quoted]
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [pattern for pattern in patterns if not any(ROOT.glob(pattern))] == []


def test_the_page_of_the_configuration_names_every_file_of_it() -> None:
    text = (ROOT / "configs" / "README.md").read_text(encoding="utf-8")
    assert [file.name for file in CONFIGS.glob("*.[yc]*") if f"`{file.name}`" not in text] == []


def test_snakemakes_catalogue_finds_what_it_looks_for() -> None:
    said = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "workflow" / "rules").glob("*.smk"))
    assert said["software-stack-deployment"]["report"] == ("report(" in rules)
    assert said["software-stack-deployment"]["conda"] == (ROOT / "envs" / "environment.yaml").is_file()
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "Snakefile").is_file()

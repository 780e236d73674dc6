"""Titles and names are text where they are shown: on terminals, in HTML, Markdown, LaTeX and reStructuredText."""

import html.parser
import re
import sys
from itertools import cycle
from pathlib import Path

import pytest
import yaml
from docutils.core import publish_string
from jinja2 import Template
from markdown_it import MarkdownIt
from synthetic import write_results
from typer.testing import CliRunner

from spsr import cli
from spsr.cli import app
from spsr.config import CONFIGS, Config, load
from spsr.reporting.report.page import make_report
from spsr.reporting.tables.formats import make_table
from spsr.reporting.tables.latex import escape as latex
from spsr.reporting.tables.markdown import escape as markdown
from spsr.tracking.experiment import mark_of

TEXTS = {
    "a closing tag of rich's": "[/red]",
    "a style of rich's": "[bold]x[/]",
    "a link of rich's": "[link=javascript:alert(1)]x[/link]",
    "an emoji's name": ":smile:",
    "a link of Markdown's": "[x](javascript:alert(1))",
    "an image of Markdown's": "![x](http://127.0.0.1/x.png)",
    "an address in brackets": "<javascript:alert(1)>",
    "a reference of Markdown's": "[x]: javascript:alert(1)",
    "emphasis": "**x** _x_ `x` ~~x~~",
    "a heading": "# x",
    "a cell": "a | b",
    "an entity": "&lt;b&gt;",
    "a script": "<script>alert(1)</script>",
    "the end of an attribute": "\" onload='alert(1)' x=\"",
    "the end of a caption": "</caption><img src=x onerror=alert(1)>",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "a command of LaTeX's": "\\input{/etc/passwd}",
    "the argument of a row's end": "[1ex] x",
    "a star": "* x",
    "a comment": "x % y",
    "mathematics": "$x_1^2$ & #1 ~",
    "a link of reStructuredText's": "`x <javascript:alert(1)>`_",
    "a directive": ".. raw:: html",
    "two lines": "x\n\n.. raw:: html\n\n   <b>x</b>",
    "the end of strong text": "x** `y <javascript:z>`__ **z",
}


ALL = " ".join([*TEXTS.values(), "interpolation"])


def on_one_line(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A preset that says one of the texts wherever it has something to say, and all of them in its mark."""
    monkeypatch.chdir(tmp_path)
    Path("[red]").mkdir()
    texts = cycle(TEXTS.values())
    for file in ("methods", "tables", "extractors"):
        entries = yaml.safe_load((CONFIGS / f"{file}.yaml").read_text(encoding="utf-8"))
        for entry in entries.values():
            entry["title"] = next(texts)
        Path(f"[red]/{file}.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
    preset = yaml.safe_load((CONFIGS / "quick.yaml").read_text(encoding="utf-8"))
    preset |= {"mark": ALL, "tables": ["table2", "table4", "table7"]}
    Path("[red]/quick.yaml").write_text(yaml.safe_dump(preset), encoding="utf-8")
    return load(Path("[red]/quick.yaml"))


class Page(html.parser.HTMLParser):
    """What a page shows, and what it could do."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", [], {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name: value or "" for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def can_do_nothing(page: Page) -> bool:
    return not {"script", "img", "a", "b", "strong", "em", "code", "del"} & {*page.tags} and not any(
        name.startswith("on") for name in page.attributes
    )


def titles_of(config: Config) -> set[str]:
    """What the methods of its tables are called."""
    tables = map(config.table, config.preset.tables)
    return {on_one_line(config.method(name).title) for table in tables for name in table.methods}


@pytest.mark.parametrize("command", ["methods", "methods --full", "status --all", "table --show", "plan"])
def test_terminals_show_it_as_it_is(hostile: Config, command: str) -> None:
    write_results(hostile, ("rrdb", "esrgan"))
    runner = CliRunner(env={"COLUMNS": "4000"})
    done = runner.invoke(app, [*command.split(), "--configfile", str(hostile.path)])
    assert done.exit_code == 0, done.exception
    said = {*done.output.split()}
    if command.startswith(("methods", "table")):
        assert {word for title in titles_of(hostile) for word in title.split()} <= said
    if command.startswith("table"):
        assert {*ALL.split()[1:]} <= said


@pytest.mark.parametrize("arguments", [["[/red]"], ["train", "[/red]"], ["train", "rrdb", "--configfile", "[/red]"]])
def test_what_is_typed_is_answered_as_it_is(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["spsr", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "[/red]" in capsys.readouterr().err


def test_tables_and_the_report_show_it_as_it_is(hostile: Config) -> None:
    write_results(hostile, ("rrdb", "esrgan"))
    shown = ""
    for name in hostile.preset.tables:
        make_table(hostile, name)
        page = Page(hostile.layout.table(name, "html").read_text(encoding="utf-8"))
        assert can_do_nothing(page)
        rendered = rendered_markdown(hostile.layout.table(name, "md").read_text(encoding="utf-8"))
        assert not {"script", "img", "a"} & {*rendered.tags}
        assert all(on_one_line(ALL) in on_one_line(each.text) for each in (page, rendered))
        shown += on_one_line(page.text) + on_one_line(rendered.text)
    assert all(shown.count(title) >= 2 for title in titles_of(hostile))
    report = Page(make_report(hostile).read_text(encoding="utf-8"))
    assert all(title in on_one_line(report.text) for title in titles_of(hostile))
    assert not any(name.startswith("on") for name in report.attributes)
    assert not any("javascript:" in report.attributes.get(name, "") for name in ("href", "src"))


def rendered_markdown(source: str) -> Page:
    return Page(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(source))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_markdown_shows_it_as_it_is(text: str) -> None:
    page = rendered_markdown(f"- {markdown(text)}")
    assert can_do_nothing(page)
    assert on_one_line(page.text) == on_one_line(text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_latex_has_no_command_of_it(text: str) -> None:
    source = latex(text)
    commands = {*re.findall(r"\\([a-zA-Z]+)", source)}
    assert commands <= {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"}
    bare = re.sub(r"\\.", "", source)
    assert not {*"%#&~^_"} & {*bare}
    assert not bare.startswith(("[", "*"))
    assert "\n" not in source


def test_descriptions_in_mlflow_are_text(hostile: Config) -> None:
    page = rendered_markdown(mark_of(hostile))
    assert page.tags == ["p", "strong"]
    assert on_one_line(page.text) == on_one_line(ALL)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_captions_of_the_workflow_are_text(text: str) -> None:
    caption = (CONFIGS.parent / "workflow" / "report" / "table.rst").read_text(encoding="utf-8")
    context = {"wildcards": {"name": "table1"}, "params": {"title": text}}
    source = Template(caption).render(snakemake=context)
    body = publish_string(source, writer="html5", settings_overrides={"report_level": 5}).decode()
    page = Page(body.partition("<body")[2])
    assert f"table1: {on_one_line(text)}" in on_one_line(page.text)
    assert {*page.tags} <= {"main", "p", "strong"}

"""YAML that asks for more than it holds, or holds what plain data cannot, is one line with file and remedy."""

from pathlib import Path

import pytest

from spsr.cluster.site import load_site
from spsr.config.yaml_source import MOST_BYTES, Source
from spsr.errors import InputError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)

CASES: dict[str, bytes] = {
    "aliases that grow without bound": LAUGHS.encode(),
    "an alias of itself": b"a: &a [*a]\n",
    "a mapping in itself": b"a: &a {b: *a}\n",
    "deep lists": b"a: " + b"[" * 500 + b"]" * 500,
    "deep mappings": b"a: " + b"{b: " * 2000 + b"1" + b"}" * 2000,
    "deep block lists": b"a:\n" + b"- " * 3000 + b"1\n",
    "open brackets": b"a: " + b"[" * 2000,
    "as many open brackets as fit": b"[" * (MOST_BYTES - 1),
    "large": b"a: " + b"x" * MOST_BYTES,
    "many values": b"a: [" + b"1," * 10_000 + b"1]",
    "an unknown alias": b"a: *b\n",
    "a Python object": b"a: !!python/object/apply:os.system [echo]\n",
    "a Python name": b"a: !!python/name:os.system\n",
    "an unknown tag": b"a: !mine 3\n",
    "a tag of a wrong type": b"a: !!int [1]\n",
    "an integer that is none": b"a: !!int x\n",
    "an empty integer": b"a: !!int ''\n",
    "a float that is none": b"a: !!float x\n",
    "a truth that is none": b"a: !!bool x\n",
    "a time that is none": b"a: !!timestamp x\n",
    "a date that is none": b"a: 2001-99-99\n",
    "binary that is none": b"a: !!binary 'x'\n",
    "a number of 5,000 digits": b"a: " + b"9" * 5000 + b"\n",
    "a hexadecimal number without digits": b"a: !!int 0x\n",
    "a list as key": b"? [1, 2]\n: 3\n",
    "a mapping as key": b"? {a: 1}\n: 3\n",
    "a merge with a number": b"a: {<<: 3}\n",
    "a key twice": b"a: 1\na: 2\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "a list at the top": b"- 1\n",
    "a number at the top": b"3\n",
    "text at the top": b"hello\n",
    "a tab as indent": b"a:\n\tb: 1\n",
    "an open quote": b"a: 'b\n",
    "an open bracket": b"a: [1\n",
    "UTF-16": "a: 1\n".encode("utf-16"),
    "Latin-1": "a: Müller\n".encode("latin-1"),
    "binary": bytes(range(256)),
    "zeros": b"\0" * 100,
    "a NUL in a value": b'a: "x\\0y"\n',
    "an escape code in a value": b'a: "\\e[31mred"\n',
    "an escape code in a key": b'"\\e[2J": 1\n',
    "a carriage return in a value": b'a: "x\\ry"\n',
    "half a character": b'a: "\\ud800"\n',
    "a separator of lines": b'a: "x\\L"\n',
    "a directive of another version": b"%YAML 9.9\n---\na: 1\n",
    "a malformed directive": b"%TAG\n---\na: 1\n",
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_with_the_file_and_nothing_else_happens(name: str, tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_bytes(CASES[name])
    with pytest.raises(InputError, match=r"preset\.yaml") as raised:
        Source(path)
    assert "\n" not in str(raised.value)


def test_a_value_that_is_nested_too_deeply_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_text("a: 1\nb: " + "[" * 40 + "]" * 40)
    with pytest.raises(InputError, match=r"preset\.yaml:2: .*nested more than 32 levels deep"):
        Source(path)


def test_a_byte_order_mark_anchors_and_merges_are_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "preset.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: &x {b: 1e-7}\nc: {<<: *x, d: [*x, *x]}\n")
    assert Source(path).data["c"] == {"b": 1e-7, "d": [{"b": 1e-7}, {"b": 1e-7}]}


@pytest.mark.parametrize("place", ["missing.yaml", ".", "preset.yaml/below", "x" * 300])
def test_a_place_that_holds_no_file_is_one_line(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preset.yaml").write_text("a: 1\n")
    with pytest.raises(InputError, match="cannot be read"):
        Source(Path(place))


@pytest.mark.parametrize("value", ["[", "{", "!!int x", "&a [*a]", "9" * 5000, "\x1b[2J", "1: 2: 3"])
def test_a_setting_of_the_site_that_is_no_value_is_one_line(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPSR_SITE_NODES", value)
    with pytest.raises(InputError, match=r"^SPSR_SITE_NODES"):
        load_site()

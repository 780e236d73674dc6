"""Whatever the system refuses is one line with the place and the remedy, and an exit code that is not 0."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spsr import cli
from spsr.cli.failures import failure, one_line
from spsr.errors import InputError, RunFailed
from spsr.files import atomic_path, write_text

ERRNOS = sorted(errno.errorcode)


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_every_error_of_the_system_names_the_place(number: int) -> None:
    said = failure(OSError(number, os.strerror(number), "some/place"))
    assert said is not None
    message, code = said
    assert message.startswith("some/place: ")
    assert "\n" not in message
    assert code == (1 if number == errno.EPIPE else 2)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RecursionError("deep"), OSError("odd"), UnicodeEncodeError("ascii", "\udcff", 0, 1, "no"),
     UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), BrokenPipeError(errno.EPIPE, "pipe")],
)  # fmt: skip
def test_what_is_no_mistake_of_ours_is_one_line(error: Exception) -> None:
    said = failure(error)
    assert said is not None
    assert said[1] != 0


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    assert failure(KeyError("x")) is None


def test_what_cannot_be_read_is_not_asked_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.png"
    secret.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    said = failure(PermissionError(errno.EACCES, "denied", str(secret)))
    assert said is not None
    assert "read" in said[0]
    assert "write" not in said[0]


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\nb", "\x07", "\u202edlrow", "\x00", "\u2028", "\udcff"])
def test_a_message_changes_nothing_about_the_terminal(text: str) -> None:
    said = one_line(f"a {text} b")
    assert said.isprintable()
    assert said.startswith("a ")


def test_a_message_has_an_end() -> None:
    assert len(one_line("x" * 100_000)) < 2100


@pytest.mark.parametrize("length", [1, 100, 200, 201, 241, 247, 251])
@pytest.mark.parametrize("letter", ["x", "ü", "字"])
def test_a_name_that_the_disk_takes_can_be_written(length: int, letter: str, tmp_path: Path) -> None:
    count = max(1, length // len(letter.encode()))
    target = tmp_path / f"{letter * count}.png"
    write_text(target, "done")
    assert target.read_text() == "done"
    assert [*tmp_path.iterdir()] == [target]


def test_a_full_disk_names_what_was_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as raised, atomic_path(tmp_path / "a.png"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path / "a.png")


@pytest.fixture
def run(tmp_path: Path):
    """Run the command line in a process of its own."""

    def spsr(*arguments: object, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spsr", *map(str, arguments)]
        settings = os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
        return subprocess.run(command, cwd=tmp_path, env=settings, capture_output=True, text=True, errors="replace")

    return spsr


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}])
def test_a_terminal_without_unicode_gets_what_it_can_show(run, environment: dict[str, str]) -> None:
    done = run("methods", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "spsr_g" in done.stdout


def test_a_reader_that_leaves_ends_the_command_in_one_line(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "spsr", "methods"]
    done = subprocess.run(command, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("said", [0, 1, None, "text"])
def test_code_that_ends_the_program_never_looks_like_success(
    said: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(said)

    monkeypatch.setattr(sys, "argv", ["spsr", "methods"])
    monkeypatch.setattr("spsr.cli.methods.load", leave)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == 1
    assert "ended the program" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(MemoryError(), 1), (RecursionError(), 2), (RunFailed("a\nb"), 1), (IsADirectoryError(21, "is", "d"), 2)],
)
def test_the_command_line_ends_with_one_line(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["spsr", "methods"])
    monkeypatch.setattr("spsr.cli.methods.load", fail)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == code
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "made_of_it", [None, RuntimeError("invalid state"), RunFailed("a"), InputError("a"), OSError(5, "b")]
)
def test_sigterm_ends_a_command_with_143_whatever_a_library_makes_of_it(
    made_of_it: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def struck(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except BaseException as error:
            if made_of_it is not None:
                raise made_of_it from error
            raise

    monkeypatch.setattr(sys, "argv", ["spsr", "methods"])
    monkeypatch.setattr("spsr.cli.methods.load", struck)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == 143
    assert capsys.readouterr().err == ""

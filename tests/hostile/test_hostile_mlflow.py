"""A dead, odd or malformed `MLFLOW_TRACKING_URI` is one line within seconds, and costs a training nothing."""

import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from synthetic import write_run

from spsr import cli
from spsr.config import Config
from spsr.tracking import contact, live

RUN = "spsr_g_wo_gb"
MALFORMED = [
    *("http://", "http:/x", "http:///x", "https://:80", "http://[::1", "http://h:99999", "http://h:x", "http://h:-1"),
    *("http://\x1b[31mh:9", "http://h\n:9", "./mlruns", "mlruns", "databricks", " ", "x" * 5000),
]
ODD = [
    *("ftp://h", "s3://bucket", "uc:x", "databricks://x", "azureml://x", "file:///nowhere/x", "http://" + "a" * 300),
    *("mysql://h:9/x", "mssql://h", "sqlite:///", "sqlite://", "sqlite:///toy.yaml", "sqlite:////proc/x/x.db"),
    *("http://127.0.0.1:9", "   http://127.0.0.1:9", "http://user:word@127.0.0.1:9", "http://127.0.0.1:0"),
]


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of something that takes connections and never says anything."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def spsr(toy: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a command of the toy preset, which has one finished training; its exit code and what it said."""
    write_run(toy, RUN, 0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(contact, "ANSWER_WITHIN", 5.0)

    def run(command: str, uri: str) -> tuple[object, str]:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setattr(sys, "argv", ["spsr", command, "--configfile", str(toy.path)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err

    return run


def is_one_line(said: str) -> bool:
    return said.startswith("error: ") and said.count("\n") == 1 and said.strip().isprintable()


@pytest.mark.parametrize("command", ["track", "ui"])
@pytest.mark.parametrize("uri", MALFORMED)
def test_what_is_no_address_is_refused(spsr, command: str, uri: str) -> None:
    code, said = spsr(command, uri)
    assert code == 2
    assert is_one_line(said)
    assert "MLFLOW_TRACKING_URI" in said


@pytest.mark.parametrize("uri", ODD)
def test_a_store_that_is_dead_or_none_is_one_line(spsr, uri: str) -> None:
    code, said = spsr("track", uri)
    assert code == 1
    assert is_one_line(said)
    assert "unset MLFLOW_TRACKING_URI" in said


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_store_that_is_silent_is_left(spsr, silent: int, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "ANSWER_WITHIN", 0.5)
    code, said = spsr("track", f"{scheme}://127.0.0.1:{silent}/x")
    assert code == 1
    assert is_one_line(said)
    assert "no answer within" in said


@pytest.mark.parametrize("uri", [uri for uri in (*MALFORMED, *ODD) if uri.startswith("http")] + ["http://127.0.0.1:{}"])
def test_the_sender_of_a_training_s_curves_notes_it_and_ends(
    toy: Config, silent: int, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(toy, RUN, 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(silent))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    ended = threading.Event()
    ended.set()
    live.follow(toy, RUN, 0, ended)
    assert toy.layout.run(RUN, 0).live_log.read_text(encoding="utf-8").count("\n") >= 1

"""Downloads: every fault of a server ends in the whole, right file or in one clear line and nothing half-written."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spsr.data.fetching import download as transfers
from spsr.data.fetching.download import ATTEMPTS, download
from spsr.data.fetching.sources import obtain
from spsr.data.hashing import SourceError, check_file
from spsr.data.registry import PageSource, UrlSource
from spsr.errors import InputError

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A server whose answers a test scripts: path -> function that answers the handler."""

    address: str
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, path: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        self.answers[path] = answer
        return f"{self.address}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers.get("Range")))
            state.answers[self.path](self)

        def log_message(self, *args: object) -> None: ...

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None: ...

    with Quiet(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}")
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        http.shutdown()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    headers.setdefault("Content_Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def whole(handler: BaseHTTPRequestHandler) -> None:
    send(handler, CONTENT)


def status(code: int) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: send(handler, b"no", code)


def breaks_off(handler: BaseHTTPRequestHandler) -> None:
    """Announces everything, sends half of it, knows no ranges."""
    send(handler, CONTENT[: len(CONTENT) // 2], Content_Length=str(len(CONTENT)))


def ranges(most: int) -> Callable[[BaseHTTPRequestHandler], None]:
    """Knows ranges but sends at most `most` bytes an answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        rest = CONTENT[start:]
        span = f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
        headers = {"Content_Length": str(len(rest)), "Accept_Ranges": "bytes"}
        if asked:
            headers["Content_Range"] = span
        send(handler, rest[:most], 206 if asked else 200, **headers)

    return answer


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_whole_file_arrives(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[float, float, str]] = []
    download(server.url("/a", whole), tmp_path / "a", size=len(CONTENT), progress=lambda *step: seen.append(step))
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT), "a")
    assert left_in(tmp_path) == ["a"]


def test_broken_transfers_are_resumed_with_range(server: Server, tmp_path: Path) -> None:
    url = server.url("/a", ranges(most=len(CONTENT) // 8))
    download(url, tmp_path / "a", backoff=0.001)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert len(server.requests) > ATTEMPTS  # progress does not count as failure
    assert server.requests[1] == ("/a", f"bytes={len(CONTENT) // 8}-")


def test_partial_file_of_an_interrupted_run_is_resumed(server: Server, tmp_path: Path) -> None:
    def interrupt(done: float, total: float, current: str) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    url = server.url("/a", ranges(most=len(CONTENT)))
    with pytest.raises(KeyboardInterrupt):
        download(url, tmp_path / "a", progress=interrupt)
    assert not (tmp_path / "a").exists()
    download(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.requests[-1][1] not in (None, "bytes=0-")
    assert left_in(tmp_path) == ["a"]


def test_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    answers = iter([breaks_off, whole])
    download(server.url("/a", lambda handler: next(answers)(handler)), tmp_path / "a", backoff=0.001)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_server_error_is_tried_again(server: Server, tmp_path: Path) -> None:
    answers = iter([status(500), status(503), whole])
    download(server.url("/a", lambda handler: next(answers)(handler)), tmp_path / "a", backoff=0.001)
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "requests", "reason"),
    [
        (status(404), 1, "HTTP 404"),
        (status(500), ATTEMPTS, "HTTP 500"),
        (breaks_off, ATTEMPTS, "truncated at|connection broke"),
        (lambda h: send(h, b"<html>sign in</html>", Content_Type="text/html; charset=utf-8"), 1, "web page"),
        (lambda h: send(h, CONTENT[:-1]), 1, "1048575 bytes instead of 1048576"),
    ],
    ids=["404", "500", "truncated", "web page", "other size"],
)
def test_failing_server_leaves_nothing(
    server: Server,
    tmp_path: Path,
    answer: Callable[[BaseHTTPRequestHandler], None],
    requests: int,
    reason: str,
) -> None:
    size = len(CONTENT) if "instead" in reason else None
    with pytest.raises(SourceError, match=reason):
        download(server.url("/a", answer), tmp_path / "a", size=size, backoff=0.001)
    assert len(server.requests) == requests
    assert left_in(tmp_path) == []


def test_no_server_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no connection"):
        download("http://127.0.0.1:9/a", tmp_path / "a", backoff=0.001)
    assert left_in(tmp_path) == []


def source(url: str, sha256: str | None = DIGEST) -> UrlSource:
    return UrlSource(kind="url", url=url, sha256=sha256)


def keep(file: Path, used: object, digest: str) -> bytes:
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    return file.read_bytes()


def test_wrong_hash_moves_on_to_the_next_source(server: Server, tmp_path: Path) -> None:
    wrong = source(server.url("/wrong", lambda h: send(h, b"something else")))
    right = source(server.url("/right", whole))
    assert obtain("it", [wrong, right], tmp_path / "file", keep, backoff=0.001) == CONTENT
    assert left_in(tmp_path) == []


def test_every_reason_is_in_the_one_line(server: Server, tmp_path: Path) -> None:
    sources = [
        source(server.url("/wrong", lambda h: send(h, b"something else"))),
        source(server.url("/gone", status(404))),
        source(server.url("/short", breaks_off)),
        PageSource(kind="page", url="http://127.0.0.1/page"),
    ]
    with pytest.raises(InputError) as error:
        obtain("it", sources, tmp_path / "file", keep, backoff=0.001)
    text = str(error.value)
    assert "\n" not in text
    for part in ("it: ", "/wrong: wrong sha256", "/gone: HTTP 404", "/short: ", "by hand", "spsr fetch it --from DIR"):
        assert part in text
    assert left_in(tmp_path) == []


def test_unpublished_hash_is_held_to_from_the_first_download_on(server: Server, tmp_path: Path) -> None:
    changed = source(server.url("/a", lambda h: send(h, b"another file")), sha256=None)
    assert obtain("it", [changed], tmp_path / "f", keep, recorded={}) == b"another file"
    with pytest.raises(InputError, match="wrong sha256"):
        obtain("it", [changed], tmp_path / "f", keep, recorded={changed.label: DIGEST})


def test_hash_prefix_size_and_md5_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert check_file(file, DIGEST[:8], md5, len(CONTENT)) == DIGEST
    for wrong in ({"sha256": "0" * 8}, {"sha256": None, "md5": "0" * 32}, {"sha256": None, "size": 3}):
        with pytest.raises(SourceError):
            check_file(file, **wrong)  # type: ignore[arg-type]


HEAD = b"HTTP/1.1 200 OK\r\n"


def says(
    first: bytes, again: bytes = b"", times: int = 1, pause: float = 0.0
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers with `first`, and then with something again and again."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(first)
        for _ in range(times):
            handler.wfile.write(again)
            time.sleep(pause)

    return answer


def drips(first: bytes, again: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return says(first, again, times=300, pause=0.02)


def endless(first: bytes, again: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    return says(first, again, times=1_000_000)


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HOSTILE = {
    "says nothing": drips(b"", b""),
    "drips its status": drips(b"HTTP/1.1 200 ", b"O"),
    "drips a header": drips(HEAD + b"X: ", b"x"),
    "drips headers": drips(HEAD, b"X: x\r\n"),
    "drips its body": drips(HEAD + b"\r\n", b"x"),
    "drips the size of a chunk": drips(CHUNKED, b"0"),
    "drips trailers": drips(CHUNKED + b"0\r\n", b"X: x\r\n"),
    "asks to go on for ever": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "status for ever": endless(b"HTTP/1.1 200 ", b"O" * 4096),
    "a header for ever": endless(HEAD + b"X: ", b"x" * 4096),
    "headers for ever": endless(HEAD, b"X: x\r\n" * 400),
    "a body for ever": endless(HEAD + b"\r\n", b"x" * 4096),
    "chunks for ever": endless(CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"),
    "trailers for ever": endless(CHUNKED + b"0\r\n", b"X: x\r\n" * 400),
    "announces more": says(HEAD + b"Content-Length: 99999999999999999999\r\n\r\n", CONTENT),
    "announces less": says(HEAD + b"Content-Length: 100\r\n\r\n", CONTENT),
    "announces less than nothing": says(HEAD + b"Content-Length: -7\r\n\r\n", b"x"),
    "announces no number": says(HEAD + b"Content-Length: lots\r\n\r\n", b"x"),
    "announces a number of 5000 digits": says(HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"x"),
    "a chunk of a negative size": says(CHUNKED + b"-5\r\n", b"x" * 100),
    "a part that was not asked for": says(HEAD.replace(b"200 OK", b"206 Part") + b"Content-Range: bytes 7-9/3\r\n\r\n"),
    "leads to itself": says(b"HTTP/1.1 302 Round\r\nLocation: /bad\r\nContent-Length: 0\r\n\r\n"),
    "leads to a file of this machine": says(b"HTTP/1.1 302 In\r\nLocation: file:///etc/passwd\r\n\r\n"),
    "leads to no address": says(b"HTTP/1.1 302 Out\r\nLocation: http://[/\r\n\r\n"),
    "leads nowhere": says(b"HTTP/1.1 302 Out\r\n\r\n"),
    "a status with escape codes": says(b"HTTP/1.1 404 \x1b[2J\x1b[31mall\x07 is well\r\nContent-Length: 0\r\n\r\n"),
    "a status that is no number": says(b"HTTP/1.1 abc OK\r\n\r\n"),
    "no HTTP": says(b"\x1b[2J\x00\xff" * 100 + b"\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_after_a_hostile_server_comes_the_next(
    server: Server, tmp_path: Path, answer: Callable[[BaseHTTPRequestHandler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, value in {"GRACE": 0.2, "_LOOK": 0.02, "MOST_BYTES": 2 * len(CONTENT)}.items():
        monkeypatch.setattr(transfers, limit, value)
    bad, good = source(server.url("/bad", answer)), source(server.url("/good", whole))
    assert obtain("it", [bad, good], tmp_path / "file", keep, backoff=0.001) == CONTENT
    with pytest.raises(InputError, match="/bad: ") as raised:
        obtain("it", [bad], tmp_path / "file", keep, backoff=0.001)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 500
    assert left_in(tmp_path) == []

"""Archives and packages are read without trusting them."""

import gzip
import hashlib
import io
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from spsr.cli.failures import one_line
from spsr.data.fetching import archives
from spsr.data.fetching.archives import extract, read_member
from spsr.data.fetching.packages import download_member
from spsr.data.fetching.sources import obtain
from spsr.data.hashing import SourceError
from spsr.data.registry import PipSource, UrlSource
from spsr.errors import InputError


def tar_of(path: Path, *entries: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry in entries:
            entry.size = 4 if entry.isfile() else 0
            archive.addfile(entry, io.BytesIO(b"data") if entry.isfile() else None)
    return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zip_of(path: Path, *names: str, link: str | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == link else 0o100644) << 16
            archive.writestr(info, "data")
    return path


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"])
@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_path_outside_is_refused_before_anything_is_written(tmp_path: Path, kind: str, name: str) -> None:
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        zip_of(archive, "good.png", name)
    else:
        tar_of(archive, entry("good.png"), entry(name), mode="w:gz" if kind == "tar.gz" else "w")
    with pytest.raises(SourceError, match="path outside"):
        extract(archive, tmp_path / "out" / "deep", lambda path: True)
    assert sorted(tmp_path.rglob("*")) == [archive]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tar_of(tmp_path / "a.tgz", entry("good.png"), entry("link", kind, "/etc/passwd"))
    with pytest.raises(SourceError, match="link or a special file"):
        extract(archive, tmp_path / "out", lambda path: True)
    assert not (tmp_path / "out").exists()


def test_symlink_in_a_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="link"):
        extract(zip_of(tmp_path / "a.zip", "x.png", "link", link="link"), tmp_path / "out", lambda path: True)


@pytest.mark.parametrize("content", [b"", b"not an archive at all", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_is_a_reason(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(SourceError, match="not a readable archive"):
        extract(tmp_path / "a", tmp_path / "out", lambda path: True)


def patched(archive: Path, changes: dict[bytes, tuple[int, bytes]]) -> None:
    """Change bytes behind each of some signatures, in a zip."""
    content = bytearray(archive.read_bytes())
    for signature, (offset, new) in changes.items():
        place = content.index(signature) + offset
        content[place : place + len(new)] = new
    archive.write_bytes(content)


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def an_encrypted_zip(path: Path) -> None:
    patched(zip_of(path, "1.png"), {LOCAL: (6, b"\x01"), CENTRAL: (8, b"\x01")})


def a_zip_of_an_unknown_method(path: Path) -> None:
    patched(zip_of(path, "1.png"), {LOCAL: (8, b"\x63"), CENTRAL: (10, b"\x63")})


def a_zip_whose_member_is_larger_than_it_says(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(1 << 22))
    patched(path, {CENTRAL: (24, (100).to_bytes(4, "little"))})


def a_zip_of_absurd_size(path: Path) -> None:
    patched(zip_of(path, "1.png"), {CENTRAL: (24, (0xFFFFFFF0).to_bytes(4, "little"))})


def a_zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", bytes(100 << 20))


def a_zip_with_a_torn_directory(path: Path) -> None:
    patched(zip_of(path, "1.png", "2.png"), {CENTRAL: (0, b"XXXX")})


def a_corrupt_xz(path: Path) -> None:
    content = bytearray(tar_of(path, entry("1.png"), mode="w:xz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def a_torn_gz(path: Path) -> None:
    path.write_bytes(tar_of(path, entry("1.png")).read_bytes()[:-30])


def a_tar_bomb(path: Path) -> None:
    with tarfile.open(path, "w:xz", preset=0) as archive:
        info = tarfile.TarInfo("1.txt")
        info.size = 100 << 20
        archive.addfile(info, io.BytesIO(bytes(info.size)))
        archive.addfile(tarfile.TarInfo("2.png"))


def a_tar_with_a_header_of(claimed: int) -> Callable[[Path], None]:
    """The name of its member would be so long."""

    def make(path: Path) -> None:
        info = entry("././@LongLink", tarfile.GNUTYPE_LONGNAME)
        info.size = claimed
        path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20)))

    return make


def a_tar_with_an_odd_header(path: Path) -> None:
    header = bytearray(entry("1.png").tobuf())
    header[124:136] = b"not a number"
    path.write_bytes(header + bytes(1024))


def more_files_than_any_data_set(path: Path) -> None:
    zip_of(path, *(f"{number}.png" for number in range(11)))


HOSTILE = {
    make.__name__.replace("_", " "): make
    for make in (
        an_encrypted_zip,
        a_zip_of_an_unknown_method,
        a_zip_whose_member_is_larger_than_it_says,
        a_zip_of_absurd_size,
        a_zip_bomb,
        a_zip_with_a_torn_directory,
        a_corrupt_xz,
        a_torn_gz,
        a_tar_bomb,
        a_tar_with_an_odd_header,
        more_files_than_any_data_set,
    )
} | {
    "a tar with a header that unpacks to 200 MB": a_tar_with_a_header_of(200 << 20),
    "a tar with a header of 8 GB": a_tar_with_a_header_of(8 << 30),
    "a path outside": lambda path: zip_of(path, "../1.png"),
    "a link": lambda path: tar_of(path, entry("1.png", tarfile.SYMTYPE, "/etc/passwd")),
    "a name with escape codes": lambda path: zip_of(path, "../\x1b[2J\n.png"),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_after_a_hostile_archive_comes_the_next(
    make: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MOST_MEMBERS", 10)
    make(tmp_path / "bad")
    zip_of(tmp_path / "good", "1.png")
    sources = [UrlSource(kind="url", url=f"http://127.0.0.1/{name}", sha256=None) for name in ("bad", "good")]
    monkeypatch.setattr(
        "spsr.data.fetching.sources.download",
        lambda url, file, **_: shutil.copyfile(tmp_path / url.rpartition("/")[2], file),
    )
    used = []

    def use(file: Path, source: object, digest: str) -> int:
        used.append(file)
        return extract(file, tmp_path / f"out{len(used)}", lambda path: path.suffix == ".png")

    assert obtain("it", sources, tmp_path / "file", use) == 1
    assert len(used) == 2
    with pytest.raises(InputError, match="/bad: ") as raised:
        obtain("it", sources[:1], tmp_path / "file", use)
    assert len(one_line(raised.value)) < 500


def test_only_wanted_members_are_written(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", "d/1.png", "d/2.txt")
    assert extract(archive, tmp_path / "out", lambda path: path.suffix == ".png") == 1
    assert [p.name for p in (tmp_path / "out").rglob("*.*")] == ["1.png"]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that pip uses as its only index."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def wheel(folder: Path) -> PipSource:
    """A wheel `tiny==1.0` with one data file, and the source that describes it."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/weights.bin", b"values")
        archive.writestr("tiny/__init__.py", "raise SystemExit('imported')")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return PipSource(
        kind="pip",
        package="tiny==1.0",
        archive="wheel",
        archive_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        member="tiny/weights.bin",
        sha256=hashlib.sha256(b"values").hexdigest(),
    )


def test_one_member_is_taken_out_of_a_wheel(index: Path, tmp_path: Path) -> None:
    download_member(wheel(index), tmp_path / "got" / "weights.bin")
    assert (tmp_path / "got" / "weights.bin").read_bytes() == b"values"
    assert len(list((tmp_path / "got").iterdir())) == 1
    assert "tiny" not in sys.modules


def test_archive_with_another_hash_is_never_unpacked(index: Path, tmp_path: Path) -> None:
    """An sdist's setup.py runs when pip reads its metadata: the hash has to be compared before."""
    ran = tmp_path / "ran"
    with tarfile.open(index / "evil-1.0.tar.gz", "w:gz") as archive:
        text = f"open({str(ran)!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n"
        for name, content in {"evil-1.0/setup.py": text, "evil-1.0/PKG-INFO": "Name: evil\n"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    source = PipSource(
        kind="pip",
        package="evil==1.0",
        archive="sdist",
        archive_sha256="0" * 64,
        member="weights.bin",
        sha256="0" * 64,
    )
    with pytest.raises(SourceError, match="another sha256"):
        download_member(source, tmp_path / "got" / "weights.bin")
    assert not ran.exists()
    assert list((tmp_path / "got").iterdir()) == []


def test_unknown_package_and_missing_member_are_reasons(index: Path, tmp_path: Path) -> None:
    good = wheel(index)
    with pytest.raises(SourceError, match="pip download failed"):
        download_member(good.model_copy(update={"package": "absent==1.0"}), tmp_path / "a")
    with pytest.raises(SourceError, match="holds no tiny/other"):
        download_member(good.model_copy(update={"member": "tiny/other.bin"}), tmp_path / "a")


def test_leading_folder_of_an_sdist_may_be_left_out(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", "pkg-1.0/models/w.pth")
    assert read_member(archive, "models/w.pth") == read_member(archive, "pkg-1.0/models/w.pth") == b"data"

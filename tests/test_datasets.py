"""Datasets: images are found by name whatever the archive calls them, and a passport says what really lies there."""

import io
import json
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spsr.data import collection, datasets, registry
from spsr.data.hashing import SourceError
from spsr.data.matching import ClashError, match
from spsr.data.passport import known_hashes, passport, pixel_hash
from spsr.data.spectrum import THRESHOLD, looks_upsampled, steepness
from spsr.errors import InputError
from spsr.images import read_rgb
from spsr.resize import imresize, to_uint8

SET5 = ["baby", "bird", "butterfly", "head", "woman"]
BENCHMARKS = ("Set5", "Set14", "BSD100")


@pytest.fixture(autouse=True)
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    monkeypatch.delenv("SPSR_DATASETS", raising=False)
    return tmp_path / "resources"


def png(seed: int = 0, size: int = 16) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write(folder: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(seed))
    return folder


def matched(name: str, *paths: str) -> dict[str, str]:
    return {image: str(p) for image, p in match(registry.dataset(name), map(PurePosixPath, paths)).items()}


@pytest.mark.parametrize(
    ("name", "path", "image"),
    [
        ("Set5", "img_003_SRF_4_HR.png", "butterfly"),
        ("Set5", "image_SRF_4/img_003_SRF_4_HR.png", "butterfly"),
        ("Set5", "butterfly_GT.bmp", "butterfly"),
        ("Set5", "Butterfly.PNG", "butterfly"),
        ("Set14", "img_009_SRF_4_HR.png", "lenna"),
        ("Set14", "lena.bmp", "lenna"),
        ("Set14", "HR/peppers.png", "pepper"),
        ("BSD100", "3096.png", "3096"),
        ("BSD100", "003096_HR.png", "3096"),
        ("BSD100", "img_067_SRF_4_HR.png", "3096"),
        ("BSD100", "img_001.png", "101085"),
        ("General100", "im_001.bmp", "im_1"),
        ("General100", "im_100.png", "im_100"),
        ("Urban100", "img_009_SRF_4_HR.png", "img_009"),
        ("Urban100", "img009.png", "img_009"),
        ("DIV2K", "DIV2K_train_HR/0007.png", "0007"),
        ("DIV2K", "7.png", "0007"),
        ("DIV2K_valid", "0801.png", "0801"),
    ],
)
def test_one_image_under_its_names_in_several_archives(name: str, path: str, image: str) -> None:
    assert matched(name, path) == {image: path}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Set5", "img_003_SRF_4_LR.png"),
        ("Set5", "img_003_SRF_4_bicubic.png"),
        ("Set5", "LR_bicubic/X4/butterflyx4.png"),
        ("Set5", "LR/butterfly.png"),
        ("Set5", "x2/butterfly.png"),
        ("Set5", "img_006_SRF_4_HR.png"),
        ("Set5", "__MACOSX/Set5/butterfly.png"),
        ("Set5", "._butterfly.png"),
        ("Set5", "butterfly.txt"),
        ("BSD100", "3097.png"),
        ("DIV2K", "DIV2K_train_LR_bicubic/X4/0001x4.png"),
        ("DIV2K", "DIV2K_train_LR_bicubic_X4/0001.png"),
        ("DIV2K", "img_001.png"),
        ("DIV2K", "0801.png"),
        ("DIV2K_valid", "0800.png"),
    ],
)
def test_other_files_are_ignored(name: str, path: str) -> None:
    assert matched(name, path) == {}


@given(st.permutations([f"img_{n:03d}_SRF_{s}_{k}.png" for n in range(1, 6) for s in (2, 4) for k in ("HR", "LR")]))
def test_order_of_files_does_not_matter(paths: list[str]) -> None:
    expected = {name: f"img_{n:03d}_SRF_4_HR.png" for n, name in enumerate(SET5, start=1)}
    assert list(matched("Set5", *paths).items()) == list(expected.items())


def test_two_files_for_one_image_are_named() -> None:
    with pytest.raises(ClashError, match=r"a/baby\.png and b/baby\.png"):
        matched("Set5", "a/baby.png", "b/baby.png")


@pytest.mark.parametrize("inside", ["Set5", "benchmarks/Set5", "some/benchmark/set5/HR"])
def test_folder_of_the_user_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    mine = write(tmp_path / "mine" / inside, *(f"{name}.png" for name in reversed(SET5)))
    write(tmp_path / "mine" / "Set14", "img_001_SRF_4_HR.png")
    monkeypatch.setenv("SPSR_DATASETS", str(tmp_path / "mine"))
    assert datasets.images("Set5") == {name: mine / f"{name}.png" for name in SET5}
    assert datasets.available("Set5")
    assert not datasets.available("Set14")


def test_folder_without_the_dataset_s_name_counts_by_its_own_files_only(tmp_path: Path) -> None:
    write(tmp_path / "photos", "Set14/img_001_SRF_4_HR.png", "Set14/img_002_SRF_4_HR.png", "img_001.png")
    with pytest.raises(InputError, match=r"4 of 5 images are missing in .*photos \(bird, butterfly, head, woman\)"):
        datasets.in_folder("Set5", tmp_path / "photos")


def test_missing_dataset_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="spsr fetch Set5"):
        datasets.images("Set5")
    with pytest.raises(InputError, match="did you mean 'Set5'"):
        datasets.images("Set55")
    monkeypatch.setenv("SPSR_DATASETS", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"SPSR_DATASETS=.*nowhere: no such folder"):
        datasets.images("Set5")


def test_named_folder_is_remembered_and_gets_a_passport(tmp_path: Path, resources: Path) -> None:
    mine = write(tmp_path / "mine", *(f"{name}.png" for name in SET5))
    said = list(collection.fetch("Set5", mine))
    assert said[0] == f"Set5: 5 images in {mine} (from {mine})"
    assert sum("not those the protocol was checked on" in line for line in said) == 5
    assert datasets.images("Set5")["head"] == mine / "head.png"
    assert json.loads((resources / "datasets" / "Set5" / "passport.json").read_text())["count"] == 5
    (mine / "head.png").unlink()
    with pytest.raises(InputError, match=r"1 of 5 images are missing in .*mine \(head\)"):
        datasets.images("Set5")


def archive(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for seed, name in enumerate(names):
            opened.writestr(name, png(seed))
    return path


def unpack(name: str, file: Path) -> None:
    source = registry.UrlSource(kind="url", url="http://127.0.0.1/it")
    datasets._unpack(name, registry.dataset(name), file, source, "0" * 64)


def test_archive_of_several_datasets_gives_the_right_one(tmp_path: Path, resources: Path) -> None:
    others = [f"benchmark/Urban100/img_{n:03d}_SRF_4_HR.png" for n in range(1, 6)]
    low = [f"benchmark/Set5/LR_bicubic/X4/{name}x4.png" for name in SET5]
    unpack("Set5", archive(tmp_path / "a", *others, *low, *(f"benchmark/Set5/HR/{name}.png" for name in SET5)))
    found = datasets.images("Set5")
    assert found == {name: resources / "datasets" / "Set5" / f"{name}.png" for name in SET5}
    assert found["baby"].read_bytes() == png(10)
    assert datasets.record("Set5")["source"] == "http://127.0.0.1/it"
    assert sorted(p.name for p in (resources / "datasets").iterdir()) == ["Set5", "Set5.json"]


@pytest.mark.parametrize("bad", [["../evil.png"], ["Set5/baby.png"], ["a/bird.png"]])
def test_bad_archive_leaves_nothing(tmp_path: Path, resources: Path, bad: list[str]) -> None:
    names = [f"Set5/{name}.png" for name in SET5[1:]]
    file = archive(tmp_path / "a", *names, *bad, *(["Set5/x/baby.png"] if bad == ["Set5/baby.png"] else []))
    with pytest.raises(Exception, match=r"outside|both|lacks 1 of 5 images \(baby\)"):
        unpack("Set5", file)
    assert not resources.exists() or not list(resources.rglob("*"))


def test_archive_of_enlarged_images_is_refused(tmp_path: Path, resources: Path) -> None:
    from spsr.data.bundled import photographs

    photo = read_rgb(photographs(["coffee"])["coffee"])
    with zipfile.ZipFile(tmp_path / "a", "w") as opened:
        for n, name in enumerate(SET5):
            buffer = io.BytesIO()
            crop = photo[40 * n : 40 * n + 120, 100:220]
            Image.fromarray(to_uint8(imresize(crop, 2))).save(buffer, format="PNG")
            opened.writestr(f"Set5/{name}.png", buffer.getvalue())
    with pytest.raises(SourceError, match="enlarged ones"):
        unpack("Set5", tmp_path / "a")
    assert not list((resources / "datasets").iterdir())


def test_names_of_the_benchmarks(shared_data: Path) -> None:
    assert [len(datasets.in_folder(name, shared_data)) for name in BENCHMARKS] == [5, 14, 100]
    found = datasets.in_folder("BSD100", shared_data)
    assert [path.name for path in found.values()] == [f"img_{n:03d}_SRF_4_HR.png" for n in range(1, 101)]
    assert len(known_hashes()) == 119


def test_pixel_hash_does_not_depend_on_file_format_or_crop(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (19, 22, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[:16, :20]).save(tmp_path / "b.bmp")
    first, second = (pixel_hash(read_rgb(tmp_path / name)) for name in ("a.png", "b.bmp"))
    assert first == second
    assert pixel_hash(pixels[:16]) != pixel_hash(pixels[:15])


def test_genuine_benchmarks_pass(shared_data: Path) -> None:
    for name in BENCHMARKS:
        content = passport(name, datasets.in_folder(name, shared_data), registered=name)
        assert content["problems"] == []
        assert all(image["same_as_published"] for image in content["images"])
        assert max(image["spectral_steepness"] for image in content["images"]) < THRESHOLD - 0.5


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_upsampled_benchmarks_fail(shared_data: Path, scale: int) -> None:
    for name in BENCHMARKS:
        for image, file in list(datasets.in_folder(name, shared_data).items())[:: 1 if name != "BSD100" else 4]:
            small = imresize(_cropped(read_rgb(file), scale), 1 / scale)
            upsampled = to_uint8(imresize(small, scale))
            assert steepness(upsampled) > THRESHOLD + 0.5, (name, image)


def _cropped(image: np.ndarray, scale: int) -> np.ndarray:
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]


def test_upsampled_photograph_is_told_from_the_original() -> None:
    from spsr.data.bundled import photographs

    photo = read_rgb(photographs(["coffee"])["coffee"])
    assert not looks_upsampled(photo)
    assert looks_upsampled(to_uint8(imresize(photo[:200, :200], 2)))


def test_passport_names_a_picture_that_is_there_twice(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    content = passport("mine", {"a": tmp_path / "a.png", "b": tmp_path / "b.png"})
    assert content["problems"] == ["b (b.png): the same picture as a"]

"""Preparation: benchmarks as PNGs, training images packed, both exact, whole or absent, and kept when finished."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from batches import draw_hr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from spsr.config.preset import ImageSource
from spsr.data import bundled, datasets
from spsr.data.benchmark import prepare_benchmark
from spsr.data.image_sets import ImageSet, resolve
from spsr.data.pack import open_pack, pack
from spsr.errors import InputError
from spsr.images import crop_to_multiple, degrade, read_rgb
from spsr.training.patches import PatchSampler


def folder_of(path: Path, *sizes: tuple[int, int], mode: str = "RGB") -> ImageSet:
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate(sizes):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(path / f"photo{number}.png")
    return resolve(ImageSource(folder=str(path)))


def image_of(array: np.ndarray, start: int, height: int, width: int) -> np.ndarray:
    return array[start : start + height * width * 3].reshape(height, width, 3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.tuples(st.integers(20, 45), st.integers(20, 45)), min_size=1, max_size=4))
def test_pack_holds_every_image_and_its_lr(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("pack")
    images = folder_of(folder / "in", *sizes)
    packed = pack(images, folder / "out" / "index.json")
    assert list(packed.names) == [f"photo{n}" for n in range(len(sizes))]
    assert list(packed.sizes) == [(h // 4 * 4, w // 4 * 4) for h, w in sizes]
    hr_start = lr_start = 0
    for file, (height, width) in zip(images.files.values(), packed.sizes, strict=True):
        hr = crop_to_multiple(read_rgb(file))
        assert np.array_equal(image_of(packed.hr, hr_start, height, width), hr)
        assert np.array_equal(image_of(packed.lr, lr_start, height // 4, width // 4), degrade(hr))
        hr_start += hr.size
        lr_start += hr.size // 16
    assert (hr_start, lr_start) == (packed.hr.size, packed.lr.size)


def test_pack_is_the_same_in_several_processes(tmp_path: Path) -> None:
    images = folder_of(tmp_path / "in", *[(24 + 4 * n, 30) for n in range(9)])
    pack(images, tmp_path / "one" / "index.json", processes=1)
    steps: list[int] = []
    pack(images, tmp_path / "two" / "index.json", processes=2, progress=lambda done, total, current: steps.append(done))
    for name in ("hr.npy", "lr.npy", "index.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert steps == list(range(1, 10))
    assert not open_pack(tmp_path / "two").hr.flags.writeable


def test_trainings_read_one_copy_of_the_images_that_all_processes_of_a_machine_share(tmp_path: Path) -> None:
    pack(folder_of(tmp_path / "in", (32, 32)), tmp_path / "index.json")
    trainings = [PatchSampler(open_pack(tmp_path), 16, 1, seed=0) for _ in range(2)]
    before = [draw_hr(training, 0) for training in trainings]
    file = np.load(tmp_path / "hr.npy", mmap_mode="r+")
    file[:] = 255 - file
    file.flush()
    for training, patch in zip(trainings, before, strict=True):
        assert torch.allclose(draw_hr(training, 0), 1 - patch)


def test_finished_pack_is_kept_and_another_input_makes_a_new_one(tmp_path: Path) -> None:
    index = tmp_path / "out" / "index.json"
    images = folder_of(tmp_path / "in", (32, 32))
    pack(images, index)
    stamp = index.with_name("hr.npy").stat().st_mtime_ns
    pack(images, index)
    assert index.with_name("hr.npy").stat().st_mtime_ns == stamp
    pack(folder_of(tmp_path / "in", (32, 32), (40, 40)), index)
    assert len(open_pack(index).names) == 2
    assert sorted(p.name for p in index.parent.iterdir()) == ["hr.npy", "index.json", "lr.npy"]


def test_unreadable_image_stops_the_pack_and_leaves_nothing(tmp_path: Path) -> None:
    images = folder_of(tmp_path / "in", (64, 64), (64, 64))
    broken = tmp_path / "in" / "photo1.png"
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"photo1\.png: (cannot be read|not an image)"):
        pack(images, tmp_path / "out" / "index.json")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(InputError, match="spsr prepare training"):
        open_pack(tmp_path / "out" / "index.json")


def test_pack_of_other_pixels_is_refused(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    pack(folder_of(tmp_path / "in", (32, 32)), index)
    np.save(tmp_path / "lr.npy", np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="another pack"):
        open_pack(index)


def test_photograph_turned_by_exif_is_packed_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.arange(40 * 24 * 3, dtype=np.uint32).astype(np.uint8).reshape(24, 40, 3))
    (tmp_path / "in").mkdir()
    image.save(tmp_path / "in" / "a.png", exif=exif)
    assert pack(resolve(ImageSource(folder=str(tmp_path / "in"))), tmp_path / "index.json").sizes == [(40, 24)]


def test_benchmark_is_written_whole_with_its_passport(tmp_path: Path) -> None:
    images = folder_of(tmp_path / "in", (42, 39), (40, 40), mode="L")
    out = tmp_path / "out" / "Mine"
    content = prepare_benchmark("Mine", images, out)
    assert content == json.loads((out / "passport.json").read_text())
    assert content["count"] == 2
    hr, lr = (read_rgb(out / kind / "photo0.png") for kind in ("HR", "LR"))
    assert np.array_equal(hr, crop_to_multiple(read_rgb(images.files["photo0"])))
    assert np.array_equal(lr, degrade(hr))
    assert sorted(p.name for p in out.parent.iterdir()) == ["Mine"]


def test_finished_benchmark_is_kept_and_stale_images_go(tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare_benchmark("Mine", folder_of(tmp_path / "in", (64, 64), (64, 64)), out)
    stamp = (out / "HR" / "photo0.png").stat().st_mtime_ns
    prepare_benchmark("Mine", folder_of(tmp_path / "in", (64, 64), (64, 64)), out)
    assert (out / "HR" / "photo0.png").stat().st_mtime_ns == stamp
    smaller = ImageSet({"photo1": tmp_path / "in" / "photo1.png"}, crop=32)
    prepare_benchmark("Mine", smaller, out)
    assert [p.name for p in (out / "HR").iterdir()] == ["photo1.png"]
    assert read_rgb(out / "HR" / "photo1.png").shape == (32, 32, 3)


def test_failure_keeps_the_earlier_benchmark(tmp_path: Path) -> None:
    out = tmp_path / "out"
    images = folder_of(tmp_path / "in", (64, 64))
    prepare_benchmark("Mine", images, out)
    with pytest.raises(InputError, match="smaller than crop 99"):
        prepare_benchmark("Mine", ImageSet(images.files, crop=99), out)
    assert read_rgb(out / "HR" / "photo0.png").shape == (64, 64, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_replicated_border_gives_the_published_lr_images(tmp_path: Path, shared_data: Path) -> None:
    files = datasets.in_folder("Set5", shared_data)
    prepare_benchmark("Set5", ImageSet(files, dataset="Set5"), tmp_path / "out", border="replicate")
    for image, file in files.items():
        published = read_rgb(file.with_name(file.name.replace("_HR", "_LR")))
        assert np.array_equal(read_rgb(tmp_path / "out" / "LR" / f"{image}.png"), published), image


def test_every_bundled_photograph_ships_with_scikit_image() -> None:
    assert all(read_rgb(file).shape[2] == 3 for file in bundled.photographs().values())
    source = ImageSource(scikit_image=("rocket", "brick"), crop=96)
    images = resolve(source)
    assert [images.read(name).shape for name in images.files] == [(96, 96, 3)] * 2


def test_unknown_photograph_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"no photograph 'astronauts'.*did you mean 'astronaut'"):
        resolve(ImageSource(scikit_image=("astronauts",)))


def test_folder_with_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, (20, 20))
    (tmp_path / "photo0_GT.png").write_bytes((tmp_path / "photo0.png").read_bytes())
    with pytest.raises(InputError, match="are both 'photo0'"):
        resolve(ImageSource(folder=str(tmp_path)))


def given_lr(folder: Path, *names: str, height: int = 6, width: int = 9) -> str:
    folder.mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (width, height), (number, 50, 100)).save(folder / name)
    return str(folder)


def test_given_lr_images_are_taken_instead_of_made_ones(tmp_path: Path) -> None:
    folder_of(tmp_path / "in", (25, 38), (24, 36))
    lr = given_lr(tmp_path / "lr", "photo1_LR.png", "photo0_LR.png")
    images = resolve(ImageSource(folder=str(tmp_path / "in"), lr=lr))
    content = prepare_benchmark("x", images, tmp_path / "out")
    for number, level in ((0, 1), (1, 0)):
        assert (read_rgb(tmp_path / "out" / "LR" / f"photo{number}.png")[..., 0] == level).all()
    assert set(content["prepared"]["lr"]) == {"photo0", "photo1"}
    packed = pack(images, tmp_path / "pack" / "index.json", processes=1)
    assert set(packed.lr.tolist()) == {0, 1, 50, 100}


def test_given_lr_images_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    folder_of(tmp_path / "in", (25, 38), (24, 36))
    with pytest.raises(InputError, match=r"lr: has no LR image of photo1; add it"):
        resolve(ImageSource(folder=str(tmp_path / "in"), lr=given_lr(tmp_path / "lr", "photo0.png")))
    lr = given_lr(tmp_path / "small", "photo0.png", "photo1.png", width=8)
    images = resolve(ImageSource(folder=str(tmp_path / "in"), lr=lr))
    with pytest.raises(InputError, match=r"photo0\.png: 8x6 pixels, but its original needs an LR image of 9x6"):
        prepare_benchmark("x", images, tmp_path / "out", processes=1)
    with pytest.raises(ValueError, match="cannot be cropped"):
        ImageSource(folder="in", lr="lr", crop=32)


def test_sources_of_training_images_follow_each_other_and_share_no_name(tmp_path: Path) -> None:
    one, two = (ImageSource(folder=str(tmp_path / name)) for name in ("one", "two"))
    folder_of(tmp_path / "one", (32, 32), (32, 32))
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "photo1.png").rename(tmp_path / "two" / "another.png")
    assert list(resolve(two, one).files) == ["another", "photo0"]
    folder_of(tmp_path / "two", (32, 32))
    with pytest.raises(InputError, match=r"one/photo0.png and .*two/photo0.png are both 'photo0'"):
        resolve(one, two)

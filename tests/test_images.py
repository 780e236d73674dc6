"""Reading images of every kind, naming them, and the LR and Bicubic images of the protocol."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spsr.errors import InputError
from spsr.images import (
    bicubic,
    crop_to_multiple,
    degrade,
    image_index,
    plain_name,
    read_rgb,
    select_role,
    write_png,
)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (13, 17, 3), np.uint8)


def test_png_round_trip_is_exact_and_leaves_no_other_file(tmp_path: Path, picture: np.ndarray) -> None:
    write_png(tmp_path / "new" / "a.png", picture)
    np.testing.assert_array_equal(read_rgb(tmp_path / "new" / "a.png"), picture)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.png"]


def test_grey_is_expanded(tmp_path: Path, picture: np.ndarray) -> None:
    grey = picture[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))


def test_one_bit_images_become_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "bits.png")[..., 0], [[255, 0]])


def test_of_16_bit_samples_the_high_byte_is_kept(tmp_path: Path, picture: np.ndarray) -> None:
    grey = picture[..., 1].astype(np.uint16) * 257
    Image.fromarray(grey).save(tmp_path / "deep.png")
    Image.fromarray(grey).save(tmp_path / "deep.tif")
    for name in ("deep.png", "deep.tif"):
        np.testing.assert_array_equal(read_rgb(tmp_path / name), np.stack([picture[..., 1]] * 3, axis=2))


def test_a_palette_gives_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "palette.png"), [[[10, 20, 30], [200, 100, 50]]])


def test_opaque_alpha_changes_nothing_and_transparency_shows_white(tmp_path: Path, picture: np.ndarray) -> None:
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[0, 0] = 0
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "alpha.png")
    expected = picture.copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(read_rgb(tmp_path / "alpha.png"), expected)


def test_a_photograph_is_turned_upright(tmp_path: Path, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_rgb(tmp_path / "turned.png"), np.rot90(picture, -1))


@pytest.mark.parametrize("content", [b"", b"no image at all", None])
def test_unreadable_files_are_named(tmp_path: Path, picture: np.ndarray, content: bytes | None) -> None:
    path = tmp_path / "broken.png"
    if content is None:
        write_png(path, picture)
        content = path.read_bytes()[:-40]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.png"):
        read_rgb(path)


def test_missing_and_floating_point_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png: no such image"):
        read_rgb(tmp_path / "gone.png")
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match=r"float\.tif.*floating-point"):
        read_rgb(tmp_path / "float.tif")


def test_the_index_is_sorted_and_leaves_out_what_is_no_image(tmp_path: Path, picture: np.ndarray) -> None:
    for name in ("b.PNG", "a.png", ".hidden.png"):
        Image.fromarray(picture).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder.png").mkdir()
    assert list(image_index(tmp_path)) == ["a", "b"]


def test_two_files_of_one_stem_are_both_named(tmp_path: Path, picture: np.ndarray) -> None:
    for name in ("a.bmp", "a.png"):
        Image.fromarray(picture).save(tmp_path / name)
    with pytest.raises(InputError, match=r"a\.png.*a\.bmp"):
        image_index(tmp_path)


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        image_index(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        image_index(tmp_path / "gone")


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("img_001_SRF_4_HR", "img_001"),
        ("img_001_SRF_4", "img_001"),
        ("img_001_srf_4_sr", "img_001"),
        ("img_001", "img_001"),
        ("babyx4", "baby"),
        ("0801x4_out", "0801"),
        ("3096", "3096"),
        ("_HR", "_HR"),
        ("HRx", "HRx"),
    ],
)
def test_decorations_are_removed_from_names(stem: str, name: str) -> None:
    assert plain_name(stem) == name


# Of a stem that ends in a separator, `x4` takes the separator with it.
STEMS = st.text(min_size=1, max_size=12).filter(lambda stem: stem[-1] not in "_-")


@given(STEMS, st.sampled_from(["_HR", "_LR", "_SR", "_SRF_4", "x4"]))
def test_a_decoration_more_changes_no_name(stem: str, decoration: str) -> None:
    assert plain_name(stem + decoration) == plain_name(stem)
    assert plain_name(plain_name(stem)) == plain_name(stem)


def test_of_an_archive_with_several_kinds_one_is_taken() -> None:
    archive = {stem: Path(f"{stem}.png") for stem in ("i_1_SRF_4_HR", "i_1_SRF_4_LR", "i_1_SRF_4_bicubic")}
    assert list(select_role(archive, "HR")) == ["i_1_SRF_4_HR"]
    assert list(select_role(archive, "LR")) == ["i_1_SRF_4_LR"]
    plain = {"baby": Path("baby.png"), "bird": Path("bird.png")}
    assert select_role(plain, "HR") == select_role(plain, "LR") == plain


def test_lr_and_bicubic_images_have_the_official_codes_pixels(golden: Path) -> None:
    reference = np.load(golden / "imresize.npz")
    np.testing.assert_array_equal(degrade(reference["a_u8"]), reference["a_down_png_u8"])
    np.testing.assert_array_equal(bicubic(reference["a_u8"]), reference["a_bic_png_u8"])


@given(st.integers(4, 40), st.integers(4, 40))
def test_sizes_follow_the_multiple_of_four(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    cut = (height // 4 * 4, width // 4 * 4, 3)
    assert crop_to_multiple(image).shape == bicubic(image).shape == cut
    assert degrade(image).shape == (cut[0] // 4, cut[1] // 4, 3)


def test_images_below_four_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="3x9"):
        degrade(np.zeros((9, 3, 3), np.uint8))

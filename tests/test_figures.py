"""Figures: drawn from what there is, with visible gaps for what there is not."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from synthetic import photograph, write_images, write_run, write_scores

from spsr.config import Config, load
from spsr.config.figure import FIGURES_FILE, Crop, figure_data
from spsr.config.yaml_source import Source
from spsr.errors import InputError
from spsr.evaluation.score_files import read_csv
from spsr.reporting.figures import catalogue, edge
from spsr.reporting.figures.captions import CAPTIONS
from spsr.reporting.figures.losses import loss_curves
from spsr.reporting.figures.pictures import find, find_all, scores_line, strongest_square
from spsr.reporting.figures.style import save_figure, style, typeset
from spsr.results.runs import Run


def test_the_figures_file_names_known_figures_methods_and_datasets() -> None:
    config = load()
    for name in Source(FIGURES_FILE).data:
        data = figure_data(name)
        assert name in catalogue.FIGURES
        assert {crop.dataset for crop in data.crops} <= set(config.preset.data.benchmarks)
        assert set(data.methods) - {"HR"} <= set(config.methods)


def test_a_figure_that_has_nothing_to_show_is_a_blank_with_the_reason(
    toy: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {name: catalogue.FIGURES[name] for name in ("figure4", "figure14")}
    monkeypatch.setattr(catalogue, "FIGURES", kept)
    reasons = catalogue.draw_all(toy)
    assert list(reasons) == ["figure14"]
    assert "no extractor has been probed" in reasons["figure14"]
    assert (toy.layout.figures / "figure14.png").is_file()


def test_a_figure_without_votes_says_so_in_a_sentence(toy: Config) -> None:
    with pytest.raises(InputError, match="no votes yet") as raised, style():
        catalogue.draw(toy, "figure9")
    with style():
        texts = [text.get_text() for text in catalogue._blank("figure9", str(raised.value)).texts]
    assert texts[0] == CAPTIONS["figure9"]
    assert texts[1].replace("\n", " ") == "No votes yet; make a study with spsr study create and collect its votes."


def test_below_a_crop_stand_the_scores_of_its_image(toy: Config) -> None:
    write_images(toy, ("esrgan",), images=2)
    write_scores(toy, images=2, methods=("esrgan",))
    picture = find(toy, Crop(dataset="Set14", image="im_001"), 0)
    assert picture is not None
    row = read_csv(toy.layout.scores("esrgan", 0, "Set14")).set_index("image").loc["im_001"]
    assert scores_line(toy, "esrgan", picture) == f"{row.lpips:.4f} / {row.psnr:.3f}"
    assert scores_line(toy, "HR", picture) == "LPIPS / PSNR"
    assert scores_line(toy, "srgan", picture) == ""


def test_a_figure_shows_the_crop_and_the_methods_that_are_asked_for(toy: Config, tmp_path) -> None:
    write_images(toy, ("esrgan",), images=2)
    crop = Crop(dataset="Set14", image="im_001", box=(0, 0, 32, 32))
    (png, _) = catalogue.draw_asked(toy, "8", [crop], ["HR", "esrgan"], tmp_path)
    assert png == tmp_path / "figure8.png"
    shown = np.asarray(Image.open(png).convert("RGB"))
    assert shown.std() > 20
    with pytest.raises(InputError, match=r"shows no images; name one of figure1"):
        catalogue.draw_asked(toy, "losses", [crop], [], tmp_path)
    with pytest.raises(InputError, match="no benchmark 'Set41'; did you mean 'Set14'"):
        catalogue.draw_asked(toy, "8", [Crop(dataset="Set41", image="im_001")], [], tmp_path)


def test_a_mark_is_whole_however_narrow_its_figure_is(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plt, "close", lambda figure: None)
    figure = plt.figure(figsize=(3, 1))
    save_figure(figure, tmp_path, "narrow", "quick: " + "a mark that is longer than its figure is wide, " * 3)
    (text,) = figure.texts
    extent = text.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width


def test_subscripts_are_typeset() -> None:
    assert [typeset(name) for name in ("F_P-h", "F_J", "random NSE")] == ["$F_P$-h", "$F_J$", "random NSE"]


def test_the_strongest_square_finds_the_structure() -> None:
    image = np.full((120, 200, 3), 128, dtype=np.uint8)
    image[64:100, 120:156] = photograph(0)[:36, :36]
    left, top, width, height = strongest_square(image)
    assert (width, height) == (36, 36)
    assert abs(left - 120) <= 8
    assert abs(top - 64) <= 8


def test_an_image_that_the_preset_lacks_is_replaced_and_no_image_is_shown_twice(toy: Config) -> None:
    write_images(toy, (), images=2)
    picture = find(toy, Crop(dataset="Urban100", image="img_004", box=(0, 0, 16, 16)), 1)
    assert picture is not None
    assert (picture.image, picture.asked) == ("im_001", False)
    assert picture.box != (0, 0, 16, 16)
    assert len(find_all(toy, figure_data("figure7"))) == 2


def test_a_box_outside_of_its_image_is_refused(toy: Config) -> None:
    write_images(toy, ())
    with pytest.raises(InputError, match="does not fit into im_000"):
        find(toy, Crop(dataset="Set5", image="im_000", box=(90, 0, 32, 32)), 0)


@pytest.mark.parametrize("name", ["figure1", "figure7", "figure10", "figure11", "losses"])
def test_a_figure_without_any_result_is_drawn_with_gaps(toy: Config, name: str) -> None:
    written = catalogue.draw(toy, name)
    assert [path.suffix for path in written] == [".png", ".pdf"]
    with Image.open(written[0]) as image:
        assert image.width >= 800


def test_a_comparison_shows_the_pixels_of_the_results(toy: Config) -> None:
    write_images(toy, ("bicubic", "spsr_p"))
    before = {path.name: path.read_bytes() for path in catalogue.draw(toy, "figure1")}
    again = {path.name: path.read_bytes() for path in catalogue.draw(toy, "figure1")}
    assert again == before
    write_images(toy, ("spsr_p", "bicubic"))
    changed = {path.name: path.read_bytes() for path in catalogue.draw(toy, "figure1")}
    assert changed["figure1.png"] != before["figure1.png"]


def test_the_branch_of_a_trained_model_is_shown(toy: Config) -> None:
    from spsr.models import build, to_checkpoint
    from spsr.reporting.figures.branch import with_and_without_branch
    from spsr.reporting.figures.gradients import branch_output

    write_images(toy, ())
    picture = find(toy, figure_data("figure10").crops[0], 0)
    assert picture is not None
    assert branch_output(toy, picture) is None
    toy.layout.model("spsr_g", 0).parent.mkdir(parents=True)
    to_checkpoint(build("spsr", **toy.generator_size("spsr_g")), toy.layout.model("spsr_g", 0))
    shown = branch_output(toy, picture)
    assert shown is not None
    assert shown.shape == picture.hr.shape[:2]
    pair = with_and_without_branch(toy, picture)
    assert pair is not None
    assert pair[0].shape == pair[1].shape == picture.hr.shape


def test_loss_curves_are_those_of_the_event_file(toy: Config) -> None:
    write_run(toy, "esrgan", 0, steps=10)
    found = loss_curves([Run(toy, "esrgan", 0)])
    assert set(found["term"]) == {"pixel/image", "perceptual/image", "adversarial/image"}
    pixel = found[found["term"] == "pixel/image"]
    assert list(pixel["step"]) == [0, 2, 4, 6, 8]
    assert pixel["value"].iloc[0] == 1.0


def test_every_figure_has_a_caption() -> None:
    assert list(CAPTIONS) == list(catalogue.FIGURES)


def test_a_blurry_edge_is_far_from_the_true_one_in_gradients_and_flat() -> None:
    blurry, sharp = edge.average_of_edges(), edge.step(edge.EDGE + 1)
    assert edge.gradient(blurry).max() < 0.3
    assert edge.gradient(sharp).max() == 1.0
    assert edge.distances(edge.step(edge.EDGE)) == (0.0, 0.0)
    assert edge.distances(blurry)[1] > edge.distances(sharp)[1]


def test_an_unknown_figure_is_refused_with_a_suggestion() -> None:
    assert catalogue.full_name("7") == "figure7"
    with pytest.raises(InputError, match=r"did you mean 'figure"):
        catalogue.full_name("figure77")


def test_what_draws_nothing_loads_no_seaborn() -> None:
    code = (
        "import sys, spsr.cli, spsr.reporting.report.page, spsr.reporting.tables.formats, spsr.study.create; "
        "sys.exit('seaborn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

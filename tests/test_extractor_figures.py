"""Figures of the extractors, and the data beside them."""

import numpy as np
import pandas as pd
import pytest

from spsr.config import load
from spsr.errors import InputError
from spsr.images import write_png
from spsr.reporting.figures import accuracies, features, sampling


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return load()


def write_probe(config, name, task, accuracies):
    rows = [
        (name, task, dataset, repeat, accuracy, 40)
        for dataset in ("Set5", "BSD100")
        for repeat, accuracy in enumerate(accuracies)
    ]
    file = config.layout.probe(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    columns = ["extractor", "task", "dataset", "repeat", "accuracy", "n"]
    pd.DataFrame(rows, columns=columns).to_csv(file, index=False)


def test_bars_are_means_with_their_spread(config, tmp_path):
    write_probe(config, "nse_p_h", "contrastive", (0.2, 0.3, 0.4))
    write_probe(config, "nse_p_c", "contrastive", (0.5, 0.5, 0.5))
    written = accuracies.draw_figure_14(config, tmp_path)
    assert {file.name for file in written} == {"figure14.png", "figure14.pdf", "figure14.csv"}
    data = pd.read_csv(tmp_path / "figure14.csv")
    assert data.extractor.tolist() == ["nse_p_h"] * 2 + ["nse_p_c"] * 2
    np.testing.assert_allclose(data["mean"], [0.3, 0.3, 0.5, 0.5])
    np.testing.assert_allclose(data["sd"], [0.1, 0.1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(data["chance"], 1 / 2036, rtol=1e-5)
    assert set(data["n"]) == {40}


def test_nothing_probed_names_the_command(config, tmp_path):
    with pytest.raises(InputError, match="spsr probe nse_p_h"):
        accuracies.draw_figure_15(config, tmp_path)


def test_principal_colours_show_a_difference_of_features_as_one_of_colours():
    made = np.zeros((8, 8, 5))
    made[:, 4:, 2] = 3.0
    made[:4, :, 4] = 1.0
    colours, explained = features.principal_colours(made)
    assert colours.shape == (8, 8, 3)
    assert colours.min() >= 0
    assert colours.max() <= 1
    assert (colours[:, 4:, 0] == 1).all()
    assert (colours[:, :4, 0] == 0).all()
    np.testing.assert_allclose(explained, [0.9, 0.1, 0], atol=1e-12)
    again, _ = features.principal_colours(made[::-1])
    np.testing.assert_allclose(again, colours[::-1])


def test_the_sampling_figure_counts_what_it_draws(config, tmp_path, monkeypatch):
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    image = np.random.default_rng(0).integers(256, size=(208, 212, 3), dtype=np.uint8)
    write_png(config.layout.benchmark(next(iter(config.preset.data.benchmarks))) / "HR" / "noise.png", image)
    sampling.draw_figure_13(config, tmp_path)
    data = pd.read_csv(tmp_path / "figure13.csv")
    assert data.negatives.tolist() == [2035, 2035, 1795]
    assert (tmp_path / "figure13.png").is_file()

"""Finding and loading structure extractors."""

import pytest
import torch

from spsr.config import load
from spsr.data.inputs import weights_file
from spsr.errors import InputError
from spsr.models import build, to_checkpoint
from spsr.training.frozen import load_extractor, load_nse


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return load()


def test_an_extractor_is_loaded_frozen(config):
    torch.manual_seed(0)
    network = build("nse")
    to_checkpoint(network, config.layout.model("nse_j", 0))
    loaded = load_extractor(config, "nse_j")
    images = torch.rand(1, 3, 44, 40)
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    torch.testing.assert_close(loaded(images), network(images))
    assert loaded(images).shape == (1, 32, 11, 10)


def test_a_missing_extractor_names_the_command_that_makes_it(config):
    with pytest.raises(InputError, match="spsr pretrain nse_p_h"):
        weights_file(config, "nse_p_h")


def test_another_network_is_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    to_checkpoint(build("predictor"), file)
    with pytest.raises(InputError, match="'predictor', not a NSE"):
        load_nse(file)

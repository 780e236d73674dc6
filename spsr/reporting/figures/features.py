"""What each structure extractor answers to: its features as colours."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from spsr.config import Config
from spsr.errors import InputError
from spsr.reporting.figures.photograph import photograph
from spsr.reporting.figures.style import PAGE_WIDTH, constrained, save_figure, typeset, write_data
from spsr.tensors import channels_first
from spsr.training.frozen import load_extractor


def draw_features(config: Config, out: Path) -> list[Path]:
    """What each extractor answers to: its features on a test image, the first three principal components as RGB.

    Width and height of the features stand behind each name. Components are of that image alone; each colour runs from
    the 1st to the 99th percentile. Extractors without weights are left out. Writes `features.png` and, with the
    variance that the components explain, `features.csv`.
    """
    image = photograph(config)
    pictures: dict[str, NDArray[Any]] = {"image": image}
    rows = []
    for name, extractor in config.extractors.items():
        try:
            network = load_extractor(config, name)
        except InputError:
            continue
        with torch.no_grad():
            features = network(channels_first(image)[None].float() / 255)[0]
        pictures[extractor.title], explained = principal_colours(features.permute(1, 2, 0).double().numpy())
        rows += [(name, component + 1, share) for component, share in enumerate(explained)]
    if len(pictures) == 1:
        raise InputError(f"{config.layout.root}: no extractor has weights; run `spsr pretrain nse_p_h` first")

    columns = min(4, len(pictures))
    lines = -(-len(pictures) // columns)
    height = lines * (0.2 + PAGE_WIDTH / columns * image.shape[0] / image.shape[1])
    figure = constrained(PAGE_WIDTH, height)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in panels:
        axes.axis("off")
    for axes, (title, picture) in zip(panels, pictures.items(), strict=False):
        axes.imshow(picture, extent=(0, image.shape[1], image.shape[0], 0), interpolation="nearest")
        axes.set_title(f"{typeset(title)}, {picture.shape[1]}×{picture.shape[0]}")
    data = pd.DataFrame(rows, columns=["extractor", "component", "explained_variance"])
    return [
        *save_figure(figure, out, "features", config.preset.mark),
        write_data(data, out / "features.csv"),
    ]


def principal_colours(features: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float]]:
    """H x W x C features as H x W x 3 colours in [0, 1], and the share of variance of the three components.

    The sign of a component is that of its largest weight, so that one set of features has one picture.
    """
    vectors = features.reshape(-1, features.shape[-1])
    centred = vectors - vectors.mean(0)
    values, components = np.linalg.eigh(centred.T @ centred)
    chosen = components[:, ::-1][:, :3]
    chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(0), range(chosen.shape[1])])
    projected = centred @ chosen
    low, high = np.percentile(projected, [1, 99], axis=0)
    scaled = np.clip((projected - low) / np.maximum(high - low, 1e-12), 0, 1)
    total = max(float(values.sum()), 1e-30)
    return scaled.reshape(*features.shape[:2], 3), [float(value) / total for value in values[::-1][:3]]

"""What structure extractors look at, see and know: Figures 6, 13, 14 and 15, and their features as colours."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from spsr.config import Config
from spsr.errors import InputError
from spsr.files import atomic_path
from spsr.images import RGB, image_index, read_rgb
from spsr.models.nse import RECEPTIVE_FIELD, STRIDE
from spsr.reporting.figures.style import INK, PAGE_WIDTH, PALETTE, save, style
from spsr.training.extraction.cells import INPUTS, Sampling, candidates, input_cells
from spsr.training.extraction.jigsaw import central_grids
from spsr.training.extraction.probe import CHANCE
from spsr.training.extraction.weights import load_extractor

TASKS = {"contrastive": "contrastive prediction", "jigsaw": "jigsaw puzzles"}
_SAMPLINGS: dict[Sampling, str] = {"h": "h: horizontal", "v": "v: vertical", "c": "c: crossing"}
_ANCHOR, _INPUT, _NEGATIVE, _PIECE = PALETTE[1], PALETTE[2], PALETTE[0], PALETTE[3]
_LONGEST_SIDE = 512


def draw_figure_6(config: Config, out: Path) -> list[Path]:
    """Figure 6: accuracy of F_P and F_J on both tasks; and what the paper does not show, that of untrained and
    ImageNet features. Writes `figure6.png` and `figure6.csv`.

    Raises:
        InputError: no extractor has been probed.
    """
    names = [name for name in config.extractors if name not in ("nse_p_v", "nse_p_c")]
    return _draw_accuracies(config, out, "figure6", names, ("contrastive", "jigsaw"))


def draw_figure_14(config: Config, out: Path) -> list[Path]:
    """Figure 14: contrastive prediction by the sampling of F_P, each tested with its own. As `draw_figure_6`."""
    return _draw_accuracies(config, out, "figure14", ["nse_p_h", "nse_p_v", "nse_p_c"], ("contrastive",))


def draw_figure_15(config: Config, out: Path) -> list[Path]:
    """Figure 15: jigsaw puzzles by the sampling of F_P. As `draw_figure_6`."""
    return _draw_accuracies(config, out, "figure15", ["nse_p_h", "nse_p_v", "nse_p_c"], ("jigsaw",))


def accuracies(config: Config, names: Iterable[str]) -> pd.DataFrame:
    """Mean and standard deviation over repeats of every probed extractor among `names`, in their order.

    Columns: extractor, title, task, dataset, mean, sd, repeats, n (patches), chance.
    """
    files = [config.layout.probe(name) for name in names]
    found = [pd.read_csv(file) for file in files if file.is_file()]
    if not found:
        raise InputError(f"{files[0].parent}: no extractor has been probed; run `spsr probe {files[0].stem}`")
    groups = pd.concat(found).groupby(["extractor", "task", "dataset"], sort=False)
    summary = groups.agg(
        mean=("accuracy", "mean"), sd=("accuracy", "std"), repeats=("repeat", "size"), n=("n", "first")
    ).reset_index()
    summary.insert(1, "title", summary["extractor"].map(lambda name: config.extractor(name).title))
    return summary.fillna({"sd": 0.0}).assign(chance=summary["task"].map(CHANCE))


def _draw_accuracies(
    config: Config, out: Path, figure_name: str, names: Sequence[str], tasks: Sequence[str]
) -> list[Path]:
    data = accuracies(config, names)
    data = data[data["task"].isin(tasks)]
    colour = dict(zip(config.extractors, PALETTE, strict=False))

    def draw(figure: Figure) -> None:
        for axes, task in zip(figure.subplots(len(tasks), squeeze=False)[:, 0], tasks, strict=True):
            _bars(axes, data[data["task"] == task], task, colour)

    return _write(out, figure_name, (PAGE_WIDTH, 0.3 + 2.1 * len(tasks)), draw, data, config.preset.mark)


def _bars(axes: Axes, data: pd.DataFrame, task: str, colour: dict[str, str]) -> None:
    """Bars grouped by dataset, whiskers of one standard deviation over repeats, a dashed line at chance."""
    datasets, extractors = list(dict.fromkeys(data["dataset"])), list(dict.fromkeys(data["extractor"]))
    width = 0.8 / max(1, len(extractors))
    for place, name in enumerate(extractors):
        rows = data[data["extractor"] == name].set_index("dataset").reindex(datasets)
        left = np.arange(len(datasets)) + (place - (len(extractors) - 1) / 2) * width
        title = str(rows["title"].dropna().iloc[0])
        axes.bar(left, 100 * rows["mean"], width * 0.94, label=title, color=colour[name])
        axes.errorbar(left, 100 * rows["mean"], 100 * rows["sd"], fmt="none", ecolor=INK, elinewidth=0.8, capsize=2)
        for x, mean, sd in zip(left, 100 * rows["mean"], 100 * rows["sd"], strict=True):
            if not np.isnan(mean):
                label = f"{mean:.1f}"
                axes.annotate(label, (x, mean + sd), (0, 2), textcoords="offset points", ha="center", fontsize=5)
    chance = CHANCE[task]
    axes.axhline(100 * chance, color=INK, linestyle="--", linewidth=0.8)
    axes.annotate(
        f"chance 1/{round(1 / chance)}",
        (1, 100 * chance),
        xycoords=("axes fraction", "data"),
        xytext=(2, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
        annotation_clip=False,
    )
    axes.set_xticks(range(len(datasets)), datasets)
    axes.set_ylabel("top-1 accuracy (%)")
    axes.set_title(TASKS[task], loc="left")
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, ncols=len(extractors), loc="lower right", bbox_to_anchor=(1.0, 1.0))


def draw_figure_13(config: Config, out: Path) -> list[Path]:
    """Figure 13: what anchor, inputs and negatives of each sampling see on a patch of 200 pixels; and the jigsaw grid.

    Boxes are the windows of 31x31 pixels, dots the cells that are negatives. Writes `figure13.png` and, with the
    number of cells of each kind, `figure13.csv`.
    """
    side = 200
    photograph = _square(config, side)
    cells = side // STRIDE
    anchor = torch.tensor([cells // 2, cells // 2])
    rows = []

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 4)
        for axes, (sampling, title) in zip(panels, _SAMPLINGS.items(), strict=False):
            _show_patch(axes, photograph, title)
            negatives = candidates(anchor, sampling, cells, cells).reshape(cells, cells).nonzero()
            negatives = negatives[(negatives != anchor).any(1)]
            axes.scatter(*(STRIDE * negatives.flip(1).T.numpy()), s=1.2, color=_NEGATIVE, linewidths=0)
            for cell in input_cells(anchor, sampling):
                _window(axes, cell, _INPUT)
            _window(axes, anchor, _ANCHOR)
            axes.set_xlabel(f"{len(INPUTS[sampling])} inputs, {len(negatives):,} negatives")
            rows.append((sampling, side, *anchor.tolist(), len(INPUTS[sampling]), len(negatives)))
        puzzle = photograph[:84, :84]
        _show_patch(panels[3], puzzle, "jigsaw: 2x2 grid")
        for place, cell in enumerate(central_grids(1, 84 // STRIDE)[0, 0]):
            _window(panels[3], cell, _PIECE, str(place))
        panels[3].set_xlabel("24 permutations")

    written = _write(out, "figure13", (PAGE_WIDTH, 2.5), draw)
    columns = ["sampling", "patch", "anchor_row", "anchor_column", "inputs", "negatives"]
    with atomic_path(out / "figure13.csv") as temporary:
        pd.DataFrame(rows, columns=columns).to_csv(temporary, index=False)
    return [*written, out / "figure13.csv"]


def _show_patch(axes: Axes, patch: RGB, title: str) -> None:
    faded = 255 - (255 - patch.astype(float)) * 0.55
    axes.imshow(faded.astype(np.uint8))
    axes.set_xlim(-0.5, patch.shape[1] - 0.5)
    axes.set_ylim(patch.shape[0] - 0.5, -0.5)
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _window(axes: Axes, cell: torch.Tensor, colour: str, text: str = "") -> None:
    """The box of pixels that a cell sees."""
    row, column = (STRIDE * cell).tolist()
    corner = column - RECEPTIVE_FIELD / 2, row - RECEPTIVE_FIELD / 2
    axes.add_patch(Rectangle(corner, RECEPTIVE_FIELD, RECEPTIVE_FIELD, fill=False, ec=colour, lw=1.2))
    axes.plot(column, row, ".", color=colour, markersize=4)
    axes.annotate(text, (column, row), xytext=(3, 3), textcoords="offset points", color=colour)


def draw_features(config: Config, out: Path) -> list[Path]:
    """What each extractor answers to: its features on a test image, the first three principal components as RGB.

    Components are of that image alone; each colour runs from the 1st to the 99th percentile. Extractors without
    weights are left out. Writes `features.png` and, with the variance that the components explain, `features.csv`.
    """
    image = _photograph(config)
    pictures, rows = {}, []
    for name, extractor in config.extractors.items():
        try:
            network = load_extractor(config, name)
        except InputError:
            continue
        with torch.no_grad():
            features = network(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0]
        pictures[extractor.title], explained = principal_colours(features.permute(1, 2, 0).double().numpy())
        rows += [(name, component + 1, share) for component, share in enumerate(explained)]
    if not pictures:
        raise InputError(f"{config.layout.root}: no extractor has weights; run `spsr pretrain nse_p_h` first")

    columns = min(4, len(pictures) + 1)
    lines = -(-(len(pictures) + 1) // columns)

    def draw(figure: Figure) -> None:
        panels = list(figure.subplots(lines, columns, squeeze=False).flat)
        for axes in panels:
            axes.axis("off")
        for axes, (title, picture) in zip(panels, {"image": image, **pictures}.items(), strict=False):
            axes.imshow(picture, extent=(0, image.shape[1], image.shape[0], 0), interpolation="nearest")
            axes.set_title(title)

    data = pd.DataFrame(rows, columns=["extractor", "component", "explained_variance"])
    height = lines * (0.2 + PAGE_WIDTH / columns * image.shape[0] / image.shape[1])
    return _write(out, "features", (PAGE_WIDTH, height), draw, data, config.preset.mark)


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


def _photograph(config: Config) -> RGB:
    """The image with the strongest edges of the first benchmark, its centre if it is large."""
    dataset = next(iter(config.preset.data.benchmarks))
    folder = config.layout.benchmark(dataset) / "HR"
    if not folder.is_dir():
        raise InputError(f"{folder}: no prepared benchmark; run `spsr prepare {dataset} --configfile {config.path}`")
    images = [_centre(read_rgb(file), _LONGEST_SIDE) for file in image_index(folder).values()]
    return max(images, key=lambda image: float(np.abs(np.diff(image.astype(int), axis=0)).mean()))


def _square(config: Config, side: int) -> RGB:
    image = _photograph(config)
    if min(image.shape[:2]) < side:
        return np.full((side, side, 3), 235, dtype=np.uint8)
    return _centre(image, side)


def _centre(image: RGB, side: int) -> RGB:
    """The part of an image around its centre, at most `side` pixels high and wide."""
    top, left = (max(0, (length - side) // 2) // STRIDE * STRIDE for length in image.shape[:2])
    return image[top : top + side, left : left + side]


def _write(
    out: Path,
    name: str,
    size: tuple[float, float],
    draw: Callable[[Figure], None],
    data: pd.DataFrame | None = None,
    mark: str = "",
) -> list[Path]:
    """Draw `NAME.png` and `NAME.pdf`, and write the data to `NAME.csv` beside them."""
    with style():
        foot = 0.15 / size[1]
        figure = plt.figure(figsize=size, layout=ConstrainedLayoutEngine(rect=(0, foot, 1, 1 - foot)))
        draw(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        written = save(figure, out, name, mark)
    if data is not None:
        with atomic_path(out / f"{name}.csv") as temporary:
            data.to_csv(temporary, index=False, float_format="%.6g")
        written.append(out / f"{name}.csv")
    return written

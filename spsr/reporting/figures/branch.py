"""Fig. 11: what SPSR-G recovers when the features of its gradient branch are zeros at inference."""

import torch
from matplotlib.figure import Figure

from spsr.config import Config
from spsr.config.figure import FigureData
from spsr.images import RGB, degrade
from spsr.metrics import METRICS, psnr
from spsr.models.checkpoint import from_checkpoint
from spsr.reporting.figures.gradients import METHOD
from spsr.reporting.figures.panels import Sheet, show, title_of
from spsr.reporting.figures.pictures import Picture, find
from spsr.reporting.figures.style import COLUMN_WIDTH
from spsr.resize import to_uint8
from spsr.tensors import channels_first

PSNR = METRICS["psnr"]


def with_and_without_branch(config: Config, picture: Picture) -> tuple[RGB, RGB] | None:
    """The SR image with zeros for the gradient features, and the complete one; None if SPSR-G was not trained."""

    file = config.layout.model(METHOD, config.seeds(METHOD)[0])
    if config.method(METHOD).source != "trained" or not file.is_file():
        return None
    model = from_checkpoint(file, code=config.method(METHOD).code).eval()
    lr = channels_first(degrade(picture.hr))[None].float() / 255
    with torch.inference_mode():
        results = [model(lr, use_gradient_features=used)[0][0] for used in (False, True)]
    without, complete = (to_uint8(255 * result.permute(1, 2, 0).double().numpy()) for result in results)
    return without, complete


def draw(config: Config, data: FigureData) -> Figure:
    """Two parts side by side, as wide as a column."""
    picture = find(config, data.crops[0], 0)
    results = None if picture is None else with_and_without_branch(config, picture)
    sheet = Sheet(2, COLUMN_WIDTH, [2])
    titles = ("Only the SR branch", f"Complete model, {title_of(config, METHOD)}")
    for number, title in enumerate(titles):
        axes = sheet.panel(0, number)
        if picture is None or results is None:
            show(axes, None, title)
        else:
            shown = PSNR.shown(psnr(results[number], picture.hr))
            show(axes, picture.cut(results[number]), f"{title}\n{PSNR.title} {shown} {PSNR.unit}")
    return sheet.figure

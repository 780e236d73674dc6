"""What lies beside the report: tables in other formats and figures; inside a page that stands alone."""

import base64

from PIL import Image

from spsr.config import Config
from spsr.images import read_rgb
from spsr.reporting.figures.captions import CAPTIONS
from spsr.reporting.report.browser import data_address

_FIGURE_WIDTH = 1000
"""Pixels of the figures inside the page; the full ones lie beside it."""

_TYPES = {"csv": "text/csv", "tex": "text/x-tex"}


def table_files(config: Config, name: str, standalone: bool) -> dict[str, str]:
    """Addresses of a table's files for programs and for papers, by suffix, as far as they exist."""
    found = {}
    for suffix, kind in _TYPES.items():
        path = config.layout.table(name, suffix)
        if path.is_file():
            inside = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
            found[suffix] = inside if standalone else path.relative_to(config.layout.root).as_posix()
    return found


def figures(config: Config, standalone: bool) -> list[dict[str, str]]:
    """Every figure: small inside the page, with addresses of the files beside it; empty where it was not drawn."""
    shown = []
    for name, caption in CAPTIONS.items():
        path = config.layout.figures / f"{name}.png"
        entry = {"name": name, "caption": caption, "image": "", "png": "", "pdf": ""}
        if path.is_file():
            image = Image.fromarray(read_rgb(path))
            image.thumbnail((_FIGURE_WIDTH, 10 * _FIGURE_WIDTH))
            entry["image"] = data_address(image)
            if not standalone:
                entry["png"] = f"figures/{path.name}"
                entry["pdf"] = f"figures/{name}.pdf" if path.with_suffix(".pdf").is_file() else ""
        shown.append(entry)
    return shown

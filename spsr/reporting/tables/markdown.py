"""A table as Markdown: readable as text, best in bold and second best in italics."""

from spsr.reporting.tables.filled import Cell, FilledTable
from spsr.reporting.tables.grid import grid
from spsr.reporting.tables.notes import marks_behind, notes


def escape(text: str) -> str:
    """Plain text as Markdown: no emphasis, code, link or HTML, on one line."""
    for character in "\\|*_<>[]`&~#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def to_markdown(filled: FilledTable) -> str:
    """The whole document."""

    def decorate(cell: Cell, kind: str, text: str) -> str:
        place = {"ours": cell.place, "paper": cell.paper_place}.get(kind, 0)
        text = {0: text, 1: f"**{text}**", 2: f"_{text}_"}[place]
        return text + marks_behind(filled, cell) if kind == "ours" else text

    rows = grid(filled, decorate, escape)
    body = [row for group in rows.groups for row in group]
    widths = [max(3, *(len(row[i]) for row in [rows.header, *body])) for i in range(len(rows.header))]
    rule = ["-" * w if i < rows.labels else "-" * (w - 1) + ":" for i, w in enumerate(widths)]

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(w) if i < rows.labels else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    table = [line(rows.header), line(rule), *map(line, body)]
    listed = [f"- {escape(note)}" for note in notes(filled, "bold", "italic")]
    return "\n".join([f"## {escape(filled.heading)}", "", *table, "", *listed, ""])

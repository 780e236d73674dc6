"""A table as LaTeX with booktabs: best in red and bold, second best in blue and underlined, as in the paper."""

import re

from spsr.reporting.tables.filled import FOREIGN, REMARK, Cell, FilledTable
from spsr.reporting.tables.grid import grid
from spsr.reporting.tables.notes import DAGGER, LIKE_PARENT, marks_behind, notes

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "[": "{[}",  # Behind the end of a row, the first of these begins an argument, as does a star.
    "]": "{]}",
    "*": "{*}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "λ": r"$\lambda$",
    "Δ": r"$\Delta$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "’": "'",
    LIKE_PARENT: r"$\approx$",
    DAGGER: r"\textsuperscript{\textdagger}",
    REMARK: r"\textsuperscript{\S}",
    FOREIGN: r"\textsuperscript{\textdaggerdbl}",
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")


def escape(text: str) -> str:
    """Plain text as LaTeX: special characters, Greek letters and superscript digits."""
    parts: list[str] = []
    raised = ""
    for character in " ".join(text.split()):
        plain = character.translate(_SUPERSCRIPTS)
        if plain != character:
            raised += plain
            continue
        if raised:
            parts.append(f"$^{{{raised}}}$")
            raised = ""
        parts.append(_ESCAPES.get(character, character))
    return "".join(parts) + (f"$^{{{raised}}}$" if raised else "")


def _as_label(name: str) -> str:
    """A name as the word of a `\\label`, which takes letters, digits and few signs."""
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)


def _number(text: str) -> str:
    return f"${escape(text)}$" if text[0] in "+-" else escape(text)


def to_latex(filled: FilledTable) -> str:
    """A `table*` environment to \\input; it needs the packages booktabs, xcolor and graphicx."""

    def decorate(cell: Cell, kind: str, text: str) -> str:
        place = {"ours": cell.place, "paper": cell.paper_place}.get(kind, 0)
        text = _number(text)
        if place == 1:
            text = rf"\textcolor{{red}}{{\textbf{{{text}}}}}"
        elif place == 2:
            text = rf"\textcolor{{blue}}{{\underline{{{text}}}}}"
        return text + escape(marks_behind(filled, cell)) if kind == "ours" else text

    rows = grid(filled, decorate, escape)
    columns = "l" * rows.labels + "r" * (len(rows.header) - rows.labels)
    blocks = ["\n".join(f"{' & '.join(row)} \\\\" for row in group) for group in rows.groups]
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs,xcolor,graphicx}.",
            r"\begin{table*}",
            r"\centering",
            rf"\caption{{{escape(filled.table.title)}}}",
            rf"\label{{tab:{_as_label(filled.name)}}}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            f"{' & '.join(rows.header)} \\\\",
            r"\midrule",
            "\n\\midrule\n".join(blocks),
            r"\bottomrule",
            r"\end{tabular}}",
            "",
            r"\smallskip",
            r"\begin{minipage}{\textwidth}\footnotesize",
            "\\par\n".join(escape(note) for note in notes(filled, "red", "blue")),
            r"\end{minipage}",
            r"\end{table*}",
            "",
        ]
    )

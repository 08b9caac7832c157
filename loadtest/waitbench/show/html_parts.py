"""The pieces that a page is made of: sections and tables."""

import html
from typing import Collection, Sequence


def text(value: object) -> str:
    return html.escape(str(value))


def section(title: str, body: str, note: str = "", name: str = "") -> str:
    """`note` and `body` are HTML; `name` is what a link to the section ends in."""
    note = f"<p class='note'>{note}</p>" if note else ""
    own = f" id='{name}'" if name else ""
    return f"<section{own}>\n<h2>{text(title)}</h2>\n{note}{body}\n</section>\n"


def table(rows: Sequence[Sequence[str]], name: str, header: int = 1, words: Collection[int] = ()) -> str:
    """The first row has the heads. The first column is words, as are `words`; the column `header` names its row."""

    def cell(place: int, value: str) -> str:
        tag, scope = ("th", " scope='row'") if place == header else ("td", "")
        return f"<{tag}{scope}{left(place)}>{text(value)}</{tag}>"

    def left(place: int) -> str:
        return " class='word'" if place in words else ""

    heads = "".join(f"<th scope='col'{left(place)}>{text(head)}</th>" for place, head in enumerate(rows[0]))
    body = "".join(
        f"<tr>{''.join(cell(place, value) for place, value in enumerate(row))}</tr>" for row in rows[1:]
    )
    made = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='scroll' tabindex='0' role='region' aria-label='{text(name)}'>{made}</div>"

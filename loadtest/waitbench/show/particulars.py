"""The end of report.html: how a ratio comes about, and where it was measured."""

import json

from ..judge import stats, summary
from .html_parts import section, text


def method(found: summary.Summary) -> str:
    sentences = (
        f"A block runs every server once at one point in random order; a ratio to {found.baseline} is taken inside a"
        " block, and what is shown is the mean of the log ratios with Student's t interval.",
        "The intervals of one server and measure hold jointly: with 95% confidence every one of them has the true"
        " ratio in it (Bonferroni over the points). The verdict is read off that interval. Faster or slower: it leaves"
        " 1. Equivalent: it lies within 5% of 1. Anything else: cannot tell.",
        "Beside cannot tell stands about how many blocks (REPEATS) would tell: with so many, as small an effect as the"
        " difference measured is found with 80% power, or else what is left of the 5%. Ratio and spread are taken as"
        " measured, so it is a guess, and a rough one from few blocks.",
        f"With fewer than {stats.BLOCKS} blocks a result is exploratory. Unsound runs were repeated; missing values"
        " are not filled in.",
    )
    return section("How a ratio comes about", "".join(f"<p>{text(s)}</p>" for s in sentences), "", "method")


def environment(facts: dict) -> str:
    if not facts:
        return ""
    items = []
    for key, value in facts.items():
        shown = text(_shown(value))
        if isinstance(value, dict):
            rows = (
                f"<tr><th scope='row'>{text(k)}</th><td>{text(_shown(v))}</td></tr>" for k, v in value.items()
            )
            shown = f"<table class='facts'>{''.join(rows)}</table>"
        items.append(f"<dt>{text(key)}</dt><dd>{shown}</dd>")
    return section("Environment", f"<dl>{''.join(items)}</dl>", "", "environment")


def _shown(value: object) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else json.dumps(value)

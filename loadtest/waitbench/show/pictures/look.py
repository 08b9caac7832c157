"""How pictures look: colours, marks and sizes, on the page and on a slide.

A picture is drawn in the colours of the light page. On the page a colour becomes a variable of report.css (markup.py), so
that the picture follows the light or the dark scheme; on a slide it stays what it is.
"""

import dataclasses
from typing import Any, Mapping, Sequence

from .. import colours

PAPER, INK, SOFT, RULE, BAND = "#ffffff", "#1b1f24", "#59636e", "#d8dee4", "#e8edf2"
# Parts that take CPU time or memory. None has the colour of a server.
PARTS = {
    "server, user": "#6a51a3",
    "server, kernel": "#a594cf",
    "database": "#8a6d3b",
    "generator": "#9aa58c",
    "proxy": "#c58b9b",
    "others": "#aab2bb",
    "idle": "#e4e8ec",
    "delay": "#d8c79f",  # of D, which the database waits without using CPU
    "pool": "#7c8fb5",  # the wait for a connection to the database
}
# From far below 1 to far above it; the middle is "no difference". Text on each of them is INK.
DIVERGING = (
    "#e08a5b",
    "#eeb391",
    "#f6d5c2",
    "#fbece3",
    "#f0f2f4",
    "#e0eff0",
    "#bfdfe1",
    "#8cc7cb",
    "#56aab0",
)
# The same on the dark page.
DIVERGING_DARK = (
    "#9c4f24",
    "#7f452a",
    "#5f3a2a",
    "#43302a",
    "#2a3037",
    "#21393c",
    "#1d494d",
    "#185c62",
    "#12737a",
)
DARK = {PAPER: "#14181d", INK: "#e6eaee", SOFT: "#9aa5b1", RULE: "#333b44", BAND: "#232b34"}
PARTS_DARK = {
    "server, user": "#b39ddb",
    "server, kernel": "#7d66b3",
    "database": "#c9a868",
    "generator": "#8b9a78",
    "proxy": "#b8778a",
    "others": "#6d7680",
    "idle": "#2b333b",
    "delay": "#6f5d36",
    "pool": "#5f78a8",
}
VARIABLES = {PAPER: "paper", INK: "ink", SOFT: "soft", RULE: "rule", BAND: "band"}
# One mark for each server beside its colour, which not everyone can tell apart.
MARKS = ("o", "s", "^", "D", "P", "v")


@dataclasses.dataclass(frozen=True)
class Look:
    """Lengths are CSS pixels."""

    text: float  # height of the text; nothing is written smaller
    line: float  # width of a line through data
    mark: float  # diameter of a mark
    servers: Sequence[str]
    own: Mapping[str, str]  # server -> its colour
    on_slide: bool = False

    def colour(self, server: str) -> str:
        return self.own[server]

    def marker(self, server: str) -> str:
        """Not the mark of the other servers of that colour, where there are more servers than colours."""
        place = list(self.servers).index(server)
        return MARKS[(place + place // len(MARKS)) % len(MARKS)]

    @property
    def settings(self) -> dict[str, Any]:
        """matplotlib's settings (rc_context). A figure has 72 pixels to the inch, so that a point is a pixel."""
        return {
            "font.family": "DejaVu Sans",
            "font.size": self.text,
            "axes.labelsize": self.text,
            "axes.titlesize": self.text,
            "xtick.labelsize": self.text,
            "ytick.labelsize": self.text,
            "legend.fontsize": self.text,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.edgecolor": SOFT,
            "axes.labelcolor": SOFT,
            "axes.linewidth": 0.8,
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": RULE,
            "grid.linewidth": 0.8,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "xtick.minor.size": 0,
            "ytick.minor.size": 0,
            "text.color": INK,
            "text.parse_math": False,  # a name may have $ in it
            "lines.linewidth": self.line,
            "lines.markersize": self.mark,
            "figure.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "svg.fonttype": "none",
        }


def own_colours(servers: Sequence[str], listed: Mapping[str, str]) -> dict[str, str]:
    """server -> its colour, legible on the light page."""
    found = colours.of_servers(servers, listed)
    return {name: colours.legible(colour, colours.LIGHT) for name, colour in zip(servers, found)}


def page(servers: Sequence[str], listed: Mapping[str, str]) -> Look:
    return Look(12, 1.6, 6, servers, own_colours(servers, listed))


def slide(servers: Sequence[str], listed: Mapping[str, str]) -> Look:
    return Look(19, 3, 11, servers, own_colours(servers, listed), on_slide=True)


def variables(servers: Sequence[str], listed: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """(colour -> the variable that stands for it on the page, the style sheet that gives them values)"""
    found = dict(zip(servers, colours.of_servers(servers, listed)))
    light, dark = dict(VARIABLES), {name: DARK[colour] for colour, name in VARIABLES.items()}
    for place, colour in enumerate(DIVERGING):
        light[colour], dark[f"d{place}"] = f"d{place}", DIVERGING_DARK[place]
    for place, part in enumerate(PARTS):
        light[PARTS[part]], dark[f"part{place}"] = f"part{place}", PARTS_DARK[part]
    for place, (server, colour) in enumerate(found.items()):
        light[own_colours([server], {server: colour})[server]] = f"s{place}"
        dark[f"s{place}"] = colours.legible(colour, colours.DARK)
    day = " ".join(f"--{name}: {colour};" for colour, name in light.items())
    night = " ".join(f"--{name}: {colour};" for name, colour in dark.items())
    sheet = f":root {{ {day} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {night} }} }}\n"
    return {colour: f"var(--{name})" for colour, name in light.items()}, sheet

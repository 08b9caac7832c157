"""The colours of the servers in pictures, legible on the light and on the dark paper of the report."""

from typing import Iterable, Mapping

LIGHT, DARK = "#ffffff", "#14181d"  # the paper: --paper of report.css
CONTRAST = 4.5  # WCAG 2.1, level AA, for text
# For servers that the list does not have: other names (SERVERS=model:name, TARGETS).
SPARE = ("#a03a79", "#7a6a00", "#5b4bb5", "#0063a8", "#c24e00", "#00795a")


def of_servers(names: Iterable[str], listed: Mapping[str, str]) -> list[str]:
    """A colour for each name: the one of the list, or one of the others in turn."""
    names = list(names)
    used = {listed[name] for name in names if name in listed}
    spare = [colour for colour in SPARE if colour not in used] or list(SPARE)
    others = [name for name in names if name not in listed]
    return [listed.get(name) or spare[others.index(name) % len(spare)] for name in names]


def legible(colour: str, paper: str) -> str:
    """The colour, mixed with black or white until its contrast with the paper is enough."""
    end = "#000000" if luminance(paper) > 0.5 else "#ffffff"
    for share in range(0, 101, 5):
        mixed = mix(colour, end, share / 100)
        if contrast(mixed, paper) >= CONTRAST:
            return mixed
    return end


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.1."""
    linear = [
        value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in _parts(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def mix(colour: str, other: str, share: float) -> str:
    parts = [round(a + (b - a) * share) for a, b in zip(_parts(colour), _parts(other))]
    return "#" + "".join(f"{part:02x}" for part in parts)


def _parts(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def style(names: Iterable[str], listed: Mapping[str, str]) -> str:
    """CSS: the class s0, s1, ... of each server has its colour, in the light and in the dark scheme."""
    colours = of_servers(names, listed)
    lines = [f".s{index} {{ --own: {legible(colour, LIGHT)}; }}" for index, colour in enumerate(colours)]
    lines.append("@media (prefers-color-scheme: dark) {")
    lines += [f"  .s{index} {{ --own: {legible(colour, DARK)}; }}" for index, colour in enumerate(colours)]
    return "\n".join(lines + ["}\n"])

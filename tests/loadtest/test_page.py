"""report.html as a browser shows it: on a wide screen, on a phone, on paper, and without a mouse."""

import os

import browser
import pytest
import synthetic
from keyboard import Keyboard
from test_report import POINTS, SPEEDS
from waitbench.show import report

pytestmark = pytest.mark.skipif(not browser.CHROMIUM, reason="chromium is not installed (.ci/deps more)")
AXE = os.environ.get("AXE")  # axe.min.js of the npm package axe-core
PAPER = 718  # px: A4 with margins of 10 mm
# Each element that keys should reach has a number in document order. Those in a closed <details> have no box.
NUMBER = """
const reached = [...document.querySelectorAll("a[href], button, input, select, summary, .scroll")]
  .filter((one) => one.checkVisibility() && !one.disabled);
reached.forEach((one, number) => { one.dataset.number = number; });
reached.length
"""
FOCUSED = """(() => {
  const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
  return {number: Number(one.dataset.number ?? -1), outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth};
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    points = POINTS + [{"n": n, "m": 65536, "c": c} for n in (0, 20) for c in (16, 256)]
    flags = lambda server, point: "generator-bound" if point["n"] == 0 else ""
    rows = synthetic.runs(points, SPEEDS, blocks=3, noise=0.1, flags=flags)
    return report.write(synthetic.write(tmp_path_factory.mktemp("page") / "run", rows))


@pytest.mark.parametrize(
    "width, dark, printed", [(1280, False, False), (390, True, False), (PAPER, False, True)]
)
def test_nothing_is_cut_off_and_nothing_is_asked_for(page, tmp_path, width, dark, printed):
    found = browser.probe(page, tmp_path, width, dark=dark, printed=printed, axe=None if printed else AXE)
    assert found["width"] == width
    assert found["out"] == [] and found["asked"] == [] and found["console"] == []
    if width == 1280:
        assert found["fold"] < 900, "the answer and its picture are seen without scrolling"
    assert [one for one in found.get("axe", []) if one[0] in ("serious", "critical")] == []


def test_the_probe_sees_what_is_cut_off(page, tmp_path):
    wide = page.with_name("wide.html")
    wide.write_text(
        page.read_text().replace(
            "</main>",
            "<div style='width: 2000px'>wide</div><img alt='' src='http://host.invalid/a.png'><script>lost()</script></main>",
        )
    )
    found = browser.probe(wide, tmp_path, 1280)
    assert any("wide" in words for words in found["out"])
    assert found["asked"] == ["http://host.invalid/a.png"] and "lost is not defined" in " ".join(
        found["console"]
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_tab_reaches_everything_in_order_and_shows_where_it_is(page, width):
    with Keyboard(page, width) as keyboard:
        count = keyboard.value(NUMBER)
        assert count > 20
        for number in range(count):
            keyboard.press("Tab")
            assert keyboard.value(FOCUSED) == {"number": number, "outlined": True, "seen": True}


def focus(keyboard, selector):
    keyboard.value(f"document.querySelector({selector!r}).focus()")


def test_keys_open_choose_and_scroll(page):
    with Keyboard(page, 390) as keyboard:
        focus(keyboard, "summary")
        is_open = "document.querySelector('summary').parentElement.open"
        before = keyboard.value(is_open)
        keyboard.press("Enter")
        assert keyboard.value(is_open) is not before
        focus(keyboard, "#picker select")
        before = keyboard.value("document.getElementById('picked').textContent")
        keyboard.press("ArrowDown")
        assert keyboard.value("document.getElementById('picked').textContent") not in ("", before)
        wide = "[...document.querySelectorAll('.scroll')].find((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth)"
        keyboard.value(f"(window.wide = {wide}).focus()")
        keyboard.press("ArrowRight")
        moved = "const look = () => window.wide.scrollLeft > 0 ? done(true) : setTimeout(look, 20); look();"
        assert keyboard.value(f"new Promise((done) => {{ {moved} }})")

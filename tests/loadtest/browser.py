"""report.html in headless Chromium: what a reader's browser makes of it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium")
# Runs inside a frame, which may be narrower than a window: the elements that stick out of the page or of a box that cannot
# be scrolled, and where they end.
PROBE = """
window.addEventListener("load", () => setTimeout(async () => {
  const width = document.documentElement.clientWidth, out = [];
  for (const one of document.querySelectorAll("main *")) {
    const box = one.getBoundingClientRect();
    if (!box.width || box.right <= width + 1) continue;
    const scroller = one.closest(".scroll");
    if (scroller && getComputedStyle(scroller).overflowX === "auto") continue;
    out.push(`${one.tagName} ends at ${Math.round(box.right)}: ${one.textContent.trim().slice(0, 40)}`);
  }
  const top = document.querySelector(".top");
  const asked = performance.getEntriesByType("resource").map((one) => one.name);
  const found = {width, out, asked, fold: top && Math.max(
    ...[...top.querySelectorAll(".headline, .strip, svg[role=img]")].map((one) => one.getBoundingClientRect().bottom))};
  if (window.axe) {
    const seen = await axe.run();
    found.axe = seen.violations.map((one) => [one.impact, one.id, one.nodes.length, one.nodes[0].html.slice(0, 120)]);
  }
  parent.postMessage(JSON.stringify(found), "*");
}, 50));
"""
FRAME = """<!doctype html><iframe src="{}" style="width: {}px; height: 900px; border: 0"></iframe>
<pre id="probed"></pre><script>
onmessage = (event) => {{ document.getElementById("probed").textContent = event.data; }};
</script>
"""


def probe(page, folder, width, *, dark=False, printed=False, axe=None):
    """What the browser found of a page (PROBE), and what it wrote on its console."""
    text = Path(page).read_text()
    if printed:  # as on paper, where the page is `width` wide
        text = text.replace("@media print", "@media all").replace("@media screen", "@media not all")
    script = (Path(axe).read_text() if axe else "") + PROBE
    name = f"probed-{width}-{dark}-{printed}"
    (Path(folder) / f"{name}.html").write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    frame = Path(folder) / f"{name}-frame.html"
    frame.write_text(FRAME.format(f"{name}.html", width))
    done = subprocess.run(
        [*command(dark), "--window-size=1400,1000", "--virtual-time-budget=20000", "--dump-dom", frame.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'<pre id="probed">(.+?)</pre>', done.stdout, re.S)
    assert found, done.stderr
    console = re.findall(r".*(?:CONSOLE|ERR_).*", done.stderr)
    return json.loads(html.unescape(found[1])) | {"console": console}


def screenshot(page, path, width, height, dark=False):
    subprocess.run(
        [*command(dark), f"--window-size={width},{height}", f"--screenshot={path}", Path(page).as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def command(dark):
    """Nothing is found but files: a page that asked for anything else would write an error on the console."""
    words = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
    ]
    words += [
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--disable-background-networking",
        "--force-device-scale-factor=1",
    ]
    return words + (["--blink-settings=preferredColorScheme=0"] if dark else [])

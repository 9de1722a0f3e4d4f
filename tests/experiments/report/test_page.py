"""Pages: escaped, self-contained, and looked at in a real browser where there is one."""

import importlib
import json
import os
import re
import shutil
import site
import subprocess
from html import unescape
from pathlib import Path

import jax
import numpy as np
import pytest
from markupsafe import escape

from experiments.report.gallery import SAYS, gallery, masks
from experiments.report.page import Page, Picture, render
from experiments.report.table import Cell, Table
from experiments.studies import DESIGNED

EVIL = '<script>alert("x")</script>&\'"'
ROWS = [("b", 10.0), ("a", 9.5), ("c", float("nan")), ("d", -2.0)]


def page(name: str = "What came out?") -> Page:
    rows = [[Cell(f"{name} {arm}"), Cell(f"{value:g} ± 1", value)] for arm, value in ROWS]
    return Page(
        name,
        f"Supported: {name}. " + "A verdict of more than one line on a phone. " * 4,
        [Table(name, [name, "accuracy %"], rows, note=name)],
        [Picture(name, gallery(("dropout", "drop_path")).svg, name)],
        {name: "64-256-128-10 " * 10, "versions": "jax 0.10.2"},
        f"python -m experiments run {name} --option-that-is-long 1 2 3 4 5 6 7 8 9 10",
    )


def test_text_is_shown_and_not_run():
    html = render(page(EVIL)).decode()
    assert EVIL not in html
    assert html.count(escape(EVIL)) == 18
    assert len(re.findall("<script", html)) == 1


def test_a_page_needs_nothing_else():
    html = render(page()).decode()
    sources = re.findall(r"(?:src|href)=\"([^\"]*)\"", html)
    assert all(source.startswith("data:") for source in sources)
    assert "@import" not in html
    assert "url(" not in html


def test_an_interval_stays_in_one_line_and_words_behind_it_wrap():
    cell = Cell("+0.03 ± 0.01 worse", 0.03)
    html = render(Page("a", "b", [Table("t", ["h"], [[cell]])])).decode()
    assert ">+0.03<wbr>\u00a0±\u00a00.01 worse</td>" in html
    assert "wbr { display: none; }" in html
    assert "nowrap" not in html


def test_the_verdict_comes_first_and_then_the_figures():
    html = render(page()).decode()
    order = ["<h1>", 'class="verdict"', "<figure>", "<table>", "What was run", "Run it again"]
    assert [html.index(part) for part in order] == sorted(html.index(part) for part in order)


def test_a_study_shows_the_kinds_that_it_compares():
    shown = gallery(("dropout", "spatial_dropout"))
    assert shown.alt.startswith("What this study is about: dropout drops every element by itself;")
    assert re.search(r"Dropped in this draw: dropout \d+%; spatial_dropout \d+%\.$", shown.alt)
    assert shown.alt != gallery(("dropout", "spatial_dropout"), 1).alt
    assert "alpha" not in shown.svg.decode()
    compared = {name: kinds(name) for name in DESIGNED if kinds(name)}
    assert compared == {
        "spatial": ("dropout", "spatial_dropout"),
        "recurrent": ("dropout", "locked_dropout"),
        "alpha": ("dropout", "alpha_dropout"),
        "stochastic_depth": ("dropout", "drop_path"),
        "transformer": ("dropout", "drop_path"),
    }
    assert {kind for pair in compared.values() for kind in pair} == set(SAYS)


def kinds(name):
    return getattr(importlib.import_module(f"experiments.studies.claims.{name}"), "MASKS", ())


def test_links_are_escaped_too():
    html = render(Page("a", "b", [Table("g", ["h"], [[Cell("x", None, '"><script>')]])])).decode()
    assert 'href="&#34;&gt;&lt;script&gt;"' in html


def test_every_kind_of_mask_drops_its_share():
    drawn = masks(jax.random.key(0), 0.5)
    hard = [values for name, values in drawn.items() if name.split("_")[0] not in ("gaussian",)]
    assert all(0.1 < np.mean(values < 0.2) < 0.9 for values in hard)


PROBE = """
<script>
const seen = {errors: [], late: []};
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const rows = () => [...page.querySelectorAll("tbody tr")];
  const names = () => rows().map(row => row.cells[0].textContent.at(-1)).join("");
  const [first, second] = page.querySelectorAll("th button");
  seen.order = [names()];
  for (const button of [second, second, first]) { button.click(); seen.order.push(names()); }
  seen.sort = [...page.querySelectorAll("th")].map(th => th.ariaSort);
  const texts = [...page.querySelectorAll("h1, h2, p, dt, dd, pre, td, th, img")];
  const boxes = texts.map(t => t.getBoundingClientRect());
  seen.overlaps = [];
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 1) seen.overlaps.push(texts[i].outerHTML.slice(0, 60));
  }));
  seen.spill = page.documentElement.scrollWidth - view.innerWidth;
  const wider = box => box.scrollWidth > box.clientWidth;
  seen.fitted = [...page.querySelectorAll(".wide")].map(box => box.className.slice(5));
  seen.scrolled = [...page.querySelectorAll(".wide")].filter(wider).map(box => box.className);
  seen.errors = view.errors;
  const done = () => { document.querySelector("pre").textContent = JSON.stringify(seen); };
  if (!view.axe) return done();
  view.axe.run(page).then(found => {
    const where = nodes => nodes.map(node => node.html.slice(0, 60)).join(", ");
    seen.axe = found.violations.map(fault => `${fault.id}: ${where(fault.nodes)}`);
    seen.passed = found.passes.length;
  }).catch(error => { seen.axe = [String(error)]; }).finally(done);
});
</script>
"""
CATCH = """<head><script>window.errors = [];
window.onerror = message => { errors.push(String(message)); };
for (const kind of ["error", "warn", "info", "log", "debug"])
  console[kind] = (...all) => { errors.push(all.join(" ")); };</script>"""
AXE = (
    os.environ.get("AXE_CORE", ""),
    "node_modules/axe-core/axe.min.js",
    *(f"{folder}/axe_core_python/axe.min.js" for folder in site.getsitepackages()),
)
"""Where axe-core may be: a file that is named, npm's, that of the package axe-core-python."""


def looked_at(html: str, width: int, folder, script: str = "") -> dict:
    """What a browser finds in the page, shown in a frame of this width."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium here: pages were not looked at in a browser")
    added = f"<script>{script}</script>" if script else ""
    inner = escape(html.replace("<head>", CATCH + added, 1))
    frame = f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{inner}"></iframe>'
    file = folder / "frame.html"
    file.write_text(
        f'<meta charset="utf-8"><pre></pre>{PROBE.replace("<script>", frame + "<script>", 1)}'
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    options += ["--enable-logging=stderr", "--virtual-time-budget=100000", "--dump-dom"]
    call = [browser, *options, file.as_uri()]
    shown = subprocess.run(call, capture_output=True, text=True, timeout=600, check=True)
    (found,) = re.findall(r"<pre>(\{.*?\})</pre>", shown.stdout, re.S)
    console = [line for line in shown.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(unescape(found)) | {"console": console}


def checked(html: str, width: int, folder) -> list[str]:
    """What is not accessible."""
    there = [path for path in map(Path, filter(None, AXE)) if path.is_file()]
    if not there:
        pytest.skip("no axe-core here (pip install axe-core-python): pages were not checked by it")
    seen = looked_at(html, width, folder, there[0].read_text())
    assert seen["passed"] > 10
    return seen["axe"]


@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_sorts_and_finds_no_fault(tmp_path, width):
    seen = looked_at(render(page()).decode(), width, tmp_path)
    assert (seen["errors"], seen["console"]) == ([], [])
    assert seen["order"] == ["bacd", "dabc", "cbad", "abcd"]
    assert seen["sort"] == ["ascending", "none"]
    assert seen["overlaps"] == []
    assert seen["spill"] <= 0


NUMBERS = [
    [name, *(Cell("96.75 ± 1.25", 96.75) for _ in range(13))] for name in ("input-and-hidden", "b")
]


def numbers(columns: int) -> str:
    header = ["placement", *(f"test NLL {n}" for n in range(columns - 1))]
    table = Table("All arms", header, [row[:columns] for row in NUMBERS])
    return render(Page("a", "b", [table], command="c")).decode()


@pytest.mark.parametrize(("columns", "width", "fitted"), [
    (6, 400, "tight"), (6, 1400, ""), (14, 400, "stacked"), (14, 1400, "tight"),
])  # fmt: skip
def test_a_table_of_numbers_is_read_without_scrolling(tmp_path, columns, width, fitted):
    """It gets small, then cell below cell with its heading."""
    seen = looked_at(numbers(columns), width, tmp_path)
    assert (seen["fitted"][0].split()[-1:], seen["scrolled"]) == (fitted.split(), [])
    assert (seen["spill"] <= 0, seen["overlaps"]) == (True, [])


def test_a_fault_is_seen(tmp_path):
    html = (
        render(page())
        .decode()
        .replace("main {", "dl { margin-top: -9rem; } p { width: 900px; } main {")
    )
    html = html.replace("</main>", "</main><script>undefined.x</script>")
    seen = looked_at(html, 400, tmp_path)
    assert seen["errors"]
    assert seen["console"]
    assert seen["overlaps"]
    assert seen["spill"] > 0


@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_is_accessible(tmp_path, width):
    assert checked(render(page()).decode(), width, tmp_path) == []


@pytest.mark.parametrize("columns", [6, 14])
def test_a_table_of_numbers_is_accessible_on_a_phone(tmp_path, columns):
    assert checked(numbers(columns), 400, tmp_path) == []


def test_what_is_not_accessible_is_seen(tmp_path):
    html = (
        render(page())
        .decode()
        .replace('<html lang="en">', "<html>")
        .replace("<img alt=", "<img x=")
    )
    faults = " ".join(checked(html, 400, tmp_path))
    assert "html-has-lang" in faults
    assert "image-alt" in faults

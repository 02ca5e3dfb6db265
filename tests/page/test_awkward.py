"""Pages of awkward days, measured in a browser: nothing is wider than the window, and nothing lies over another."""

import html
import json
import re
import subprocess

import pytest

from page.browser import browse
from support.stack import BUCKET, embedded_stack

pytestmark = pytest.mark.page

WIDTHS = (1280, 600, 360)
LONG = "W" * 200
HEBREW = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"
ARABIC = "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645"

# Shows a page in a frame of a width, and writes what is wrong with it into the document.
MEASURE = """<!doctype html><meta charset="utf-8"><iframe src="{url}" style="width:{width}px;height:20000px;border:0"></iframe>
<pre id="found">not measured</pre>
<script>
document.querySelector("iframe").addEventListener("load", event => {{
  const page = event.target.contentDocument, found = {{wide: [], over: [], small: []}}
  const name = element => `${{element.tagName}}.${{element.getAttribute("class") || ""}} ${{element.textContent.slice(0, 30)}}`
  const hidden = element => element.closest("caption, details:not([open]) > :not(summary), title, .print")
  for (const element of page.body.querySelectorAll("*")) {{
    const box = element.getBoundingClientRect()
    if (hidden(element) || box.width === 0) continue
    if (box.right > {width} + 1 || box.left < -1) found.wide.push(name(element))
  }}
  for (const drawing of page.querySelectorAll("svg")) {{
    const texts = [...drawing.querySelectorAll("text")].map(text => [text, text.getBoundingClientRect()])
    for (const [text, box] of texts) {{
      const scale = drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width
      const size = parseFloat(page.defaultView.getComputedStyle(text).fontSize) * scale
      if (size < 10.95) found.small.push(`${{size.toFixed(2)}} px: ${{name(text)}}`)
      for (const [other, its] of texts) {{
        if (text === other) break
        const across = Math.min(box.right, its.right) - Math.max(box.left, its.left)
        const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top)
        if (across > 2 && down > 4) found.over.push(`${{name(text)}} | ${{name(other)}}`)
      }}
    }}
  }}
  for (const row of page.querySelectorAll("tr, .tiles > div, .title")) {{
    if (hidden(row)) continue
    const boxes = [...row.children].map(cell => [cell, cell.getBoundingClientRect()])
    for (const [cell, box] of boxes) for (const [other, its] of boxes) {{
      if (cell === other) break
      const across = Math.min(box.right, its.right) - Math.max(box.left, its.left)
      const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top)
      if (across > 1 && down > 1) found.over.push(`${{name(cell)}} | ${{name(other)}}`)
    }}
  }}
  for (const cell of page.querySelectorAll("td, th[scope=row], td bdi")) {{
    if (!hidden(cell) && cell.scrollWidth > cell.clientWidth + 1 && cell.clientWidth > 0) found.over.push(`runs over: ${{name(cell)}}`)
  }}
  document.getElementById("found").textContent = JSON.stringify(found)
}})
</script>
"""


def pin(index, **fields):
    return {"index": index, "title": "a", "poster_name": "Ada", "follower_count": "5k", "category": "art"} | fields


def geo(ind, **fields):
    return {"ind": ind, "timestamp": "2020-08-28 03:52:47", "latitude": 1, "longitude": 2, "country": "Aruba"} | fields


def user(ind, **fields):
    return {"ind": ind, "first_name": "Ada", "last_name": "L.", "age": 36, "date_joined": "2017-01-01 00:00:00"} | fields


def posts(number, of):
    """Makes posts; `of` returns the fields of a post's pin, geo and user that are not as ever."""
    rows = {"pin": [], "geo": [], "user": []}
    for ind in range(number):
        for make, made, fields in zip((pin, geo, user), rows.values(), of(ind), strict=True):
            made.append(make(ind, **fields))
    return rows


DAYS = {
    "one": posts(1, lambda ind: ({}, {}, {})),
    "long": posts(
        30,
        lambda ind: (
            {"category": f"{ind}{LONG}", "poster_name": f"{LONG}{ind}", "follower_count": f"{ind}k"},
            {"country": f"{ind % 25} {LONG}", "timestamp": f"{2018 + ind % 5}-01-02 03:04:05"},
            {"first_name": LONG, "age": 18 + ind, "date_joined": f"{2015 + ind % 6}-01-02 03:04:05"},
        ),
    ),
    "right-to-left": posts(
        12,
        lambda ind: (
            {"category": f"{HEBREW} {ind % 5}", "poster_name": f"{ARABIC} {ind}", "follower_count": f"{ind}k"},
            {"country": f"{ARABIC} {ind % 7}", "timestamp": f"{2010 + ind}-01-02 03:04:05"},
            {"first_name": HEBREW, "age": 10 + ind * 4},
        ),
    ),
    "outlier": posts(
        40,
        lambda ind: (
            {"poster_name": f"Poster {ind}", "follower_count": "900M" if ind == 7 else str(ind + 1), "category": f"c{ind % 8}"},
            {"country": ("Ghana", "Peru", "Togo", f"Country {ind}")[ind % 4], "timestamp": f"{2018 + ind % 5}-01-02 03:04:05"},
            {"age": 18 + ind, "date_joined": f"{2015 + ind % 6}-01-02 03:04:05"},
        ),
    ),
}


@pytest.fixture(scope="module")
def pages(pinflow, tmp_path_factory):
    """The pages of the days, by name."""
    found = {}
    for name, rows in DAYS.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "data").mkdir()
        for kind, made in rows.items():
            (folder / "data" / f"{kind}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in made))
        command = [pinflow, "demo", "--out", folder / "lake", "--data", folder / "data", "--posts", str(len(made))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-600:]
        [found[name]] = (folder / "lake" / BUCKET / "reports").rglob("index.html")
    folder = tmp_path_factory.mktemp("empty")
    with embedded_stack(pinflow, folder) as url:
        run = subprocess.run(
            [pinflow, "daily", "run", "--date", "2026-01-01", "--endpoint", url],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr[-600:]
    [found["empty"]] = (folder / BUCKET / "reports").rglob("index.html")
    return found


@pytest.mark.parametrize("name", [*DAYS, "empty"])
def test_nothing_is_wider_than_the_window_and_nothing_lies_over_another(report, browser, pages, tmp_path, name):
    for width in WIDTHS:
        frame = tmp_path / f"{width}.html"
        frame.write_text(MEASURE.format(url=pages[name].as_uri(), width=width), encoding="utf-8")
        flags = ("--dump-dom", "--allow-file-access-from-files", "--disable-web-security", f"--window-size={width + 40},2000")
        dom, _ = browse(browser, frame.as_uri(), *flags)
        found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL).group(1)))
        for what, elements in found.items():
            report.equal(f"{width} px, {what}", elements[:5], [])


def test_an_empty_day_says_so(report, pages):
    page = pages["empty"].read_text(encoding="utf-8")
    report.check("there was no record", "No record was accepted" in page and "Every accepted record was found" not in page, page[3000:3600])


def test_rows_are_told_apart_and_an_outlier_is_said(report, pages):
    page = pages["outlier"].read_text(encoding="utf-8")
    report.check("a bar has its poster and country", re.search(r"Ghana · Poster \d|Poster \d+ · (Ghana|Peru|Togo)", page), "neither")
    report.check("lengths are logarithmic", "Lengths are logarithmic" in page, "they are not said to be")
    left_out = pages["right-to-left"].read_text(encoding="utf-8")
    report.check("posts of other years are counted", re.search(r"Left out: \d+ posts of other years", left_out), "they are not")


def test_no_step_is_running_for_ever(report, pages):
    for name, path in pages.items():
        states = set(re.findall(r'<td class="state ([^"]*)"', path.read_text(encoding="utf-8")))
        report.check(f"{name}: {sorted(states)}", "running" not in states, states)


def test_pictures_of_awkward_days_are_taken(browser, pages, pictures):
    for name, path in pages.items():
        for width in WIDTHS:
            for scheme, number in (("light", 1), ("dark", 0)):
                browse(browser, path.as_uri(), f"--screenshot={pictures / f'{name}-{width}-{scheme}.png'}", f"--window-size={width},6000",
                       f"--blink-settings=preferredColorScheme={number}")  # fmt: skip
        browse(browser, path.as_uri(), f"--print-to-pdf={pictures / f'{name}.pdf'}")

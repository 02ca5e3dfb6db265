"""The page of a day: opened from the folder that `pinflow demo` leaves, with a browser."""

import csv
import html
import re
import subprocess

import pytest

from page.browser import browse
from support.stack import BUCKET, REPORTS

pytestmark = pytest.mark.page

MARKUP = "<img src=x onerror=\"document.title='markup'\">"
# What would be fetched, but for links that a person follows and the names of SVG.
FETCHED = re.compile(r"""(?:src|href|action|url|srcset|data)\s*[=(]\s*["']?(?:https?:)?//""", re.IGNORECASE)


@pytest.fixture(scope="module")
def day(pinflow, tmp_path_factory):
    """The folder of a day's reports, and what the demo printed."""
    folder = tmp_path_factory.mktemp("day")
    data = folder / "data"
    data.mkdir()
    rows = {
        "pin": f'{{"index": 1, "title": "a", "poster_name": {quoted(MARKUP)}, "follower_count": "5k", "category": "art"}}',
        "geo": f'{{"ind": 1, "timestamp": "2020-08-28 03:52:47", "latitude": 1, "longitude": 2, "country": {quoted(MARKUP)}}}',
        "user": '{"ind": 1, "first_name": "Ada", "last_name": "L.", "age": 36, "date_joined": "2017-01-01 00:00:00"}',
    }
    for kind, row in rows.items():
        (data / f"{kind}.ndjson").write_text(row + "\n")
    for options in (["--posts", "60"], ["--data", data, "--posts", "1"]):
        command = [pinflow, "demo", "--out", folder / "lake", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-600:]
    [reports] = (folder / "lake" / BUCKET / "reports").iterdir()
    return reports, done.stdout


def test_the_page_of_a_day_renders_by_itself(report, browser, day):
    """Nothing on the console, nothing fetched, each chart with its text."""
    reports, printed = day
    page = reports / "index.html"
    report.check("the demo names the page", str(page) in printed, printed[-300:])
    dom, complaints = browse(browser, page.as_uri(), "--dump-dom")
    report.equal("the console is empty", complaints, [])
    report.equal("nothing is fetched", FETCHED.findall(page.read_text()), [])
    report.check("no script", "<script" not in dom, "there is one")
    report.check("markup of the rows is text", "<img" not in dom and html.escape(MARKUP, quote=False) in dom, "it is not")
    names = sorted(path.stem for path in reports.glob("*.csv"))
    report.equal("a report for each query", names, REPORTS)
    drawings = re.findall(r"<svg[^>]*>", dom)
    labelled = [drawing for drawing in drawings if 'role="img"' in drawing and "aria-label" in drawing]
    report.check(f"{len(drawings)} drawings have a text", len(labelled) == len(drawings) >= len(names), drawings[:1])
    text = html.unescape(re.sub(r"<[^>]*>", "\n", dom))
    lines = {line.strip() for line in text.splitlines()}
    for name in names:
        with (reports / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            cells = {cell for row in list(csv.reader(file))[1:] for cell in row if cell and not is_number(cell)}
        missing = sorted(cell for cell in cells if " ".join(cell.split()) not in {" ".join(line.split()) for line in lines})
        report.check(f"the texts of {name} are on the page", not missing, missing[:3])


def test_pictures_are_taken(browser, day, pictures):
    page = day[0] / "index.html"
    for name, width, scheme in (("day-light", 1200, 1), ("day-dark", 1200, 0), ("day-narrow", 400, 1)):
        browse(browser, page.as_uri(), f"--screenshot={pictures / name}.png", f"--window-size={width},5000",
               f"--blink-settings=preferredColorScheme={scheme}")  # fmt: skip


def quoted(text):
    return '"' + text.replace('"', '\\"') + '"'


def is_number(text):
    return re.fullmatch(r"-?[\d.]+", text) is not None

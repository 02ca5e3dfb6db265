"""The page of the embedded stack, opened with a browser."""

import http.server
import json
import subprocess
import threading
from contextlib import contextmanager

import pytest
import requests

from page.browser import Dom, browse
from support.stack import embedded_stack, wait_until

pytestmark = pytest.mark.page

STATUS = "/_local/status.json"
# A key that would be markup, if the page let it.
HOSTILE = "clean/<img src=x onerror=\"document.title='markup'\">/a&b 'c'#d?e.parquet"

# What another stack would answer: a named stage, a hostile key, and a count that grows with each poll.
FAKE_STATUS = {
    "version": "9.9.9",
    "stage": "Dev",
    "stream": "events",
    "bucket": "lake",
    "needs_key": True,
    "records": {"accepted": 0, "on_stream": 1234567},
    "rows": {"pin": 1, "geo": 2, "user": 3},
    "rejected": {"<b>code</b>": 4},
    "changes": {"blank_text": 5, "field_renamed": 6},
    "objects": 7,
    "bytes_written": 8_900_000,
    "invocations": 10,
    "retries": 11,
    "dropped": 12,
    "newest": [{"key": HOSTILE, "size_bytes": 13, "modified_ms": 1_710_276_900_000}],
}


def open_page(report, name, browser, url):
    text, complaints = browse(browser, url, "--dump-dom")
    report.equal(f"{name}: the console is empty", complaints, [])
    return Dom(text)


@pytest.fixture(scope="module")
def url(pinflow, tmp_path_factory):
    with embedded_stack(pinflow, tmp_path_factory.mktemp("page")) as url:
        yield url


def test_the_browser_tells_what_is_on_the_console(browser, tmp_path):
    page = tmp_path / "complaint.html"
    page.write_text("<script>console.error('seen')</script>", encoding="utf-8")
    _, complaints = browse(browser, page.as_uri(), "--dump-dom")
    assert complaints


def test_the_page_shows_what_was_posted(report, browser, url):
    rows = [
        {"ind": 1, "timestamp": "2020-08-28 03:52:47", "latitude": 1, "longitude": 2, "country": ""},
        {"ind": 2, "timestamp": "2020-08-28 03:52:48", "latitude": 91, "longitude": 2, "country": "Aruba"},
        {"country": "No key"},
    ]
    for _ in range(2):
        requests.post(f"{url}/events/geo", json=rows, timeout=30).raise_for_status()
    wait_until(30, lambda: settled(url))
    status = requests.get(url + STATUS, timeout=30).json()
    report.equal("status: records accepted", status["records"], {"accepted": 6, "on_stream": 6})
    report.equal("status: clean rows", status["rows"], {"pin": 0, "geo": 4, "user": 0})
    report.equal("status: quarantined", sum(status["rejected"].values()), 2)
    report.equal("status: objects", len(status["newest"]), status["objects"])
    dom = open_page(report, "page", browser, url)
    for name, expected in {
        "state": "Live",
        "accepted": "6",
        "clean": "4",
        "quarantined": "2",
        "changed": str(sum(status["changes"].values())),
        "written": str(status["objects"]),
        "retries": "0",
        "base": url,
    }.items():
        report.equal(f"page: {name}", dom.texts.get(name), expected)
    for part in ("rows", "rejected", "changes"):
        text = dom.texts.get(part, "")
        report.check(f"page: {part}", all(f"{k}{v}" in text for k, v in status[part].items()), text)
    links = [link for link in dom.links if "download" in link]
    report.equal("page: keys", [link["title"] for link in links], [item["key"] for item in status["newest"]])
    sizes = [len(requests.get(url + link["href"], timeout=30).content) for link in links]
    report.equal("page: links download the objects", sizes, [item["size_bytes"] for item in status["newest"]])
    check_lines(report, dom, url)
    head = requests.head(url, timeout=30)
    report.equal("HEAD /", (head.status_code, head.headers["content-type"]), (200, "text/html; charset=utf-8"))
    report.equal("POST /: 405", requests.post(url, timeout=30).status_code, 405)


def settled(url):
    status = requests.get(url + STATUS, timeout=30).json()
    done = sum(status["rows"].values()) + sum(status["rejected"].values())
    return done == status["records"]["accepted"] and len(status["newest"]) == status["objects"]


def check_lines(report, dom, url):
    """Runs the lines that the page shows, as a shell does."""
    text = dom.texts.get("posts", "")
    lines = ["curl" + part for part in text.split("curl")[1:]]
    report.equal("page: lines for curl", len(lines), 3)
    report.equal("page: buttons with labels", len([label for label in dom.labels if label.startswith("Copy: ")]), 4)
    for line in lines:
        # What follows a line is the title of the next.
        line = line[: line.rindex("'") + 1]
        done = subprocess.run(["bash", "-c", f"{line} --silent --write-out '%{{http_code}}' --output /dev/null"],
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        report.equal(f"page: {line.split()[2]} {line.split()[3]}", done.stdout, "200")


@contextmanager
def fake_stack(url, status):
    """Serves the page of the stack with another status, and yields the base URL."""
    page = requests.get(url, timeout=30)

    class Handler(http.server.BaseHTTPRequestHandler):
        polls = 0

        def do_GET(self):
            if self.path == STATUS:
                Handler.polls += 1
                records = status["records"] | {"accepted": Handler.polls}
                self.answer(json.dumps(status | {"records": records}).encode(), {"Content-Type": "application/json"})
            else:
                names = ("Content-Type", "Content-Security-Policy")
                self.answer(page.content, {name: page.headers[name] for name in names})

        def answer(self, body, headers):
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def test_the_page_shows_another_status(report, browser, url):
    with fake_stack(url, FAKE_STATUS) as fake_url:
        check_fake(report, browser, fake_url)


def check_fake(report, browser, url):
    dom = open_page(report, "another status", browser, url)
    polls = int(dom.texts.get("accepted", 0))
    report.check(f"another status: {polls} polls in 5 s", 4 <= polls <= 6, "one a second was expected")
    report.equal("another status: base URL", dom.texts.get("base"), f"{url}/Dev")
    report.check("another status: the stage", "Stage Dev" in dom.texts.get("where", ""), dom.texts.get("where"))
    lines = dom.texts.get("posts", "")
    report.equal("another status: lines with a key", lines.count('-H "x-api-key: $PINFLOW_API_KEY"'), 3)
    report.equal("another status: given up", dom.texts.get("dropped"), "12 records given up")
    report.equal("another status: megabytes", dom.texts.get("bytes"), "8.90 MB")
    report.equal("another status: no markup of others", dom.names & {"img", "b"}, set())
    report.check("another status: the code", "<b>code</b>4" in dom.texts.get("rejected", ""), dom.texts.get("rejected"))
    [link] = [link for link in dom.links if "download" in link]
    report.equal("another status: the key", link["title"], HOSTILE)
    path = requests.utils.unquote(link["href"].split("?")[0].split("#")[0])
    report.equal("another status: the link", path, f"/lake/{HOSTILE}")


def test_pictures_are_taken(browser, url, pictures):
    for name, width, scheme in (("light", 1200, 1), ("dark", 1200, 0), ("narrow", 400, 1), ("narrow-dark", 400, 0)):
        browse(browser, url, f"--screenshot={pictures / name}.png", f"--window-size={width},{1500 if width > 500 else 2600}",
               f"--blink-settings=preferredColorScheme={scheme}")  # fmt: skip

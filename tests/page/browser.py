"""A page in a headless browser."""

import html.parser
import subprocess
import tempfile

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-logging=stderr",
]


def browse(browser, url, *flags):
    """Opens a page for some seconds of its own time; returns what the browser printed and what it complained of."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=5000", *flags, url]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    if done.returncode != 0:
        raise OSError(f"the browser exited with {done.returncode}: {done.stderr[-600:]}")
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


class Dom(html.parser.HTMLParser):
    """What a page shows: texts by id, the links, the buttons' labels, and the names of all elements."""

    EMPTY = ("meta", "link", "br", "img", "input")

    def __init__(self, text):
        super().__init__()
        self.texts, self.links, self.labels, self.names, self.open = {}, [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.add(tag)
        if tag == "a":
            self.links.append(attributes)
        if tag == "button":
            self.labels.append(attributes.get("aria-label", ""))
        if tag not in self.EMPTY:
            self.open.append(attributes.get("id"))

    def handle_endtag(self, tag):
        if self.open:
            self.open.pop()

    def handle_data(self, data):
        for name in filter(None, self.open):
            self.texts[name] = self.texts.get(name, "") + data

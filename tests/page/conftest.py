"""The browser, and where pictures go."""

import shutil

import pytest

from page.browser import BROWSERS


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    return found


@pytest.fixture(scope="session")
def pictures(pytestconfig):
    """The folder for pictures; a test that asks for it is skipped without it."""
    folder = pytestconfig.getoption("screenshots")
    if folder is None:
        pytest.skip("`--screenshots` names no folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder

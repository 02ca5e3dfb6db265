"""Checks of which each is a subtest: the others go on when one fails."""

from contextlib import contextmanager

import pytest


class Report:
    """Makes a subtest of each check."""

    def __init__(self, subtests):
        self.subtests = subtests

    def check(self, name, ok, detail):
        with self.subtests.test(name):
            assert ok, short(detail)

    def equal(self, name, got, expected):
        with self.subtests.test(name):
            assert got == expected

    def skip(self, name, reason):
        with self.subtests.test(name):
            pytest.skip(reason)

    @contextmanager
    def group(self, name):
        """Turns an error that ends a group of checks into one failed check."""
        try:
            yield
        except Exception:
            with self.subtests.test(name):
                raise


def short(value):
    text = str(value)
    return text if len(text) <= 800 else text[:800] + "..."

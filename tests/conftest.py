"""What every suite has: its options, the binary, and checks that go on after one that failed."""

import os
import random
from pathlib import Path

import pytest

# The program may be in a target directory that is no part of the checkout, and runs in folders of its own.
os.environ.setdefault("MODEL_DIR", str(Path(__file__).parent.parent / "model"))

# Before the first import, so that a comparison that fails shows the difference.
pytest.register_assert_rewrite("support.report")

from support.report import Report  # noqa: E402
from support.stack import pinflow_binary  # noqa: E402


def pytest_addoption(parser):
    options = parser.getgroup("pinflow")
    options.addoption("--binary", type=Path, help="the pinflow to check, else the one that cargo built")
    options.addoption("--data", type=Path, help="a folder of real rows; what needs them is skipped without it")
    options.addoption("--model-tables", type=Path, help="tables that the model's random sequences left, to be read as well")
    options.addoption("--seed", type=int, default=random.randrange(10**6), help="of rows, cuts and kills")
    options.addoption("--minutes", type=float, default=10, help="how long the steady load takes")
    options.addoption(
        "--rejects", type=int, default=2_000_000, help="of the day of rejects; 8,000,000 take four times as long, and the same memory"
    )
    options.addoption("--objects", type=int, default=20_000, help="of each date of an old stack; ten full shards put 127,700")
    options.addoption("--rows", type=int, default=160_000, help="of each day of rows of every size")
    options.addoption("--bless", action="store_true", help="write the golden answers instead of comparing")
    options.addoption("--screenshots", type=Path, help="a folder for pictures of the pages, light, dark and narrow")
    options.addoption("--ministack", type=Path, help="the program of the emulator of AWS")


def pytest_report_header(config):
    return f"seed {config.getoption('seed')}"


MEASURED = pytest.StashKey[list]()


@pytest.fixture
def measured(pytestconfig):
    """Takes (label, value), which the summary prints as a table."""
    table = pytestconfig.stash.setdefault(MEASURED, [])
    return lambda label, value: table.append((label, value))


def pytest_terminal_summary(terminalreporter, config):
    for label, value in config.stash.get(MEASURED, []):
        terminalreporter.write_line(f"{label:<70} {value:>9}")


@pytest.fixture
def report(subtests):
    return Report(subtests)


@pytest.fixture(scope="session")
def pinflow(pytestconfig):
    """The program, as cargo built it."""
    return (pytestconfig.getoption("binary") or pinflow_binary()).absolute()


@pytest.fixture(scope="session")
def seed(pytestconfig):
    return pytestconfig.getoption("seed")


@pytest.fixture(scope="session")
def data(pytestconfig):
    """The folder of real rows, or None."""
    folder = pytestconfig.getoption("data")
    return folder.absolute() if folder and folder.is_dir() else None


@pytest.fixture
def real_data(data, pytestconfig):
    """The folder of real rows; a test that asks for it is skipped without it."""
    if data is None:
        folder = pytestconfig.getoption("data")
        pytest.skip("there is no data folder" if folder is None else f"`{folder}` is not a folder")
    return data

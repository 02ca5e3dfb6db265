"""Holds the API against its own description, `openapi.yaml`: schemathesis posts what the description allows and forbids."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.stack import embedded_stack

pytestmark = pytest.mark.api

HERE = Path(__file__).parent

# Fewer would mean that a phase was left out, or an operation.
FEWEST_CASES = 1500


def test_the_api_is_as_described(pinflow, tmp_path):
    """Runs every phase with every check; `schemathesis.toml` has the seed and the number of examples."""
    with embedded_stack(pinflow, tmp_path) as url:
        done = schemathesis(url, tmp_path)
    passed = re.search(r"^\s*(\d+) generated, \1 passed$", done.stdout, re.MULTILINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert passed, done.stdout
    assert int(passed[1]) >= FEWEST_CASES


def schemathesis(url, folder):
    command = [
        Path(sys.executable).with_name("st"),
        f"--config-file={HERE / 'schemathesis.toml'}",
        "run",
        f"{url}/openapi.yaml",
        "--phases=examples,coverage,fuzzing,stateful",
        "--checks=all",
        "--no-color",
    ]
    env = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", timeout=900)

"""Holds the API against its own description, `openapi.yaml`: schemathesis posts what the description allows and forbids.

Prints a line per check; the exit code is 1 when one failed.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "interop"))

from harness import Report, embedded_stack, pinflow_binary  # noqa: E402

# Fewer would mean that a phase was left out, or an operation.
FEWEST_CASES = 1500


def main():
    report = Report()
    with report.group("the binary"), tempfile.TemporaryDirectory() as folder:
        with embedded_stack(pinflow_binary(), folder) as url:
            check_description(report, url, folder)
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    return 1 if report.failed else 0


def check_description(report, url, folder):
    """Runs every phase with every check; `schemathesis.toml` has the seed and the number of examples."""
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
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", timeout=900)
    passed = re.search(r"^\s*(\d+) generated, \1 passed$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not passed:
        print(done.stdout, done.stderr, sep="\n")
    cases = int(passed[1]) if passed else 0
    report.equal("schemathesis: exit code", done.returncode, 0)
    report.check(f"schemathesis: {cases} test cases passed", cases >= FEWEST_CASES, f"fewer than {FEWEST_CASES}")


if __name__ == "__main__":
    sys.exit(main())

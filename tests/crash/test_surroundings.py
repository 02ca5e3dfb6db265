"""What a user's machine may be like: proxies, no home folder, a full disk, two posts at once, output that goes nowhere."""

import json
import os
import subprocess
import time

import pytest

from support.stack import embedded_stack

pytestmark = pytest.mark.crash

# Nothing listens there.
NOBODY = "http://127.0.0.1:9"


def run(pinflow, folder, *arguments, without=(), **environment):
    variables = {name: value for name, value in os.environ.items() if name not in without} | environment
    command = [str(word) for word in (pinflow, *arguments)]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, encoding="utf-8", timeout=120)


@pytest.mark.parametrize(
    "surroundings",
    [
        {"without": ("HOME",)},
        {"AWS_PROFILE": "nowhere"},
        {"HTTP_PROXY": NOBODY, "http_proxy": NOBODY, "HTTPS_PROXY": NOBODY, "ALL_PROXY": NOBODY},
        {"HTTP_PROXY": NOBODY, "NO_PROXY": ".example.com"},
        {"COLUMNS": "40", "TERM": "dumb"},
        {"LANG": "C", "TZ": "Pacific/Kiritimati"},
    ],
    ids=lambda surroundings: "+".join(surroundings),
)
def test_the_demo_does_not_mind(pinflow, tmp_path, surroundings):
    done = run(pinflow, tmp_path, "demo", "--posts", 5, "--port", 0, **surroundings)
    assert done.returncode == 0, done.stderr
    assert "15 accepted = 15 clean + 0 quarantined, unaccounted = 0" in done.stdout


def test_a_full_disk_ends_the_demo_with_its_name(pinflow, small_disk):
    out = small_disk / "lake"
    (small_disk / "ballast").write_bytes(b"x" * (61 << 20))
    done = run(pinflow, small_disk, "demo", "--posts", 3000, "--port", 0, "--out", out)
    assert done.returncode == 1
    assert f"error: the disk under `{out}` is full" in done.stderr
    assert "\x1b" not in done.stderr, "colours in a log that goes to a file"
    # With room again, it goes on.
    (small_disk / "ballast").unlink()
    done = run(pinflow, small_disk, "demo", "--posts", 5, "--port", 0, "--out", out)
    assert done.returncode == 0, done.stderr


def test_output_that_cannot_be_written_is_told(pinflow, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([pinflow, "generate", "--posts", "5"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: could not write the output: No space left on device (os error 28)\n"


def test_of_two_posts_on_one_state_file_one_goes_on(pinflow, tmp_path):
    with embedded_stack(pinflow, tmp_path / "out") as url:
        options = ["post", "--api", url, "--posts", "200", "--state", tmp_path / "state.json"]
        first = subprocess.Popen([pinflow, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while not (tmp_path / "state.json").exists() and first.poll() is None:
            time.sleep(0.01)
        second = run(pinflow, tmp_path, *options)
        out, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert "600 rows accepted, 0 failed" in out
    assert second.returncode == 1
    assert "another `pinflow post` has `" in second.stderr
    assert json.loads((tmp_path / "state.json").read_text())["posts_done"] == 200
    assert not (tmp_path / "state.json.lock").exists()


@pytest.mark.parametrize("content", ["", '{"posts_do', "[]", '{"run": {}, "posts_done": 3}'])
def test_a_state_file_that_was_cut_is_told_and_left(pinflow, tmp_path, content):
    state = tmp_path / "state.json"
    state.write_text(content)
    done = run(pinflow, tmp_path, "post", "--api", NOBODY, "--posts", 5, "--state", state, "--resume")
    assert done.returncode == 1
    assert f"could not read `{state}`; run the command without --resume to start from the beginning" in done.stderr
    assert state.read_text() == content

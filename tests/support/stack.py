"""The binary, and a running stack."""

import json
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
import requests

ROOT = Path(__file__).parent.parent.parent
KINDS = ("geo", "pin", "user")
BUCKET = "pinflow-lake"
STREAM = "pinflow-events"
# The names of the reports: one for each query.
REPORTS = sorted(path.stem for path in (ROOT / "model" / "reports").glob("*.sql"))


def target_directory():
    """Returns where cargo builds."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return Path(json.loads(metadata.stdout)["target_directory"])


def pinflow_binary():
    binary = target_directory() / "debug" / "pinflow"
    if not binary.exists():
        raise OSError(f"`{binary}` is not there; build it with `cargo build --package pinflow`")
    return binary


def run_pinflow(binary, *arguments, environment=None):
    """Runs a command of pinflow to its end, and returns what it prints."""
    command = [binary, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=600)
    if done.returncode != 0:
        raise OSError(f"`pinflow {arguments[0]}` exited with {done.returncode}: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_stack(binary, folder, port, *options):
    """Starts `pinflow local`, and returns the process once it answers."""
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile("w+") as log:
        command = [binary, "local", "--out", folder, "--port", str(port), *options]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(30, lambda: process.poll() is not None or is_healthy(url))
        if process.poll() is not None or not is_healthy(url):
            process.kill()
            log.seek(0)
            raise OSError(f"`pinflow local` does not answer: {log.read()[-600:]}")
    return process


def secret(url):
    """Returns the secret key of the stack at a URL, from the file that it names."""
    answer = requests.get(f"{url}/_local/secret-file", timeout=10)
    answer.raise_for_status()
    return Path(answer.text).read_text(encoding="utf-8")


def aws_session(url):
    """Returns a session of AWS's Python client for the stack at a URL."""
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key=secret(url), region_name="us-east-1")


@contextmanager
def embedded_stack(binary, folder, port=None, on_start=lambda process: None):
    """Runs `pinflow local`, and yields its base URL."""
    port = port or free_port()
    process = start_stack(binary, folder, port)
    on_start(process)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_healthy(url):
    try:
        return requests.get(f"{url}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def wait_until(seconds, condition):
    """Returns when the condition comes true, or when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)

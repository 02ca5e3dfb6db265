"""A packaged function, run as Lambda runs it: unpacked from its zip, and fed by the Runtime API."""

import base64
import json
import queue
import re
import subprocess
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import sysconf
from pathlib import Path

from support.stack import BUCKET, ROOT, STREAM, secret, target_directory

FUNCTIONS = ("daily-batch", "ingest-api", "stream-cleaner")

# Lambda gives an invocation no longer than its timeout; a function that is stuck fails its check after this one.
TIMEOUT_SECONDS = 30

# The largest event of an event source mapping.
EVENT_MAX_BYTES = 6 * 1024 * 1024

# The sequence number of an event's first record.
FIRST_SEQUENCE = 49666716197061357389751170868210642185623031110770360322

INVOCATIONS = "/2018-06-01/runtime/invocation/"

TICK_MS = 1000 / sysconf("SC_CLK_TCK")


def package(name):
    """Returns the path of a function's zip."""
    path = target_directory() / "lambda" / name / "bootstrap.zip"
    if not path.exists():
        raise OSError(f"`{path}` is not there; make it with `make package`")
    return path


def unpack(name, folder):
    """Unpacks a function's zip as Lambda does, and returns the path of its binary."""
    with zipfile.ZipFile(package(name)) as file:
        member = file.getinfo("bootstrap")
        if not (member.external_attr >> 16) & 0o111:
            raise ValueError(f"Lambda needs an executable `bootstrap` at the top of the zip, not {member}")
        file.extractall(folder)
        path = Path(folder, "bootstrap")
    path.chmod(0o755)
    return path


def cpu_ns(process):
    """Returns the processor time of the threads that a process has now, in ns (Linux only): finer than the clock of `cpu_ms`."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads)


def cpu_ms(process):
    """Returns the processor time that a process has taken (Linux only)."""
    # The name is in parentheses, and may contain a blank.
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


class RuntimeApi(ThreadingHTTPServer):
    """The part of Lambda that a function asks for events and hands its answers to."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        # A function that is stopped breaks its connections.
        pass

    def __init__(self, timeout):
        super().__init__(("127.0.0.1", 0), RuntimeApiHandler)
        self.timeout_seconds = timeout
        self.events = queue.Queue()
        # The path that was posted to, and the body.
        self.answers = queue.Queue()
        # Set once the function has started, and asks for an event; and when that was.
        self.asked = threading.Event()
        self.asked_at = None
        # When the last event was handed over, and when the answer to it began to come.
        self.handed_at = self.answered_at = None


class RuntimeApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An event is written in two parts, and the second would wait for the first one's acknowledgement.
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path != INVOCATIONS + "next":
            self.send(404)
            return
        self.server.asked_at = self.server.asked_at or time.monotonic()
        self.server.asked.set()
        number, event = self.server.events.get()
        deadline = int((time.time() + self.server.timeout_seconds) * 1000)
        self.server.handed_at = time.monotonic()
        self.send(200, event, {
            "Lambda-Runtime-Aws-Request-Id": f"00000000-0000-4000-8000-{number:012}",
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:pinflow",
        })  # fmt: skip

    def parse_request(self):
        # Its first line is there; to take the others apart is this process's work.
        self.came_at = time.monotonic()
        return super().parse_request()

    def do_POST(self):
        self.server.answered_at = self.came_at
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.put((self.path, body))
        self.send(202)

    def send(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Function:
    """A running function."""

    def __init__(self, process, api, started):
        self.process, self.api, self.started = process, api, started
        self.invocations = 0
        self.lines = queue.Queue()
        threading.Thread(target=self.read_lines, daemon=True).start()

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def invoke(self, event):
        """Hands an event over as bytes, and returns the answer's JSON."""
        path, answer = self.outcome(event)
        if not path.endswith("/response"):
            raise OSError(f"`{path}` got {answer}")
        return answer

    def outcome(self, event):
        """Hands an event over as bytes, and returns the path that was posted to, and the JSON."""
        self.invocations += 1
        self.api.events.put((self.invocations, event))
        try:
            path, body = self.api.answers.get(timeout=self.api.timeout_seconds + 5)
        except queue.Empty:
            raise OSError(f"no answer; the last lines are {self.output()[-5:]}") from None
        return path, json.loads(body)

    def output(self):
        """Returns the lines that were printed since the last call. A function prints before it answers."""
        # But they come here through a thread of its own.
        time.sleep(0.1)
        return [self.lines.get().rstrip("\n") for _ in range(self.lines.qsize())]

    def init_ms(self):
        """Returns how long it took from the start of the process until it asked for an event."""
        if not self.api.asked.wait(self.api.timeout_seconds):
            raise OSError(f"it does not ask for an event; the last lines are {self.output()[-5:]}")
        return (self.api.asked_at - self.started) * 1000

    def took_ms(self):
        """Returns how long it took for the last event, without what this process does to read its answer."""
        return (self.api.answered_at - self.api.handed_at) * 1000

    def peak_memory_bytes(self):
        """Returns the most memory that was ever in use at once (Linux only)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024


@contextmanager
def running(command, url, timeout=TIMEOUT_SECONDS, home=None, environment=None):
    """Runs a function against the stack at a base URL: its binary, or a command with its arguments.

    Lambda starts a function in the folder of its package, `home`; `environment` is what it sets beside what all functions need.
    """
    command = command if isinstance(command, list) else [command]
    with RuntimeApi(timeout) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        # Nothing of this process's own environment: what a function needs must come from here.
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "pinflow",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "MODEL_DIR": "model",
            **function_environment(url),
            **(environment or {}),
        }
        home = home or Path(command[0]).parent
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        try:
            yield Function(process, api, started)
        finally:
            process.kill()
            process.wait()
            api.shutdown()


def cleaner_environment():
    """Returns the variable of the C library that `infra/` sets for stream-cleaner: measurements need it."""
    [tunables] = re.findall(r'GLIBC_TUNABLES *= *"(.+)"', (ROOT / "infra" / "functions.tf").read_text())
    return {"GLIBC_TUNABLES": tunables}


def function_environment(url):
    """Returns the variables by which a function finds the stack, as CONTRIBUTING.md has them."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": secret(url),
        "AWS_REGION": "us-east-1",
        "STREAM_NAME": STREAM,
        "BUCKET_NAME": BUCKET,
    }


def kinesis_event(records):
    """Returns the event of as many of the records, each its key and its bytes, as fit; and how many they are."""
    taken, size = [], len('{"Records":[]}')
    for number, (key, data) in enumerate(records):
        sequence = str(FIRST_SEQUENCE + number)
        record = json.dumps({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": key,
                "sequenceNumber": sequence,
                "data": base64.b64encode(data).decode(),
                "approximateArrivalTimestamp": 1767225600.12,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:{sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/pinflow-stream-cleaner",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/pinflow-events",
        })  # fmt: skip
        size += len(record) + 1
        if size > EVENT_MAX_BYTES:
            break
        taken.append(record)
    return f'{{"Records":[{",".join(taken)}]}}'.encode(), len(taken)

"""An emulator of AWS on this machine, which checks signatures and policies, and speaks TLS as AWS does."""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import botocore.exceptions
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from support.stack import free_port, wait_until

REGION = "us-east-1"
# The emulator's own administrator.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Emulator:
    """A running emulator."""

    def __init__(self, folder, port):
        self.folder = folder
        self.port = port
        self.url = f"https://127.0.0.1:{port}"

    @property
    def certificate(self):
        """The certificate of the emulator, which whoever speaks with it must trust."""
        return self.folder / "ministack-tls" / "server.crt"

    @property
    def environment(self):
        """Variables by which Terraform, the SDKs and the functions find the emulator and trust it."""
        return {
            **CREDENTIALS,
            "AWS_CA_BUNDLE": str(self.certificate),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "HOME": str(self.folder),
            # cargo-lambda is beside Python.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SSL_CERT_FILE": str(self.certificate),
        }

    def client(self, service):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            verify=str(self.certificate),
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def is_up(self):
        try:
            return bool(self.certificate.exists() and self.client("sts").get_caller_identity())
        except botocore.exceptions.BotoCoreError:
            return False


@contextmanager
def emulator(program, folder):
    """Runs the emulator with its files in a folder."""
    running = Emulator(folder, free_port())
    environment = {
        **running.environment,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(running.port),
        "MINISTACK_HOST": "127.0.0.1",
        "TMPDIR": str(folder),
        "USE_SSL": "1",
    }
    with (folder / "emulator.log").open("w") as log:
        process = subprocess.Popen([program], env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(60, lambda: process.poll() is not None or running.is_up())
            if not running.is_up():
                raise OSError(f"the emulator does not answer: {(folder / 'emulator.log').read_text()[-600:]}")
            yield running
        finally:
            # The functions that it started are of its session.
            os.killpg(process.pid, 9)
            process.wait()


class Issuer:
    """An issuer of tokens, as an OpenID provider is one."""

    def __init__(self, url):
        self.url = url

    @cached_property
    def key(self):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, audience="pinflow", key=None, seconds=300):
        """Returns a token that is valid for some seconds, of this issuer's key if none is given."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": audience, "sub": "somebody", "iat": now - 600, "exp": now + seconds}
        return jwt.encode(claims, key or self.key, algorithm="RS256", headers={"kid": "one"})

    def documents(self):
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [{**public, "kid": "one", "alg": "RS256", "use": "sig"}]},
        }


@contextmanager
def issuer(certificate):
    """Serves an issuer's documents with the emulator's own certificate, which it trusts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            document = running.documents().get(self.path)
            body = json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        running = Issuer(f"https://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield running
        server.shutdown()

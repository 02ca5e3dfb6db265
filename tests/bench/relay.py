"""Stands between a function and a service, and says how long the function waited for it."""

import selectors
import socket
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 20


class Relay:
    """Hands on what comes over its connections, as it comes."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.service = (parts.hostname, parts.port)
        # The stack answers requests that name this machine and its own port: the relay is at that port of the other loopback address.
        self.listener = socket.create_server(("::1", parts.port), family=socket.AF_INET6)
        self.url = f"http://[::1]:{parts.port}"
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.waited = 0.0
        # When the last part came.
        self.came_at = time.monotonic()

    def serve(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    self.connect()
                else:
                    self.hand_on(key.fileobj, *key.data)

    def connect(self):
        client, _ = self.listener.accept()
        service = socket.create_connection(self.service)
        for end, data in ((client, (service, True)), (service, (client, False))):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(end, selectors.EVENT_READ, data)

    def hand_on(self, source, target, is_asked):
        if source.fileno() < 0:
            # Its other end was closed a moment ago.
            return
        try:
            data = source.recv(CHUNK_BYTES)
            now = time.monotonic()
            if not is_asked:
                self.waited += now - self.came_at
            # A request may come in parts, and so may its answer: the function waits from the last part to the next one.
            self.came_at = now
            target.sendall(data)
        except OSError:
            # A function that is stopped breaks its connections.
            data = b""
        if not data:
            for end in (source, target):
                self.selector.unregister(end)
                end.close()

    def take_waited_ms(self):
        """Returns for how long was waited since this was asked last."""
        waited, self.waited = self.waited, 0.0
        return waited * 1000


@contextmanager
def relay(url):
    """Runs a relay to the service at a base URL."""
    running = Relay(url)
    threading.Thread(target=running.serve, daemon=True).start()
    yield running

"""An object store of a test's own: a server that speaks S3, with one bucket."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from unittest.mock import patch
from urllib.request import Request, urlopen

BUCKET = "lakes"
SECRET = "not to be shown either"
_COMES_UP_S = 60


@dataclass(frozen=True)
class Store:
    endpoint: str
    server: subprocess.Popen[bytes]
    url: str = f"s3://{BUCKET}/home"

    def put(self, key: str, content: bytes) -> None:
        self._asked(f"/{key}", "PUT", content)

    def get(self, key: str) -> bytes:
        return self._asked(f"/{key}", "GET")

    def held(self) -> list[str]:
        return re.findall(r"<Key>(.*?)</Key>", self._asked("", "GET").decode())

    def _asked(self, path: str, method: str, content: bytes | None = None) -> bytes:
        with urlopen(Request(f"{self.endpoint}/{BUCKET}{path}", data=content, method=method)) as answer:
            found: bytes = answer.read()
            return found


@contextmanager
def own_store() -> Iterator[Store]:
    """Up, with what AWS's clients look for in the environment, and gone behind the block."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        store = Store(f"http://127.0.0.1:{port}", server)
        environment = {
            "AWS_ACCESS_KEY_ID": "of-the-tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": store.endpoint,
        }
        try:
            give_up = time.monotonic() + _COMES_UP_S
            while not _made(store):
                assert server.poll() is None, "the store did not start"
                assert time.monotonic() < give_up, "the store did not come up"
                time.sleep(0.1)
            with patch.dict(os.environ, environment):
                yield store
        finally:
            server.kill()


def _made(store: Store) -> bool:
    try:
        store._asked("", "PUT")
    except OSError:
        return False
    return True

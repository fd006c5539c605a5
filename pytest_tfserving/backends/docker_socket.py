"""One question to a container engine at a local socket, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import socket
from urllib.parse import quote

_SECONDS_TO_ANSWER = 10.0
_SHORT_ID = 12  # letters of docker-py's Image.short_id, after the digest's name where an engine gives one


def image_id(path: str, image: str) -> str | None:
    """The short id of an image; None where the engine has none of that name.

    Raises OSError where nothing answers at the socket `path`, ValueError where it is no engine.
    """
    connection = _Connection(path)
    try:
        connection.request("GET", f"/images/{quote(image, safe='/:@')}/json")
        response = connection.getresponse()
        document = json.loads(response.read())
        if response.status != http.client.OK:
            return None
        digest, colon, number = str(document["Id"]).rpartition(":")
        return f"{digest}{colon}{number[:_SHORT_ID]}"
    except (http.client.HTTPException, TypeError, LookupError) as error:
        raise ValueError(f"not an engine's answer: {error!r}") from error
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP to a local socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS_TO_ANSWER)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

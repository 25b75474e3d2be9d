"""One connection to a node: sends a request, bounded in time, and reads the answer."""

import http.client
import json
import re
from dataclasses import dataclass

import yaml

from .documents import Loader

# No test waits for longer on purpose; what takes longer is a failure of its own.
REQUEST_WITHIN_SECONDS = 35

# A warning header: code, agent, the text in quotes, perhaps a date.
WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


@dataclass
class Answer:
    status: int
    text: str
    # The body as data; of an answer to HEAD whether the thing exists; of other text the text.
    data: object
    warnings: list

    @property
    def is_error(self):
        return self.status >= 400


class Client:
    """Not for several threads."""

    def __init__(self, address):
        self.address = address.removeprefix("http://").rstrip("/")
        self.connection = None

    def send(self, request):
        """The answer to the request; OSError or HTTPException when there is none."""
        if self.connection is not None:
            try:
                return self._exchange(request)
            except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
                pass  # The node may end a connection between two requests; that is no answer to this one.
        self.connection = http.client.HTTPConnection(self.address, timeout=REQUEST_WITHIN_SECONDS)
        return self._exchange(request)

    def _exchange(self, request):
        try:
            self.connection.request(request.method, request.path, request.body, request.headers)
            response = self.connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        warnings = [one for header in response.headers.get_all("Warning", []) for one in WARNING.findall(header)]
        warnings = [re.sub(r"\\(.)", r"\1", one) for one in warnings]
        if request.method == "HEAD":
            return Answer(response.status, "", response.status < 400, warnings)
        return Answer(response.status, text, _data(response.headers.get_content_type(), text), warnings)


def _data(content_type, text):
    if content_type.endswith("json"):
        return json.loads(text) if text else None
    if content_type.endswith("yaml"):
        return yaml.load(text, Loader)
    return text

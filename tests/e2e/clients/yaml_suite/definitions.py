"""The API definitions: from an API's name and arguments to an HTTP request, as a client that is made of them does it."""

import json
import urllib.parse
import zipfile
from dataclasses import dataclass, field

API = "rest-api-spec/api/"


class NotInApi(Exception):
    """The definitions have no such API, path or parameter, so no client of that version can send the request."""


@dataclass
class Request:
    method: str
    path: str
    body: bytes | None = None
    headers: dict = field(default_factory=dict)

    def __str__(self):
        body = "" if self.body is None else f" {self.body.decode()[:300]}"
        return f"{self.method} {self.path}{body}"


class Definitions:
    """The APIs of one version."""

    def __init__(self, archive):
        self.apis = {}
        with zipfile.ZipFile(archive) as opened:
            for path in opened.namelist():
                if path.startswith(API) and path.endswith(".json"):
                    self.apis.update(json.loads(opened.read(path)))
        self.common = set(self.apis.pop("params", {})) | set(json.loads(_common(archive))["params"])

    def request(self, name, arguments):
        """The request of a call.

        Raises NotInApi for what the definitions do not have, as for a path that lacks one of its parts.
        """
        api = self.apis.get(name)
        if api is None:
            raise NotInApi(f"no API [{name}]")
        arguments = {key: value for key, value in arguments.items() if key != "ignore"}
        body = arguments.pop("body", None)
        paths = api["url"]["paths"]
        part_names = {part for path in paths for part in path.get("parts", {})}
        parts = {key: value for key, value in arguments.items() if key in part_names and _text(value) != ""}
        query = {key: value for key, value in arguments.items() if key not in part_names}
        for key in query:
            if key not in api.get("params", {}) and key not in self.common:
                raise NotInApi(f"[{name}] has no parameter [{key}]")
        if body is not None and not api.get("body"):
            raise NotInApi(f"[{name}] has no body")
        if body is None and api.get("body", {}).get("required"):
            raise NotInApi(f"[{name}] needs a body")
        fitting = [path for path in paths if set(path.get("parts", {})) == set(parts)]
        if not fitting:
            raise NotInApi(f"[{name}] has no path of {sorted(parts) or 'no parts'}")
        path = fitting[0]
        url = path["path"]
        for part, value in parts.items():
            url = url.replace("{" + part + "}", urllib.parse.quote(_text(value), safe=",*"))
        if query:
            url += "?" + urllib.parse.urlencode({key: _text(value) for key, value in query.items()})
        encoded, several = _encoded(body)
        several = several or "application/x-ndjson" in api.get("headers", {}).get("content_type", [])
        headers = {"Accept": "application/json"}
        if name.startswith("cat.") and "format" not in query:
            headers["Accept"] = "text/plain"
        if encoded is not None:
            headers["Content-Type"] = "application/x-ndjson" if several else "application/json"
        return Request(_method(path["methods"], body), url, encoded, headers)


def _common(archive):
    with zipfile.ZipFile(archive) as opened:
        return opened.read(API + "_common.json")


def _text(value):
    """A value of a path or query."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(one) for one in value)
    return "" if value is None else str(value)


def _method(methods, body):
    if body is None:
        return next((method for method in methods if method in ("GET", "HEAD")), methods[0])
    return next((method for method in methods if method not in ("GET", "HEAD")), methods[0])


def _encoded(body):
    """The body's bytes, and whether it is several documents, one a line."""
    if body is None:
        return None, False
    if isinstance(body, str):
        documents = list(_documents(body))
    elif isinstance(body, list):
        documents = [document for one in body for document in (_documents(one) if isinstance(one, str) else [one])]
    else:
        return json.dumps(body, ensure_ascii=False).encode(), False
    if len(documents) == 1 and isinstance(body, str) and "\n" not in body.strip():
        return json.dumps(documents[0], ensure_ascii=False).encode(), False
    lines = [json.dumps(document, ensure_ascii=False) + "\n" for document in documents]
    return "".join(lines).encode(), len(documents) > 1


def _documents(text):
    """The JSON documents of a text, one after another."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        document, position = decoder.raw_decode(text, position)
        yield document

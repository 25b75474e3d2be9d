"""Empties a node between tests: nothing that one test made is there for the next."""

import json
import urllib.parse

from .definitions import Request

# Indices deleted by one request, whose line must not become too long.
AT_ONCE = 20

# The tests delete and close by wildcards, as their own runner configures its node to allow.
WILDCARDS_MAY_DELETE = {"action.destructive_requires_name": "false"}
COMPARES_ALL_SETTINGS = {"cluster.put_settings"}

JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class NotClean(Exception):
    """Something could not be removed; says what."""


class Cleaner:
    """Removes what tests make, and only asks for what can be there."""

    def __init__(self, client):
        self.client = client

    def clean(self, suite):
        """Removes data streams, indices with their aliases, templates, scrolls and settings, before a test of that suite."""
        self._reset_settings({} if suite in COMPARES_ALL_SETTINGS else WILDCARDS_MAY_DELETE)
        self._delete("/_data_stream/*?expand_wildcards=all")
        self._delete_indices()
        for name in self._names("/_index_template", "index_templates"):
            self._delete(f"/_index_template/{name}")
        for name in self._names("/_component_template", "component_templates"):
            self._delete(f"/_component_template/{name}")
        self._delete("/_template/*")
        self._delete("/_search/scroll/_all")

    def _delete_indices(self):
        rows = self._send("GET", "/_cat/indices?h=index&expand_wildcards=all").data
        names = [urllib.parse.quote(row["index"]) for row in rows]
        for start in range(0, len(names), AT_ONCE):
            some = ",".join(names[start : start + AT_ONCE])
            if self._send("DELETE", f"/{some}").status == 403:
                unblocked = {"index.blocks.read_only": None, "index.blocks.metadata": None}
                self._send("PUT", f"/{some}/_settings", unblocked)
                self._delete(f"/{some}")

    def _send(self, method, path, body=None):
        encoded = None if body is None else json.dumps(body).encode()
        return self.client.send(Request(method, path, encoded, dict(JSON)))

    def _delete(self, path):
        answer = self._send("DELETE", path)
        # Not there, or no such API: nothing to remove.
        if answer.is_error and answer.status not in (400, 404, 405):
            raise NotClean(f"DELETE {path}: {answer.status} {answer.text[:300]}")

    def _names(self, path, key):
        answer = self._send("GET", path)
        return [] if answer.is_error else [one["name"] for one in answer.data[key]]

    def _reset_settings(self, wanted):
        settings = self._send("GET", "/_cluster/settings?flat_settings=true").data
        if settings["persistent"] == wanted and not settings.get("transient"):
            return
        change = {kind: dict.fromkeys(settings.get(kind, {})) for kind in ("persistent", "transient")}
        change["persistent"].update(wanted)
        answer = self._send("PUT", "/_cluster/settings", {kind: values for kind, values in change.items() if values})
        if answer.is_error:
            raise NotClean(f"PUT /_cluster/settings: {answer.status} {answer.text[:300]}")

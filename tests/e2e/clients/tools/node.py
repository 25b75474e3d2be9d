"""A node of a script's own, which it may kill and start again; started by a scenario's rules: free ports, a new folder."""

import json
import os
import subprocess
from pathlib import Path

import common


class Node:
    """One `ccr-node` process, ended by its own id when the `with` block is left."""

    def __init__(self, home):
        self.home = Path(home)
        self.at = ["--http", "127.0.0.1:0", "--transport", "127.0.0.1:0"]
        self.process = None
        self.base = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            # A `with` block that was never entered is not left, either.
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.kill()
        log = (self.home / "node.log").read_text(errors="replace")
        if "panicked at" in log:
            raise SystemExit(f"the node panicked:\n{log[-common.OUTPUT_SHOWN:]}")

    def start(self):
        """Starts it, for the second time on the same ports, and waits until it answers."""
        configuration = self.home / "node.toml"
        configuration.write_text("[cluster.routing.allocation.disk]\nthreshold_enabled = false\n")
        data = self.home / "data"
        addresses = data / "node.addresses.json"
        addresses.unlink(missing_ok=True)
        command = [os.environ["CCR_NODE"], "serve", "--data-dir", data, "--config", configuration, *self.at]
        with open(self.home / "node.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        common.eventually(lambda: self.addresses(addresses), "the node to tell its addresses", 60)
        common.eventually(self.answers, "the node to answer", 60)

    def addresses(self, file):
        if self.process.poll() is not None:
            raise SystemExit(f"the node ended with {self.process.returncode} at its start")
        try:
            told = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        self.at = ["--http", told["http"], "--transport", told["transport"]]
        self.base = "http://" + told["http"]
        return True

    def answers(self):
        try:
            return common.request(self.base, "GET", "/")[0] == 200
        except OSError:
            return False

    def kill(self):
        """Ends it at once, as a crash does."""
        if self.process:
            self.process.kill()
            self.process.wait()

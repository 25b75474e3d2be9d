"""rsyslog sends messages from a socket and lines of a file into indices, with its module omelasticsearch, also while the node is away.

Reads CCR_NODE (program) and WORK (folder) from the environment, and wants `rsyslogd` with omelasticsearch on the machine; ends with a
failure when a message is lost, arrives twice, or is not reported when it is refused.
"""

import json
import os
import shutil
import signal
import socket
import subprocess

import common
from common import eventually, expect, rest
from node import Node

home = common.folder("rsyslog")
BATCH = 100

CONFIGURATION = """
global(workDirectory="{home}/spool" maxMessageSize="64k" processInternalMessages="on")
module(load="omelasticsearch")
module(load="imfile" mode="polling" pollingInterval="1")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="{home}/port" ruleset="messages")
input(type="imfile" file="{home}/app.log" tag="app:" ruleset="lines")

template(name="document" type="list" option.jsonf="on") {{
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="pid" name="procid" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}}
template(name="day" type="string" string="syslog-%timereported:1:4:date-rfc3339%.%timereported:6:7:date-rfc3339%.%timereported:9:10:date-rfc3339%")
template(name="id" type="string" string="%msgid%")

# Messages go into the index of their day under an id of their own, so that one that is sent again replaces itself.
ruleset(name="messages") {{
  action(type="omelasticsearch" server="{host}" serverport="{port}" searchType=""
    searchIndex="day" dynSearchIndex="on" bulkid="id" dynbulkid="on" template="document"
    bulkmode="on" maxbytes="1m" errorfile="{home}/refused.json"
    queue.type="linkedlist" queue.dequeuebatchsize="{batch}" queue.timeoutshutdown="10000"
    action.resumeretrycount="-1" action.resumeinterval="1")
}}
# Lines of the file go into one index; the node gives them ids.
ruleset(name="lines") {{
  action(type="omelasticsearch" server="{host}" serverport="{port}" searchType=""
    searchIndex="lines" template="document" bulkmode="on"
    queue.type="linkedlist" queue.dequeuebatchsize="{batch}" queue.timeoutshutdown="10000"
    action.resumeretrycount="-1" action.resumeinterval="1")
}}
# What rsyslog says of itself.
action(type="omfile" file="{home}/own.log")
"""


def program():
    """Also where it is no part of the search path, as on Debian for users."""
    found = shutil.which("rsyslogd", path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        raise SystemExit("rsyslogd is not installed: install the packages rsyslog and rsyslog-elasticsearch")
    return found


def said():
    """What rsyslog said of itself: some of it at once on its standard error, and the rest when it comes to it."""
    logs = [home / "own.log", home / "rsyslogd.log"]
    return "".join(log.read_text(errors="replace") for log in logs if log.exists())


def message(number, pid=7):
    day = "2026-11-30" if number % 2 else "2026-12-01"
    return f"<134>1 {day}T03:00:00.{number % 1000:03}Z host{number % 3} app {pid} id-{number} - text \"{number}\" \\ with ümlauts\n"


def send(lines):
    with socket.create_connection(("127.0.0.1", int((home / "port").read_text()))) as stream:
        stream.sendall("".join(lines).encode())


def append(first, last):
    with open(home / "app.log", "a", encoding="utf-8") as file:
        file.writelines(f"line {number}\tof a file\n" for number in range(first, last))


def arrived(base, indices):
    """The documents that are there by now, by id: none while an index is not there or is being opened."""
    common.request(base, "POST", f"/{indices}/_refresh")
    status, answer = common.request(base, "POST", f"/{indices}/_search", {"size": 10000})
    return {hit["_id"]: hit["_source"] for hit in answer["hits"]["hits"]} if status == 200 else {}


def lines(base):
    """The lines that arrived, in an order of their own."""
    return sorted(source["message"] for source in arrived(base, "lines").values())


def messages(base):
    return arrived(base, "syslog-*")


def run(base):
    eventually(lambda: (home / "port").exists() and (home / "port").read_text(), "rsyslog to listen")
    send(message(number) for number in range(1000))
    append(0, 300)
    eventually(lambda: len(messages(base)) == 1000, "all messages of the socket")
    eventually(lambda: len(lines(base)) == 300, "all lines of the file")
    found = messages(base)
    expect(set(found), {f"id-{number}" for number in range(1000)}, "ids of the messages")
    expected = {
        "@timestamp": "2026-11-30T03:00:00.007Z",
        "host": "host1",
        "severity": "info",
        "pid": "7",
        "message": "text \"7\" \\ with ümlauts",
    }
    expect(found["id-7"], expected, "a message")
    expect(sorted(rest(base, "GET", "/syslog-*")), ["syslog-2026.11.30", "syslog-2026.12.01"], "indices of days")
    query = {"size": 0, "query": {"range": {"@timestamp": {"gte": "2026-12-01"}}}, "track_total_hits": True}
    expect(rest(base, "POST", "/syslog-*/_search", query)["hits"]["total"]["value"], 500, "messages of a day")

    # What does not fit the mapping is reported, with the reason, and the others of its batch arrive.
    send([message(1000), message(1001, pid="none"), message(1002)])
    eventually(lambda: len(messages(base)) == 1002, "the messages beside a refused one")
    refused = home / "refused.json"
    eventually(lambda: refused.exists() and "none" in refused.read_text(), "the report of the refused message")
    expect("document_parsing_exception" in refused.read_text(), True, "the reason of the refusal")


def go_on_without(node):
    """The node dies amid batches and comes back; what was written before and meanwhile arrives, once."""
    send(message(number) for number in range(2000, 4000))
    eventually(lambda: len(messages(node.base)) > 1002, "the first of many messages")
    node.kill()
    send(message(number) for number in range(4000, 4500))
    append(300, 400)
    eventually(lambda: "suspend" in said(), "rsyslog to notice that the node is away")
    node.start()
    eventually(lambda: len(messages(node.base)) == 3502, "the messages of the time without a node", 60)
    eventually(lambda: len(lines(node.base)) >= 400, "the lines of the time without a node", 60)
    # Without ids of their own, lines whose answer was lost would arrive twice; none was under way when the node died.
    expect(lines(node.base), sorted(f"line {number}\tof a file" for number in range(400)), "lines of the file")


(home / "spool").mkdir()
(home / "app.log").touch()
with Node(home) as node:
    template = {
        "index_patterns": ["syslog-*"],
        "template": {
            "settings": {"number_of_replicas": 0},
            "mappings": {"properties": {"@timestamp": {"type": "date"}, "pid": {"type": "integer"}, "host": {"type": "keyword"}}},
        },
    }
    rest(node.base, "PUT", "/_index_template/syslog", template)
    host, port = node.base.removeprefix("http://").split(":")
    configuration = home / "rsyslog.conf"
    configuration.write_text(CONFIGURATION.format(home=home, host=host, port=port, batch=BATCH))
    common.run([program(), "-N", "1", "-f", configuration], "the check of rsyslog's configuration")
    with open(home / "rsyslogd.log", "wb") as log:
        rsyslogd = subprocess.Popen([program(), "-n", "-f", configuration, "-i", home / "pid"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        run(node.base)
        go_on_without(node)
        rsyslogd.send_signal(signal.SIGTERM)
        expect(rsyslogd.wait(30), 0, "exit status of rsyslogd")
    except SystemExit:
        print(said()[-common.OUTPUT_SHOWN :])
        raise
    finally:
        if rsyslogd.poll() is None:
            rsyslogd.kill()
            rsyslogd.wait()
print("all samples passed")

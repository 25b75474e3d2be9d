"""Tasks: requests that go on in the background, seen, made faster and ended."""

from apis.suite import ACKNOWLEDGED, client, expect_error
from checks import eventually, expect

INDEX = "every-tasks"
DOCUMENTS = 50
ALL = {"match_all": {}}


def run():
    client.indices.create(index=INDEX, settings={"number_of_shards": 1, "number_of_replicas": 0})
    lines = [line for number in range(DOCUMENTS) for line in ({"index": {"_id": str(number)}}, {"n": number})]
    expect(client.bulk(index=INDEX, operations=lines, refresh="true")["errors"], False, "bulk")
    # So slow that it would take most of an hour, unless something changes.
    slow = {"wait_for_completion": False, "requests_per_second": 0.01, "scroll_size": 5}
    in_background = (
        (update(slow), client.update_by_query_rethrottle, "updated"),
        (copy(slow), client.reindex_rethrottle, "created"),
        (remove(slow), client.delete_by_query_rethrottle, "deleted"),
    )
    for start, rethrottle, counted in in_background:
        client.indices.refresh(index=INDEX)
        task = start()["task"]
        answer = client.tasks.get(task_id=task)
        expect((answer["completed"], answer["task"]["cancellable"]), (False, True), "tasks.get")
        expect(task in listed(client.tasks.list(detailed=True, actions="*")), True, "tasks.list")
        expect(task in listed(rethrottle(task_id=task, requests_per_second=-1)), True, "rethrottle")
        answer = client.tasks.get(task_id=task, wait_for_completion=True, timeout="30s")
        expect((answer["completed"], answer["response"][counted]), (True, DOCUMENTS), "what the task came to")
    cancel(slow)
    expect(client.indices.delete(index=[INDEX, f"{INDEX}-copy"]).body, ACKNOWLEDGED, "delete of the indices")


def update(slow):
    return lambda: client.update_by_query(index=INDEX, query=ALL, **slow)


def copy(slow):
    source = {"index": INDEX, "size": slow["scroll_size"]}
    rest = {key: value for key, value in slow.items() if key != "scroll_size"}
    return lambda: client.reindex(source=source, dest={"index": f"{INDEX}-copy"}, **rest)


def remove(slow):
    return lambda: client.delete_by_query(index=INDEX, query=ALL, **slow)


def cancel(slow):
    """One task by its id, and all tasks of an action."""
    client.indices.refresh(index=f"{INDEX}-copy")
    one, other = (client.update_by_query(index=f"{INDEX}-copy", query=ALL, conflicts="proceed", **slow)["task"] for _ in range(2))
    expect(one in listed(client.tasks.cancel(task_id=one)), True, "tasks.cancel")
    expect(other in listed(client.tasks.cancel(actions="*/update/byquery")), True, "tasks.cancel of an action")
    for task in (one, other):
        eventually(lambda task=task: client.tasks.get(task_id=task)["completed"], "the end of a cancelled task")
        expect("canceled" in client.tasks.get(task_id=task)["response"], True, "why it ended")
    expect_error(404, "resource_not_found_exception", lambda: client.tasks.get(task_id=one.split(":")[0] + ":123456789"))


def listed(answer):
    """The ids of the tasks in a list that is grouped by nodes."""
    return {task for node in answer["nodes"].values() for task in node["tasks"]}

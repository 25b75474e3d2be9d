// Tasks: requests that go on in the background, seen, made faster and ended.

import { ACKNOWLEDGED, client, eventually, expect, expectError } from "./suite.mjs";

const index = "every-tasks";
const copy = `${index}-copy`;
const DOCUMENTS = 50;
const query = { match_all: {} };
// So slow that it would take most of an hour, unless something changes.
const slow = { wait_for_completion: false, requests_per_second: 0.01 };

export async function run() {
  await client.indices.create({ index, settings: { number_of_shards: 1, number_of_replicas: 0 } });
  const operations = Array.from({ length: DOCUMENTS }, (_, n) => [{ index: { _id: `${n}` } }, { n }]).flat();
  expect((await client.bulk({ index, operations, refresh: true })).errors, false, "bulk");
  const inBackground = [
    [() => client.updateByQuery({ index, query, scroll_size: 5, ...slow }), (task) => client.updateByQueryRethrottle(task), "updated"],
    [() => client.reindex({ source: { index, size: 5 }, dest: { index: copy }, ...slow }), (task) => client.reindexRethrottle(task), "created"],
    [() => client.deleteByQuery({ index, query, scroll_size: 5, ...slow }), (task) => client.deleteByQueryRethrottle(task), "deleted"],
  ];
  for (const [start, rethrottle, counted] of inBackground) {
    await client.indices.refresh({ index });
    const { task: task_id } = await start();
    const running = await client.tasks.get({ task_id });
    expect([running.completed, running.task.cancellable], [false, true], "tasks.get");
    expect(listed(await client.tasks.list({ detailed: true, actions: "*" })).includes(task_id), true, "tasks.list");
    expect(listed(await rethrottle({ task_id, requests_per_second: -1 })).includes(task_id), true, "rethrottle");
    const ended = await client.tasks.get({ task_id, wait_for_completion: true, timeout: "30s" });
    expect([ended.completed, ended.response[counted]], [true, DOCUMENTS], "what the task came to");
  }
  await cancel();
  expect(await client.indices.delete({ index: [index, copy] }), ACKNOWLEDGED, "delete of the indices");
}

// One task by its id, and all tasks of an action.
async function cancel() {
  await client.indices.refresh({ index: copy });
  const start = () => client.updateByQuery({ index: copy, query, conflicts: "proceed", scroll_size: 5, ...slow });
  const [one, other] = [(await start()).task, (await start()).task];
  expect(listed(await client.tasks.cancel({ task_id: one })).includes(one), true, "tasks.cancel");
  expect(listed(await client.tasks.cancel({ actions: "*/update/byquery" })).includes(other), true, "tasks.cancel of an action");
  for (const task_id of [one, other]) {
    await eventually(async () => (await client.tasks.get({ task_id })).completed, "the end of a cancelled task");
    expect("canceled" in (await client.tasks.get({ task_id })).response, true, "why it ended");
  }
  await expectError(404, "resource_not_found_exception", () => client.tasks.get({ task_id: `${one.split(":")[0]}:123456789` }));
}

// The ids of the tasks in a list that is grouped by nodes.
const listed = ({ nodes }) => Object.values(nodes).flatMap(({ tasks }) => Object.keys(tasks));

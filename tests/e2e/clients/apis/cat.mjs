// The tables of `_cat`, as the client's users see them and as JSON.

import { ACKNOWLEDGED, client, expect, raw } from "./suite.mjs";

const index = "every-table";
const ALIAS = `${index}-alias`;
const TEMPLATE = `${index}-template`;

export async function run() {
  await client.indices.create({ index, settings: { number_of_shards: 2, number_of_replicas: 0 }, aliases: { [ALIAS]: {} } });
  await client.index({ index, document: { n: 1 }, refresh: true });
  await client.indices.putIndexTemplate({ name: TEMPLATE, index_patterns: `${index}-none*`, priority: 7 });
  const [{ name }] = Object.values((await client.nodes.info()).nodes);
  // A table, what it is asked for, the columns that are looked at, and the rows that must be there.
  const tables = [
    ["aliases", {}, "alias,index", [[ALIAS, index]]],
    ["aliases", { name: `${index}-*` }, "alias,index", [[ALIAS, index]]],
    ["allocation", { bytes: "b" }, "shards,node", [["2", name]]],
    ["allocation", { node_id: name }, "shards,node", [["2", name]]],
    ["count", {}, "count", [["1"]]],
    ["count", { index }, "count", [["1"]]],
    ["health", { ts: false, time: "ms" }, "status,node.total,pri", [["green", "1", "2"]]],
    ["indices", { health: "green" }, "index,pri,rep,docs.count", [[index, "2", "0", "1"]]],
    ["indices", { index, bytes: "b", pri: true, expand_wildcards: "open" }, "index,status", [[index, "open"]]],
    ["master", { master_timeout: "10s" }, "node", [[name]]],
    ["nodeattrs", { local: true }, "node", []],
    ["nodes", { full_id: true, bytes: "b" }, "name,master", [[name, "*"]]],
    ["pendingTasks", { local: true }, "source", []],
    ["plugins", { local: true }, "name", []],
    ["recovery", { active_only: true, time: "s" }, "index", []],
    ["recovery", { index, bytes: "b", detailed: true }, "index", []],
    ["segments", { bytes: "b" }, "index,docs.count", [[index, "1"]]],
    ["segments", { index }, "index,docs.count", [[index, "1"]]],
    ["shards", { bytes: "b" }, "index,shard,state", [[index, "0", "STARTED"], [index, "1", "STARTED"]]],
    ["shards", { index }, "index,shard,prirep", [[index, "0", "p"], [index, "1", "p"]]],
    ["tasks", { detailed: true, actions: "none", wait_for_completion: false, timeout: "1s" }, "action", []],
    ["templates", {}, "name,order", [[TEMPLATE, "7"]]],
    ["templates", { name: `${index}-*` }, "name,order", [[TEMPLATE, "7"]]],
    ["threadPool", {}, "name", [["force_merge"], ["search"], ["write"]]],
    ["threadPool", { thread_pool_patterns: "write" }, "node_name,name", [[name, "write"]]],
  ];
  for (const [table, given, columns, rows] of tables) {
    const called = `cat.${table} with ${JSON.stringify(given)}`;
    const names = columns.split(",");
    const answer = await client.cat[table]({ format: "json", h: names, s: columns, ...given });
    expect(answer.map((row) => names.map((column) => row[column])), rows, called);
    // As text, with the names of the columns first.
    const text = await client.cat[table]({ v: true, h: columns, s: columns, ...given });
    const lines = text.split("\n").filter((line) => line !== "");
    expect(lines.map((line) => line.trim().split(/ +/)), [names, ...rows], `${called}, as text`);
    expect((await client.cat[table]({ help: true, ...given })).includes(names[0]), true, `${called}, its help`);
  }
  for (const path of ["/_cat/count", `/_cat/count/${index}`]) {
    expect((await raw("POST", path, undefined, { format: "json" }))[0].count, "1", "cat.count with POST");
  }
  expect((await client.cat.help()).includes("/_cat/indices/{index}"), true, "cat.help");
  await client.indices.deleteIndexTemplate({ name: TEMPLATE });
  expect(await client.indices.delete({ index }), ACKNOWLEDGED, "delete of the index");
}

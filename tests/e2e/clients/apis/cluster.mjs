// The cluster, its node, and its settings.

import { ACKNOWLEDGED, client, expect, pick, raw } from "./suite.mjs";

const index = "every-cluster";

export async function run() {
  await client.indices.create({ index, settings: { number_of_shards: 2, number_of_replicas: 1 } });
  await client.index({ index, document: { n: 1 }, refresh: true });
  expect(await client.ping(), true, "ping");
  const [node] = Object.values((await client.nodes.info()).nodes);
  const { name, version, tagline } = await client.info({ pretty: true });
  expect([name, version.number, tagline], [node.name, node.version, "You Know, for Search"], "info");
  await health();
  await settings();
  await state();
  await nodes();
  expect(await client.indices.delete({ index }), ACKNOWLEDGED, "delete of the index");
}

async function health() {
  const whole = await client.cluster.health({ wait_for_status: "yellow", timeout: "10s", master_timeout: "10s", local: true });
  expect(pick(whole, "status", "timed_out", "number_of_nodes"), ["yellow", false, 1], "health");
  const { indices } = await client.cluster.health({ index, level: "shards", wait_for_active_shards: 2, wait_for_no_initializing_shards: true });
  const seen = [...pick(indices[index], "active_shards", "unassigned_shards"), Object.keys(indices[index].shards)];
  expect(seen, [2, 2, ["0", "1"]], "health of an index");
  const late = await client.cluster.health({ index, wait_for_status: "green", timeout: "1ms" }, { ignore: [408] });
  expect(late.timed_out, true, "health that is waited for in vain");
  const replica = await client.cluster.allocationExplain({ index, shard: 0, primary: false, include_yes_decisions: true });
  expect(pick(replica, "index", "current_state", "can_allocate"), [index, "unassigned", "no"], "allocationExplain");
  const primary = await raw("GET", "/_cluster/allocation/explain", { index, shard: 0, primary: true });
  expect(primary.current_state, "started", "allocationExplain with a body and GET");
  expect(await client.cluster.pendingTasks({ local: true, master_timeout: "10s" }), { tasks: [] }, "pendingTasks");
}

async function settings() {
  const name = "ccr.indices.recovery.chunk_size";
  const put = await client.cluster.putSettings({ persistent: { [name]: "2mb" }, flat_settings: true, timeout: "10s", master_timeout: "10s" });
  expect(pick(put, "acknowledged", "persistent"), [true, { [name]: "2mb" }], "putSettings");
  const seen = await client.cluster.getSettings({ flat_settings: true, include_defaults: true });
  expect([seen.persistent[name], Object.keys(seen.defaults).length > 0], ["2mb", true], "getSettings");
  await client.cluster.putSettings({ persistent: { [name]: null } });
  expect(name in (await client.cluster.getSettings({ flat_settings: true })).persistent, false, "a setting taken back");
}

async function state() {
  const whole = await client.cluster.state();
  expect([Object.keys(whole.nodes).length, index in whole.metadata.indices], [1, true], "state");
  const parts = await client.cluster.state({ metric: ["version", "nodes"], local: true, master_timeout: "10s" });
  expect([parts.version > 0, "metadata" in parts], [true, false], "parts of the state");
  const waits = { wait_for_metadata_version: 1, wait_for_timeout: "10s" };
  const ofIndex = await client.cluster.state({ metric: "metadata", index, flat_settings: true, ...waits });
  const shards = Object.entries(ofIndex.metadata.indices).map(([name, { settings }]) => [name, settings["index.number_of_shards"]]);
  expect([shards, ofIndex.wait_for_timed_out], [[[index, "2"]], false], "state of an index");
  const never = await client.cluster.state({ metric: "version", wait_for_metadata_version: 1e9, wait_for_timeout: "1ms" });
  expect([never.wait_for_timed_out, "version" in never], [true, false], "a state that does not come");
  for (const given of [{ timeout: "10s", human: true }, { node_id: "_local" }]) {
    const { _nodes, indices } = await client.cluster.stats(given);
    expect([_nodes.successful, indices.docs.count, indices.count], [1, 1, 1], "stats");
  }
}

async function nodes() {
  const every = await client.nodes.info();
  const [[node_id, node]] = Object.entries(every.nodes);
  expect([every._nodes.total, node.transport_address.includes(":")], [1, true], "nodes.info");
  expect((await client.nodes.info({ node_id, timeout: "10s" })).nodes[node_id].name, node.name, "nodes.info of a node");
  const only = (await client.nodes.info({ node_id: "_all", metric: ["http", "os"], flat_settings: true })).nodes[node_id];
  expect(["http" in only, "os" in only, "process" in only], [true, true, false], "nodes.info of metrics");
  expect((await client.nodes.info({ metric: "http" })).nodes[node_id].http, node.http, "nodes.info of a metric");
  for (const given of [
    {},
    { metric: "indices" },
    { metric: "indices", index_metric: "docs", level: "indices" },
    { node_id, timeout: "10s" },
    { node_id, metric: ["indices", "process"] },
    { node_id: "_local", metric: "indices", index_metric: ["docs", "store"] },
  ]) {
    const { name, indices } = (await client.nodes.stats(given)).nodes[node_id];
    expect([name, indices.docs.count], [node.name, 1], `nodes.stats with ${JSON.stringify(given)}`);
  }
}

// Searches over several requests, and auto-follow, on the official JavaScript client: its own helpers, with compressed bodies.
//
// Reads LEADER and FOLLOWER (URLs) and LEADER_TRANSPORT (host and port) from the environment; ends with a failure at the first answer that
// is not as documented.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.CLIENT_MODULES, "index.js"));
const { Client } = require("@elastic/elasticsearch");

const connect = (node) => new Client({ node, compression: true });
const leader = connect(process.env.LEADER);
const follower = connect(process.env.FOLLOWER);

async function eventually(look, what, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

await leader.indices.create({ index: "books", settings: { number_of_shards: 3, number_of_replicas: 0 } });
const documents = Array.from({ length: 500 }, (_, n) => ({ n, shelf: n % 7, text: "word ".repeat(20) }));
const written = await leader.helpers.bulk({
  datasource: documents,
  onDocument: (document) => ({ index: { _index: "books", _id: String(document.n) } }),
  refreshOnCompletion: "books",
});
assert.equal(written.successful, 500);

// The scroll helpers.
let pages = 0;
const seen = new Set();
for await (const response of leader.helpers.scrollSearch({ index: "books", size: 90, query: { match_all: {} } })) {
  pages += 1;
  response.documents.forEach((document) => seen.add(document.n));
}
assert.deepEqual([pages, seen.size], [6, 500]);
let single = 0;
for await (const document of leader.helpers.scrollDocuments({ index: "books", query: { range: { n: { gte: 400 } } } })) {
  assert.ok(document.n >= 400);
  single += 1;
}
assert.equal(single, 100);
assert.equal((await leader.helpers.search({ index: "books", size: 3 })).length, 3);

// Several searches in one request, gathered by the helper.
const gather = leader.helpers.msearch({ flushInterval: 20 });
const totals = await Promise.all(
  [0, 1, 2].map(async (shelf) => {
    const { body } = await gather.search({ index: "books" }, { query: { term: { shelf } }, track_total_hits: true });
    return body.hits.total.value;
  }),
);
assert.deepEqual(totals, [72, 72, 72]);
await assert.rejects(gather.search({ index: "none" }, {}), (error) => error.message.includes("index_not_found_exception"));
gather.stop();

// A point in time.
const pit = await leader.openPointInTime({ index: "books", keep_alive: "1m" });
await leader.index({ index: "books", id: "late", document: { n: -1 }, refresh: true });
const page = await leader.search({ pit: { id: pit.id, keep_alive: "1m" }, size: 0, track_total_hits: true });
assert.equal(page.hits.total.value, 500);
assert.equal((await leader.closePointInTime({ id: pit.id })).num_freed, 1);

// Indices that match a pattern are followed as they appear.
await follower.cluster.putSettings({ persistent: { "cluster.remote.lisbon.seeds": [process.env.LEADER_TRANSPORT] } });
await eventually(async () => (await follower.cluster.remoteInfo()).lisbon.connected, "connection to the remote cluster");
const acknowledged = { acknowledged: true };
const pattern = { remote_cluster: "lisbon", leader_index_patterns: ["logs-*"], follow_index_pattern: "{{leader_index}}-copy" };
assert.deepEqual(await follower.ccr.putAutoFollowPattern({ name: "daily", ...pattern }), acknowledged);
await leader.indices.create({ index: "logs-1", settings: { number_of_replicas: 0 } });
await leader.index({ index: "logs-1", id: "1", document: { line: "first" } });
await eventually(() => follower.exists({ index: "logs-1-copy", id: "1" }, { ignore: [404, 503] }), "the document");
for (const [act, active] of [["pauseAutoFollowPattern", false], ["resumeAutoFollowPattern", true]]) {
  assert.deepEqual(await follower.ccr[act]({ name: "daily" }), acknowledged);
  const { patterns } = await follower.ccr.getAutoFollowPattern({ name: "daily" });
  assert.equal(patterns[0].pattern.active, active);
}
assert.deepEqual(await follower.ccr.deleteAutoFollowPattern({ name: "daily" }), acknowledged);
await assert.rejects(follower.ccr.getAutoFollowPattern({ name: "daily" }), (error) => error.statusCode === 404);
await follower.ccr.pauseFollow({ index: "logs-1-copy" });
await follower.indices.delete({ index: "logs-1-copy" });
await leader.indices.delete({ index: ["books", "logs-1"] });
console.log("all samples passed");

// The documentation's replication samples on the official JavaScript client.
//
// Reads LEADER and FOLLOWER (URLs), LEADER_TRANSPORT (host and port) and CLIENT_MODULES (a node_modules folder) from the
// environment; ends with a failure at the first answer that is not as documented.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";

const { Client, errors } = createRequire(`${process.env.CLIENT_MODULES}/`)("@elastic/elasticsearch");
const leader = new Client({ node: process.env.LEADER });
const client = new Client({ node: process.env.FOLLOWER });

async function eventually(what, look, seconds = 30) {
  const deadline = performance.now() + seconds * 1000;
  while (!(await look())) {
    assert(performance.now() < deadline, `not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

async function expectError(status, type, call) {
  await assert.rejects(call, (error) => {
    assert(error instanceof errors.ResponseError, String(error));
    assert.deepEqual([error.statusCode, error.body.error.type], [status, type]);
    return true;
  });
}

// Connect to the remote cluster.
const seeds = [process.env.LEADER_TRANSPORT];
await client.cluster.putSettings({ persistent: { cluster: { remote: { remote_cluster: { seeds } } } } });
await eventually("connection", async () => (await client.cluster.remoteInfo()).remote_cluster.connected);

// A leader index with documents.
await leader.indices.create({
  index: "leader_index",
  settings: { number_of_shards: 2, number_of_replicas: 0 },
  mappings: { properties: { title: { type: "text" }, year: { type: "integer" } } },
});
const datasource = Array.from({ length: 1200 }, (_, n) => ({ id: `${n}`, title: `book number ${n}`, year: 1900 + (n % 100) }));
const bulk = await leader.helpers.bulk({
  datasource,
  onDocument: ({ id }) => ({ index: { _index: "leader_index", _id: id } }),
});
assert.deepEqual([bulk.successful, bulk.failed], [1200, 0]);

// Create a follower index: the first sample.
const followed = await client.ccr.follow({
  index: "follower_index",
  wait_for_active_shards: 1,
  remote_cluster: "remote_cluster",
  leader_index: "leader_index",
});
assert.deepEqual(followed, {
  follow_index_created: true,
  follow_index_shards_acked: true,
  index_following_started: true,
});

// And the long sample, with every parameter.
const parameters = {
  max_read_request_operation_count: 1024,
  max_outstanding_read_requests: 16,
  max_read_request_size: "1024k",
  max_write_request_operation_count: 32768,
  max_write_request_size: "16k",
  max_outstanding_write_requests: 8,
  max_write_buffer_count: 512,
  max_write_buffer_size: "512k",
  max_retry_delay: "10s",
  read_poll_timeout: "30s",
};
const tuned = await client.ccr.follow({
  index: "follower_index_tuned",
  wait_for_active_shards: 1,
  remote_cluster: "remote_cluster",
  leader_index: "leader_index",
  settings: { "index.number_of_replicas": 0 },
  ...parameters,
});
assert.deepEqual(Object.values(tuned), [true, true, true]);
// Two names in one path: this client sends the comma percent-encoded.
const info = await client.ccr.followInfo({ index: ["follower_index_tuned", "follower_index"] });
assert.equal(info.follower_indices.length, 2);
const echoed = info.follower_indices.find(({ follower_index }) => follower_index === "follower_index_tuned");
assert.equal(echoed.status, "active");
assert.deepEqual(echoed.parameters, parameters);

async function count(index) {
  await client.indices.refresh({ index });
  return (await client.count({ index })).count;
}

// Documents arrive, updated and deleted ones too.
await leader.index({ index: "leader_index", id: "new", document: { title: "a new book", year: 2020 } });
await leader.update({ index: "leader_index", id: "1", doc: { title: "a changed book" } });
await leader.delete({ index: "leader_index", id: "2" });
await eventually("1,200 documents", async () => (await count("follower_index")) === 1200);
await eventually("the update", async () => (await client.get({ index: "follower_index", id: "1" }))._source.title === "a changed book");
await eventually("the deletion", async () => !(await client.exists({ index: "follower_index", id: "2" })));
await eventually("the new document", () => client.exists({ index: "follower_index", id: "new" }));
await client.indices.refresh({ index: "follower_index" });
const found = await client.search({ index: "follower_index", query: { match: { title: "new" } } });
assert.deepEqual(found.hits.hits.map(({ _id }) => _id), ["new"]);

// Errors come as the client's own exceptions.
await expectError(404, "index_not_found_exception", () => client.ccr.pauseFollow({ index: "missing" }));
await expectError(404, "no_such_remote_cluster_exception", () =>
  client.ccr.follow({ index: "other", remote_cluster: "nowhere", leader_index: "leader_index" }),
);
await expectError(400, "illegal_argument_exception", () => client.ccr.unfollow({ index: "follower_index" }));

// Pause, resume, and the whole way to an ordinary index.
assert.deepEqual(await client.ccr.pauseFollow({ index: "follower_index" }), { acknowledged: true });
await leader.index({ index: "leader_index", id: "while-paused", document: { title: "written in a pause", year: 2021 } });
assert.deepEqual(await client.ccr.resumeFollow({ index: "follower_index" }), { acknowledged: true });
await eventually("what was written in the pause", async () => (await count("follower_index")) === 1201);
const { indices } = await client.ccr.followStats({ index: "follower_index" });
assert.deepEqual(indices.map(({ index, shards }) => [index, shards.length]), [["follower_index", 2]]);
const stats = await client.ccr.stats();
assert.deepEqual(stats.follow_stats.indices.map(({ index }) => index), ["follower_index", "follower_index_tuned"]);
for (const index of ["follower_index", "follower_index_tuned"]) {
  await client.ccr.pauseFollow({ index });
  await client.indices.close({ index });
  assert.deepEqual(await client.ccr.unfollow({ index }), { acknowledged: true });
  await client.indices.open({ index });
}
const written = await client.index({ index: "follower_index", id: "mine", document: { title: "an ordinary index" }, refresh: true });
assert.equal(written.result, "created");
for (const index of ["follower_index", "follower_index_tuned"]) {
  await client.indices.delete({ index });
}
await leader.indices.delete({ index: "leader_index" });
console.log("all samples passed");

// Cross-cluster replication, with the leader as a remote cluster of the follower.

import { ACKNOWLEDGED, client as leader, eventually, expect, expectError, follower, pick, raw } from "./suite.mjs";

const REMOTE = "every-remote";
const INDEX = "every-leader";
const COPY = "every-copy";
const PATTERN = "every-pattern";
const SEEDS = [process.env.LEADER_TRANSPORT];
const master_timeout = "30s";

export async function run() {
  await connect(SEEDS);
  await eventually(async () => (await follower.cluster.remoteInfo())[REMOTE].connected, "connection to the remote cluster");
  await leader.indices.create({ index: INDEX, settings: { number_of_shards: 2, number_of_replicas: 0 } });
  for (let n = 0; n < 10; n += 1) await leader.index({ index: INDEX, id: `${n}`, document: { n } });
  await remote();
  await oneFollower();
  await forgotten();
  await patterns();
  expect(await leader.indices.delete({ index: INDEX }), ACKNOWLEDGED, "delete of the leader");
  await connect(null);
  await eventually(async () => !(REMOTE in (await follower.cluster.remoteInfo())), "the end of the remote cluster");
}

async function connect(seeds) {
  const answer = await follower.cluster.putSettings({ persistent: { [`cluster.remote.${REMOTE}.seeds`]: seeds } });
  expect(answer.acknowledged, true, "putSettings");
}

async function remote() {
  const about = (await follower.cluster.remoteInfo())[REMOTE];
  expect(pick(about, "mode", "seeds", "num_nodes_connected"), ["sniff", SEEDS, 1], "remoteInfo");
  const waits = { ignore_unavailable: true, ignore_throttled: false, timeout: "10s" };
  const answer = await follower.indices.resolveCluster({ name: `${REMOTE}:every-*`, ...waits });
  expect(pick(answer[REMOTE], "connected", "matching_indices"), [true, true], "resolveCluster");
  expect((await follower.indices.resolveCluster())[REMOTE].connected, true, "resolveCluster of every remote cluster");
}

async function follow(index, more = {}) {
  const given = { index, remote_cluster: REMOTE, leader_index: INDEX, wait_for_active_shards: 1, ...more };
  const started = { follow_index_created: true, follow_index_shards_acked: true, index_following_started: true };
  expect(await follower.ccr.follow(given), started, "follow");
}

async function documents(index) {
  await follower.indices.refresh({ index });
  return (await follower.count({ index })).count;
}

async function oneFollower() {
  const settings = { "index.number_of_replicas": 0 };
  await follow(COPY, { settings, max_outstanding_read_requests: 3, read_poll_timeout: "5s", master_timeout });
  await eventually(async () => (await documents(COPY)) === 10, "the documents of the leader");
  const { follower_indices: infos } = await follower.ccr.followInfo({ index: COPY, master_timeout });
  expect(infos.map((info) => pick(info, "status", "remote_cluster", "leader_index")), [["active", REMOTE, INDEX]], "followInfo");
  expect(infos[0].parameters.max_outstanding_read_requests, 3, "a parameter in followInfo");
  const { indices: stats } = await follower.ccr.followStats({ index: COPY, timeout: "30s" });
  expect(stats[0].shards.map((shard) => pick(shard, "leader_index", "shard_id")), [[INDEX, 0], [INDEX, 1]], "followStats");
  const every = await follower.ccr.stats({ timeout: "30s", master_timeout });
  expect(every.follow_stats.indices.map(({ index }) => index), [COPY], "ccr.stats");
  expect((await follower.xpack.usage({ master_timeout })).ccr.follower_indices_count, 1, "usage");
  // How its shards came to be.
  for (const given of [{ index: COPY, human: true, detailed: true }, {}]) {
    const { shards } = (await follower.indices.recovery(given))[COPY];
    expect(new Set(shards.map(({ id, stage }) => `${id} ${stage}`)), new Set(["0 DONE", "1 DONE"]), "recovery of a follower");
  }
  const table = await follower.cat.recovery({ index: COPY, h: ["shard", "stage"], s: "shard", format: "json" });
  expect(table.map((row) => pick(row, "shard", "stage")), [["0", "done"], ["1", "done"]], "cat.recovery of a follower");

  expect(await follower.ccr.pauseFollow({ index: COPY, master_timeout }), ACKNOWLEDGED, "pauseFollow");
  await leader.delete({ index: INDEX, id: "0" });
  expect(await follower.exists({ index: COPY, id: "0" }), true, "a document that was deleted in the pause");
  expect(await follower.ccr.resumeFollow({ index: COPY, max_retry_delay: "1s", master_timeout }), ACKNOWLEDGED, "resumeFollow");
  await eventually(async () => (await documents(COPY)) === 9, "the deletion");
  await endOf(COPY);
}

// Makes an ordinary index of a follower, and deletes it.
async function endOf(index) {
  await follower.ccr.pauseFollow({ index });
  await follower.indices.close({ index });
  expect(await follower.ccr.unfollow({ index, master_timeout }), ACKNOWLEDGED, "unfollow");
  await expectError(404, "resource_not_found_exception", () => follower.ccr.followStats({ index }));
  await follower.indices.open({ index });
  await follower.indices.delete({ index });
}

async function forgotten() {
  const index = "every-forgotten";
  await follow(index);
  const { settings } = (await follower.indices.getSettings({ index, flat_settings: true }))[index];
  const answer = await leader.ccr.forgetFollower({
    index: INDEX,
    follower_cluster: (await follower.info()).cluster_name,
    follower_index: index,
    follower_index_uuid: settings["index.uuid"],
    leader_remote_cluster: REMOTE,
    timeout: "30s",
  });
  expect(answer, { _shards: { total: 2, successful: 2, failed: 0 } }, "forgetFollower");
  await endOf(index);
}

async function patterns() {
  const put = {
    remote_cluster: REMOTE,
    leader_index_patterns: ["every-auto-*"],
    leader_index_exclusion_patterns: ["every-auto-not-*"],
    follow_index_pattern: "{{leader_index}}-copy",
  };
  const there = "every-auto-there";
  await leader.indices.create({ index: there, settings: { number_of_replicas: 0 } });
  const would = await raw("POST", "/_ccr/auto_follow/_preview", { ...put, follow_existing_indices: true }, { of: follower });
  expect(would, { indices: [{ leader_index: there, would_follow: true, follower_index: `${there}-copy` }] }, "preview");
  const answer = await follower.ccr.putAutoFollowPattern({ name: PATTERN, ...put, max_outstanding_read_requests: 2, master_timeout });
  expect(answer, ACKNOWLEDGED, "putAutoFollowPattern");
  const { indices: not } = await raw("GET", `/_ccr/auto_follow/${PATTERN}/_preview`, undefined, { of: follower });
  expect(not.map((index) => pick(index, "leader_index", "would_follow")), [[there, false]], "preview of a pattern");
  for (const given of [{}, { name: PATTERN, master_timeout }]) {
    const { patterns: shown } = await follower.ccr.getAutoFollowPattern(given);
    const seen = shown.map(({ name, pattern }) => [name, ...pick(pattern, ...Object.keys(put))]);
    expect(seen, [[PATTERN, ...Object.values(put)]], "getAutoFollowPattern");
  }
  for (const [change, active] of [
    ["pauseAutoFollowPattern", false],
    ["resumeAutoFollowPattern", true],
  ]) {
    expect(await follower.ccr[change]({ name: PATTERN, master_timeout }), ACKNOWLEDGED, change);
    expect((await follower.ccr.getAutoFollowPattern({ name: PATTERN })).patterns[0].pattern.active, active, change);
  }
  await leader.indices.create({ index: "every-auto-new", settings: { number_of_replicas: 0 } });
  await leader.index({ index: "every-auto-new", id: "1", document: { n: 1 } });
  const copied = () => follower.exists({ index: "every-auto-new-copy", id: "1" }, { ignore: [503] });
  await eventually(async () => (await copied()) === true, "auto-follow");
  expect(await follower.indices.exists({ index: `${there}-copy` }), false, "an index that was there before the pattern");
  expect(await follower.ccr.deleteAutoFollowPattern({ name: PATTERN, master_timeout }), ACKNOWLEDGED, "deleteAutoFollowPattern");
  await expectError(404, "resource_not_found_exception", () => follower.ccr.getAutoFollowPattern({ name: PATTERN }));
  await endOf("every-auto-new-copy");
  await leader.indices.delete({ index: [there, "every-auto-new"] });
}

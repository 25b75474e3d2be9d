// Indices: made, looked at, closed and opened, rolled over, and kept in order.

import { ACKNOWLEDGED, client, expect, expectError, pick, raw, sorted } from "./suite.mjs";

const index = "every-index";
const OTHER = "every-other";
const ALIAS = `${index}-alias`;
// The start of a path, what a method is given for it, and what is there.
const PLACES = [
  ["", {}, [index, OTHER]],
  [`/${index}`, { index }, [index]],
];

export async function run() {
  const made = await client.indices.create({
    index,
    settings: { "index.number_of_shards": 2, "index.number_of_replicas": 0 },
    mappings: { properties: { n: { type: "integer" } } },
    aliases: { [ALIAS]: { is_write_index: true } },
    wait_for_active_shards: "all",
    timeout: "30s",
    master_timeout: "30s",
  });
  expect(made, { acknowledged: true, shards_acknowledged: true, index }, "create");
  await expectError(400, "resource_already_exists_exception", () => client.indices.create({ index }));
  await client.indices.create({ index: OTHER, settings: { number_of_replicas: 0 } });
  await look();
  await upkeep();
  await counts();
  await closeAndOpen();
  await blocks();
  await rollOver();
  expect(await client.indices.delete({ index: [index, OTHER], ignore_unavailable: false }), ACKNOWLEDGED, "delete");
  expect(await client.indices.exists({ index: [index, OTHER] }), false, "exists of what was deleted");
}

async function look() {
  const answer = await client.indices.get({ index: "every-ind*", flat_settings: true, expand_wildcards: "open", include_defaults: false });
  expect(Object.keys(answer), [index], "names in get");
  const { settings, mappings, aliases } = answer[index];
  const seen = [settings["index.number_of_shards"], mappings.properties, Object.keys(aliases)];
  expect(seen, ["2", { n: { type: "integer" } }, [ALIAS]], "get");
  expect(Object.keys((await client.indices.get({ index, features: "settings" }))[index]), ["settings"], "get of a feature");
  expect(await client.indices.exists({ index: ALIAS, local: true, allow_no_indices: false }), true, "exists");
  expect(await client.indices.exists({ index: `${index}-none` }), false, "exists of what is not there");
  const expected = {
    indices: [
      { name: index, aliases: [ALIAS], attributes: ["open"] },
      { name: OTHER, attributes: ["open"] },
    ],
    aliases: [{ name: ALIAS, indices: [index] }],
    data_streams: [],
  };
  expect(await client.indices.resolveIndex({ name: "every-*", expand_wildcards: "all" }), expected, "resolveIndex");
  expect(await raw("POST", "/_resolve/index/every-*"), expected, "resolveIndex with POST");
}

// Refresh, flush, merge and cache, of every index and of one.
async function upkeep() {
  await client.index({ index, id: "1", document: { n: 1 } });
  await client.index({ index: OTHER, id: "1", document: { n: 1 } });
  for (const [where, place, names] of PLACES) {
    const total = names.length + 1;
    const answers = {
      refresh: await client.indices.refresh({ ...place, ignore_unavailable: true }),
      "refresh with POST": await raw("POST", `${where}/_refresh`),
      flush: await client.indices.flush({ ...place, force: true, wait_if_ongoing: true }),
      "flush with POST": await raw("POST", `${where}/_flush`),
      forcemerge: await client.indices.forcemerge({ ...place, max_num_segments: 1, flush: true, wait_for_completion: true }),
      clearCache: await client.indices.clearCache({ ...place, query: true, request: true, fielddata: true }),
    };
    for (const [called, { _shards }] of Object.entries(answers)) {
      expect(_shards, { total, successful: total, failed: 0 }, `${called} of ${names}`);
    }
  }
  expect((await client.count({ index: [index, OTHER] })).count, 2, "count after a refresh");
}

async function counts() {
  for (const [, place, names] of PLACES) {
    const { indices: segments } = await client.indices.segments(place);
    expect(sorted(Object.keys(segments)), names, "indices in segments");
    const documents = Object.values(segments[index].shards)
      .flat()
      .flatMap((copy) => Object.values(copy.segments))
      .reduce((sum, { num_docs }) => sum + num_docs, 0);
    expect(documents, 1, "documents in segments");
    // A shard that came from nowhere was not recovered.
    expect(await client.indices.recovery({ ...place, active_only: true }), {}, "recovery");
    const stats = await client.indices.stats({ ...place, level: "shards", human: true });
    expect(sorted(Object.keys(stats.indices)), names, "indices in stats");
    const { primaries, shards } = stats.indices[index];
    expect([primaries.docs.count, Object.keys(shards)], [1, ["0", "1"]], "stats");
    const some = await client.indices.stats({ ...place, metric: ["docs", "store"] });
    expect(sorted(Object.keys(some._all.primaries)), ["docs", "store"], "metrics in stats");
  }
}

async function closeAndOpen() {
  const closed = await client.indices.close({ index: OTHER, wait_for_active_shards: 1, timeout: "30s", master_timeout: "30s" });
  expect(closed, { acknowledged: true, shards_acknowledged: true, indices: { [OTHER]: { closed: true } } }, "close");
  await expectError(400, "index_closed_exception", () => client.search({ index: OTHER }));
  expect(await client.cat.indices({ index: OTHER, h: "status", format: "json" }), [{ status: "close" }], "status of a closed index");
  const opened = await client.indices.open({ index: OTHER, wait_for_active_shards: 1, timeout: "30s", master_timeout: "30s" });
  expect(opened, { acknowledged: true, shards_acknowledged: true }, "open");
  expect((await client.get({ index: OTHER, id: "1" }))._source, { n: 1 }, "a document of an index that was closed");
}

async function blocks() {
  const place = { index: OTHER, block: "write", timeout: "30s", master_timeout: "30s" };
  const blocked = await client.indices.addBlock(place);
  expect([blocked.acknowledged, blocked.indices], [true, [{ name: OTHER, blocked: true }]], "addBlock");
  await expectError(403, "cluster_block_exception", () => client.index({ index: OTHER, document: { n: 2 } }));
  expect((await client.indices.removeBlock(place)).acknowledged, true, "removeBlock");
  const written = await client.index({ index: OTHER, id: "1", document: { n: 1 } });
  expect(written.result, "updated", "a write after the block");
}

async function rollOver() {
  const alias = "every-rolling";
  const [first, second, third] = [`${alias}-000001`, `${alias}-000002`, `${alias}-last`];
  await client.indices.create({ index: first, aliases: { [alias]: { is_write_index: true } }, settings: { number_of_replicas: 0 } });
  const names = ["rolled_over", "dry_run", "old_index", "new_index"];
  const trial = await client.indices.rollover({ alias, conditions: { max_docs: 5 }, dry_run: true, lazy: false });
  expect(pick(trial, ...names), [false, true, first, second], "a trial of rollover");
  expect(trial.conditions, { "[max_docs: 5]": false }, "conditions of a rollover");
  const next = await client.indices.rollover({ alias, settings: { number_of_replicas: 0 }, wait_for_active_shards: 1, timeout: "30s" });
  expect(pick(next, ...names), [true, false, first, second], "rollover");
  const mappings = { properties: { n: { type: "long" } } };
  const last = await client.indices.rollover({ alias, new_index: third, mappings, master_timeout: "30s" });
  expect(pick(last, ...names), [true, false, second, third], "rollover with a name");
  expect((await client.index({ index: alias, document: { n: 1 } }))._index, third, "the index that is written to");
  await client.indices.delete({ index: [first, second, third] });
}

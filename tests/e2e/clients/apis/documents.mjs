// Documents: written, read and removed, one and many.

import { ACKNOWLEDGED, client, expect, expectError, pick, raw } from "./suite.mjs";

const index = "every-documents";
const conflict = (call) => expectError(409, "version_conflict_engine_exception", call);

export async function run() {
  await client.indices.create({
    index,
    settings: { number_of_shards: 2, number_of_replicas: 0 },
    mappings: { properties: { title: { type: "text" }, n: { type: "integer" } } },
    wait_for_active_shards: 1,
    timeout: "30s",
    master_timeout: "30s",
  });
  await oneDocument();
  await conditions();
  await manyDocuments();
  await byQuery();
  expect(await client.indices.delete({ index, timeout: "30s", master_timeout: "30s" }), ACKNOWLEDGED, "delete of the index");
}

async function oneDocument() {
  const made = await client.index({ index, id: "1", document: { title: "one", n: 1 }, refresh: true, wait_for_active_shards: 1, timeout: "10s" });
  expect(pick(made, "result", "_version", "forced_refresh"), ["created", 1, true], "index");
  expect((await raw("POST", `/${index}/_doc/1`, { title: "one", n: 2 }))._version, 2, "index with POST");
  const { _id: named } = await client.index({ index, document: { title: "has an id of the server", n: 3 } });
  expect(named.length, 20, "length of an id that the server chose");
  const created = await client.create({ index, id: "2", document: { title: "two", n: 2 }, refresh: "wait_for" });
  expect(created.result, "created", "create");
  expect((await raw("POST", `/${index}/_create/3`, { title: "three", n: 3 })).result, "created", "create with POST");
  await conflict(() => client.create({ index, id: "2", document: {} }));
  const updated = await client.update({ index, id: "2", doc: { n: 22 }, _source: true, retry_on_conflict: 2, refresh: false });
  expect([updated.result, updated.get._source], ["updated", { title: "two", n: 22 }], "update");
  expect((await client.update({ index, id: "2", doc: { n: 22 } })).result, "noop", "an update without a change");
  const upserted = await client.update({ index, id: "4", doc: { n: 4 }, doc_as_upsert: true });
  expect(pick(upserted, "result", "_version"), ["created", 1], "update of a document that is not there");

  const got = await client.get({ index, id: "2", _source_includes: "n", realtime: true, preference: "_local" });
  expect(pick(got, "found", "_version", "_source"), [true, 2, { n: 22 }], "get");
  expect(await client.get({ index, id: "2", filter_path: "_source.title" }), { _source: { title: "two" } }, "filter_path");
  expect(await client.getSource({ index, id: "1" }), { title: "one", n: 2 }, "getSource");
  expect([await client.exists({ index, id: "1" }), await client.exists({ index, id: "none" })], [true, false], "exists");
  expect([await client.existsSource({ index, id: "1" }), await client.existsSource({ index, id: "none" })], [true, false], "existsSource");
  expect((await client.delete({ index, id: named, refresh: true })).result, "deleted", "delete");
  expect(await client.get({ index, id: named }, { ignore: [404] }), { _index: index, _id: named, found: false }, "get of what is gone");
}

// Writes that hold only under conditions, and routing.
async function conditions() {
  const seen = await client.get({ index, id: "1" });
  const given = { if_seq_no: seen._seq_no, if_primary_term: seen._primary_term };
  await client.index({ index, id: "1", document: { title: "one", n: 10 }, ...given });
  await conflict(() => client.index({ index, id: "1", document: {}, ...given }));
  await conflict(() => client.delete({ index, id: "1", ...given }));
  await conflict(() => client.update({ index, id: "1", doc: { n: 0 }, ...given }));
  await conflict(() => client.index({ index, id: "1", document: {}, op_type: "create" }));
  const external = await client.index({ index, id: "external", document: { n: 5 }, version: 7, version_type: "external" });
  expect(external._version, 7, "a version of the user");
  await conflict(() => client.delete({ index, id: "external", version: 7, version_type: "external" }));
  expect((await client.delete({ index, id: "external", version: 8, version_type: "external" }))._version, 8, "delete with a version");
  await client.index({ index, id: "routed", document: { title: "routed", n: 0 }, routing: "to-one-shard" });
  expect((await client.get({ index, id: "routed", routing: "to-one-shard" }))._routing, "to-one-shard", "routing");
  expect((await client.delete({ index, id: "routed", routing: "to-one-shard", timeout: "10s" })).result, "deleted", "delete with routing");
  const wanted = await client.index({ index, id: "1", document: { title: "one", n: 1 }, require_alias: false, error_trace: true, human: true });
  expect(wanted.result, "updated", "index");
  await expectError(404, "index_not_found_exception", () => client.index({ index, document: {}, require_alias: true }));
}

async function manyDocuments() {
  const answer = await client.bulk({
    operations: [
      { index: { _index: index, _id: "b1" } },
      { title: "of bulk", n: 100 },
      { create: { _index: index, _id: "b2" } },
      { title: "of bulk", n: 101 },
      { update: { _index: index, _id: "b1" } },
      { doc: { n: 102 } },
      { delete: { _index: index, _id: "b2" } },
      { create: { _index: index, _id: "b1" } },
      {},
    ],
    refresh: true,
    timeout: "10s",
    wait_for_active_shards: 1,
  });
  const statuses = answer.items.map((item) => Object.values(item)[0].status);
  expect([answer.errors, statuses], [true, [201, 201, 200, 200, 409]], "bulk");
  const document = { title: "of bulk", n: 103 };
  const sends = [
    (_id) => client.bulk({ index, operations: [{ index: { _id } }, document], _source: true, require_alias: false }),
    (_id) => raw("PUT", `/${index}/_bulk`, [{ index: { _id } }, document]),
    (_id) => raw("PUT", "/_bulk", [{ index: { _index: index, _id } }, document]),
  ];
  for (const [number, send] of sends.entries()) {
    const { items } = await send(`c${number}`);
    expect(pick(items[0].index, "_id", "result"), [`c${number}`, "created"], "bulk");
  }
  const found = ({ docs }) => docs.map(({ _id, found }) => [_id, found]);
  const expected = [
    ["b1", true],
    ["b2", false],
  ];
  const docs = ["b1", "b2"].map((_id) => ({ _index: index, _id }));
  expect(found(await client.mget({ docs, _source: ["n"], refresh: true })), expected, "mget");
  expect(found(await raw("GET", "/_mget", { docs })), expected, "mget with GET");
  expect(found(await client.mget({ index, ids: ["b1", "b2"], realtime: false })), expected, "mget of an index");
  expect(found(await raw("GET", `/${index}/_mget`, { ids: ["b1", "b2"] })), expected, "mget of an index with GET");
}

async function byQuery() {
  const copy = `${index}-copy`;
  const count = async () => (await client.count({ index: copy })).count;
  await client.indices.refresh({ index });
  const query = { match_phrase: { title: "of bulk" } };
  const updated = await client.updateByQuery({ index, query, refresh: true, conflicts: "proceed", slices: 1, scroll_size: 2 });
  expect(pick(updated, "updated", "failures"), [4, []], "updateByQuery");
  const copied = await client.reindex({
    source: { index, query },
    dest: { index: copy, op_type: "create" },
    max_docs: 3,
    refresh: true,
    timeout: "30s",
  });
  expect([copied.created, await count()], [3, 3], "reindex");
  const removed = await client.deleteByQuery({ index: copy, query: { term: { n: 103 } }, max_docs: 1, refresh: true, wait_for_completion: true });
  expect([removed.deleted, await count()], [1, 2], "deleteByQuery");
  await client.indices.delete({ index: copy });
}

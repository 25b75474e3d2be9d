// Searches of every kind, with an index and without.

import { ACKNOWLEDGED, client, expect, expectError, ids, pick, raw, sorted } from "./suite.mjs";

const index = "every-search";
const LINES = ["a quick fox", "a lazy dog", "a quick dog"];
const query = { match: { title: "quick" } };
const EXPECTED = ["0", "2"];
// The start of a path, and what a method is given for it.
const PLACES = [
  ["", {}],
  [`/${index}`, { index }],
];

export async function run() {
  await client.indices.create({
    index,
    settings: { number_of_shards: 2, number_of_replicas: 0 },
    mappings: { properties: { title: { type: "text" }, n: { type: "integer" }, kind: { type: "keyword" } } },
  });
  for (const [n, title] of LINES.entries()) {
    await client.index({ index, id: `${n}`, document: { title, n, kind: title.split(" ").at(-1) } });
  }
  await client.indices.refresh({ index });
  await searches();
  await severalSearches();
  await overSeveralRequests();
  await countsAndChecks();
  await fields();
  expect(await client.indices.delete({ index }), ACKNOWLEDGED, "delete of the index");
}

async function searches() {
  for (const [where, place] of PLACES) {
    expect(ids(await client.search({ ...place, query, sort: ["n"], size: 10 })), EXPECTED, "search");
    expect(ids(await client.search({ ...place, q: "title:quick", default_operator: "and" })), EXPECTED, "search by a line");
    expect(ids(await raw("GET", `${where}/_search`, { query })), EXPECTED, "search with a body and GET");
  }
  const answer = await client.search({
    index,
    query,
    aggregations: { kinds: { terms: { field: "kind" } } },
    sort: [{ n: "desc" }],
    from: 1,
    size: 1,
    _source_includes: ["title"],
    track_total_hits: true,
    seq_no_primary_term: true,
    version: true,
    timeout: "10s",
    typed_keys: true,
    rest_total_hits_as_int: true,
    allow_partial_search_results: false,
    human: true,
    error_trace: true,
  });
  const [hit] = answer.hits.hits;
  const kinds = answer.aggregations["sterms#kinds"].buckets.map(({ key, doc_count }) => [key, doc_count]);
  expect([answer.hits.total, new Map(kinds)], [2, new Map(Object.entries({ fox: 1, dog: 1 }))], "total and aggregation");
  expect(pick(hit, "_id", "_source", "_version", "sort"), ["0", { title: LINES[0] }, 1, [0]], "hit");
  const filtered = await client.search({ index, query: { match_all: {} }, filter_path: "hits.total.value,-hits.hits" });
  expect(filtered, { hits: { total: { value: 3 } } }, "filter_path");
  await expectError(404, "index_not_found_exception", () => client.search({ index: "every-missing" }));
  expect(ids(await client.search({ index: ["every-missing", index], ignore_unavailable: true })), ["0", "1", "2"], "ignore_unavailable");
}

async function severalSearches() {
  const lines = [{ index }, { query }, { index }, { size: 0 }];
  for (const [where, place] of PLACES) {
    for (const answer of [
      await client.msearch({ ...place, searches: lines, max_concurrent_searches: 1, rest_total_hits_as_int: false }),
      await raw("GET", `${where}/_msearch`, lines),
    ]) {
      const [first, second] = answer.responses;
      expect([ids(first), second.hits.total.value], [EXPECTED, 3], "msearch");
    }
  }
}

async function overSeveralRequests() {
  const first = await client.search({ index, scroll: "1m", size: 1, sort: "_doc" });
  const { _scroll_id: scroll_id } = first;
  const second = await client.scroll({ scroll_id, scroll: "1m" });
  const third = await raw("GET", "/_search/scroll", { scroll_id, scroll: "1m" });
  expect(sorted([...ids(first), ...ids(second), ...ids(third)]), ["0", "1", "2"], "pages of a scroll");
  for (const method of ["GET", "POST"]) {
    expect(ids(await raw(method, `/_search/scroll/${scroll_id}`, undefined, { scroll: "1m" })), [], "a page after the last");
  }
  expect(await client.clearScroll({ scroll_id }), { succeeded: true, num_freed: 1 }, "clearScroll");
  const { _scroll_id: other } = await client.search({ index, scroll: "1m" });
  expect((await raw("DELETE", `/_search/scroll/${other}`)).num_freed, 1, "clearScroll by path");

  const { id } = await client.openPointInTime({ index, keep_alive: "1m", ignore_unavailable: true });
  await client.index({ index, id: "late", document: { title: "a quick one" }, refresh: true });
  expect(ids(await client.search({ pit: { id, keep_alive: "1m" }, query })), EXPECTED, "search of a point in time");
  await client.delete({ index, id: "late", refresh: true });
  expect(await client.closePointInTime({ id }), { succeeded: true, num_freed: 1 }, "closePointInTime");
}

async function countsAndChecks() {
  for (const [where, place] of PLACES) {
    expect((await client.count({ ...place, query })).count, 2, "count");
    expect((await client.count({ ...place, q: "title:quick", default_operator: "or", ignore_unavailable: true })).count, 2, "count by a line");
    expect((await client.count({ ...place, query, min_score: 1000 })).count, 0, "count of what is very relevant");
    expect((await raw("GET", `${where}/_count`, { query })).count, 2, "count with a body and GET");

    const valid = await client.indices.validateQuery({ ...place, query, explain: true });
    expect([valid.valid, valid.explanations[0].valid], [true, true], "validateQuery");
    expect((await raw("GET", `${where}/_validate/query`, { query })).valid, true, "validateQuery with a body and GET");

    const { shards } = await client.searchShards({ ...place, local: true });
    expect(shards.filter(([copy]) => copy.index === index).length, 2, "searchShards");
    for (const method of ["GET", "POST"]) {
      expect((await raw(method, `${where}/_search_shards`)).shards, shards, `searchShards with ${method}`);
    }
  }
  const wrong = await client.indices.validateQuery({ index, query: { term: { n: "no number" } } });
  expect(wrong.valid, false, "validateQuery of what cannot be run");
  expect((await client.searchShards({ index, routing: "x" })).shards.length, 1, "searchShards with routing");
}

async function fields() {
  for (const [where, place] of PLACES) {
    const answer = await client.fieldCaps({ ...place, fields: ["n", "kind"], include_unmapped: false });
    expect([answer.indices, Object.keys(answer.fields).sort()], [[index], ["kind", "n"]], "fieldCaps");
    expect(pick(answer.fields.kind.keyword, "searchable", "aggregatable"), [true, true], "fieldCaps");
    for (const method of ["GET", "POST"]) {
      expect(await raw(method, `${where}/_field_caps`, undefined, { fields: "n,kind" }), answer, `fieldCaps with ${method}`);
    }
  }
}

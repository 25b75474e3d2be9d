// What is not offered is refused by a kind of its own, and what is not known by name.

import { client, expect, expectError, raw } from "./suite.mjs";

const index = "every-refused";

export async function run() {
  await client.indices.create({ index, settings: { number_of_replicas: 0 } });
  await client.index({ index, id: "1", document: { text: "a text" }, refresh: true });
  const source = '{"query":{"match_all":{}}}';
  const query = { match_all: {} };
  for (const call of [
    () => client.searchTemplate({ source }),
    () => client.searchTemplate({ index, source }),
    () => client.msearchTemplate({ search_templates: [{}, { source }] }),
    () => client.renderSearchTemplate({ source }),
    () => client.rankEval({ index, requests: [] }),
    () => client.termvectors({ index, id: "1" }),
    () => client.mtermvectors({ index, ids: ["1"] }),
    () => client.explain({ index, id: "1", query }),
    () => client.termsEnum({ index, field: "text" }),
    () => client.indices.migrateToDataStream({ name: "every-alias" }),
    () => client.indices.modifyDataStream({ actions: [] }),
    () => client.search({ index, query, profile: true }),
  ]) {
    const { body } = await expectError(400, "unsupported_operation_exception", call);
    expect(body.error.reason.length > 20, true, "a reason");
  }
  // A path that there is not.
  const repository = { type: "fs", settings: { location: "none" } };
  await expectError(400, "no handler found for uri [/_snapshot/every-backup] and method [PUT]", () =>
    client.snapshot.createRepository({ name: "every-backup", repository }),
  );
  // An API that there is not is no index that there is not.
  const { body } = await expectError(400, "invalid_index_name_exception", () => client.license.get());
  expect(body.error.reason, "Invalid index name [_license], must not start with '_'.", "reason");
  // What is not known is refused by its name, and never passed over.
  for (const [call, type, name] of [
    [() => raw("GET", "/_search", undefined, { nonsense: "1" }), "illegal_argument_exception", "nonsense"],
    [() => raw("POST", `/${index}/_doc`, {}, { oddity: "1" }), "illegal_argument_exception", "oddity"],
    [() => client.index({ index, document: {}, refresh: "sometimes" }), "illegal_argument_exception", "sometimes"],
    // This client sends parameters that it does not know in the body.
    [() => client.search({ index, querry: {} }), "parsing_exception", "querry"],
    [() => client.search({ index, query: { matches: {} } }), "parsing_exception", "matches"],
    [() => client.indices.putSettings({ index, settings: { "index.odd": 1 } }), "illegal_argument_exception", "index.odd"],
  ]) {
    const { body } = await expectError(400, type, call);
    expect(body.error.reason.includes(`[${name}]`), true, `[${name}] in the reason`);
  }
  await client.indices.delete({ index });
}

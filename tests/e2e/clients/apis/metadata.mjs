// Mappings, settings and aliases of indices.

import { ACKNOWLEDGED, client, expect, pick, raw, sorted } from "./suite.mjs";

const index = "every-metadata";
const OTHER = "every-metadata-other";

export async function run() {
  for (const name of [index, OTHER]) {
    const mappings = { properties: { n: { type: "integer" } } };
    await client.indices.create({ index: name, settings: { number_of_replicas: 0 }, mappings });
  }
  await mappings();
  await analysis();
  await settings();
  await aliases();
  expect(await client.indices.delete({ index: [index, OTHER] }), ACKNOWLEDGED, "delete of the indices");
}

async function mappings() {
  const put = { put: { type: "keyword" } };
  const answer = await client.indices.putMapping({ index, properties: put, dynamic: "strict", timeout: "30s", master_timeout: "30s" });
  expect(answer, ACKNOWLEDGED, "putMapping");
  for (const [method, path] of [
    ["POST", "_mapping"],
    ["PUT", "_mappings"],
    ["POST", "_mappings"],
  ]) {
    const properties = { [`${method}${path}`.toLowerCase()]: { type: "keyword" } };
    expect(await raw(method, `/${index}/${path}`, { properties }), ACKNOWLEDGED, "putMapping");
  }
  const mapping = await client.indices.getMapping({ index, local: true, master_timeout: "30s" });
  const { dynamic, properties } = mapping[index].mappings;
  expect([dynamic, sorted(Object.keys(properties))], ["strict", ["n", "post_mapping", "post_mappings", "put", "put_mappings"]], "getMapping");
  expect(await raw("GET", `/${index}/_mappings`), mapping, "getMapping by its other name");
  expect(sorted(Object.keys(await client.indices.getMapping())), [index, OTHER], "getMapping of every index");
  const ofField = { mappings: { n: { full_name: "n", mapping: { n: { type: "integer" } } } } };
  expect(await client.indices.getFieldMapping({ fields: "n", index }), { [index]: ofField }, "getFieldMapping");
  const every = await client.indices.getFieldMapping({ fields: ["n", "put"], include_defaults: false });
  expect([sorted(Object.keys(every[index].mappings)), every[OTHER]], [["n", "put"], ofField], "getFieldMapping of every index");
}

async function analysis() {
  const text = { text: "Two Words", analyzer: "standard" };
  for (const [where, place] of [
    ["", {}],
    [`/${index}`, { index }],
  ]) {
    const { tokens } = await client.indices.analyze({ ...place, ...text });
    expect(tokens.map(({ token }) => token), ["two", "words"], "analyze");
    expect((await raw("GET", `${where}/_analyze`, text)).tokens, tokens, "analyze with GET");
  }
  const { tokens } = await client.indices.analyze({ index, field: "put", text: "As It Is", explain: false });
  expect(tokens.map(({ token }) => token), ["As It Is"], "analyze as a field");
}

async function settings() {
  const waits = { timeout: "30s", master_timeout: "30s" };
  for (const given of [
    { index, settings: { "index.refresh_interval": "7s" }, ...waits },
    { settings: { max_result_window: 777 }, preserve_existing: false },
    { index, settings: { refresh_interval: "9s" }, preserve_existing: true },
  ]) {
    expect(await client.indices.putSettings(given), ACKNOWLEDGED, "putSettings");
  }
  const values = (answer, name) => Object.entries(answer).map(([of, { settings }]) => [of, settings[name]]);
  const every = await client.indices.getSettings({ flat_settings: true });
  expect(sorted(values(every, "index.max_result_window")), [[index, "777"], [OTHER, "777"]], "getSettings of every index");
  const one = await client.indices.getSettings({ index, flat_settings: true, include_defaults: true, local: true });
  expect([values(one, "index.refresh_interval"), "defaults" in one[index]], [[[index, "7s"]], true], "getSettings");
  const named = await client.indices.getSettings({ name: "index.refresh_*", flat_settings: true });
  expect(named, { [index]: { settings: { "index.refresh_interval": "7s" } } }, "getSettings by name");
  const both = await client.indices.getSettings({ index: [index, OTHER], name: ["index.max_result_window"] });
  expect(both[OTHER].settings, { index: { max_result_window: "777" } }, "getSettings of an index by name");
}

async function aliases() {
  const waits = { timeout: "30s", master_timeout: "30s" };
  const filter = { term: { n: 1 } };
  const ofAlias = { filter, index_routing: "1", search_routing: "1,2", is_write_index: true };
  expect(await client.indices.putAlias({ index, name: "every-alias", ...ofAlias, ...waits }), ACKNOWLEDGED, "putAlias");
  const others = ["every-post_alias", "every-post_aliases", "every-put_aliases"];
  for (const [method, path] of [
    ["POST", "_alias"],
    ["PUT", "_aliases"],
    ["POST", "_aliases"],
  ]) {
    expect(await raw(method, `/${OTHER}/${path}/every-${method.toLowerCase()}${path}`, {}), ACKNOWLEDGED, "putAlias");
  }
  const whole = { [index]: { aliases: { "every-alias": ofAlias } } };
  const every = await client.indices.getAlias();
  const names = pick(every, index, OTHER).map(({ aliases }) => sorted(Object.keys(aliases)));
  expect(names, [["every-alias"], others], "getAlias of everything");
  expect(await raw("GET", "/_aliases"), every, "getAlias by its other name");
  expect(await client.indices.getAlias({ name: "every-alias", ignore_unavailable: true }), whole, "getAlias by name");
  expect(await client.indices.getAlias({ index, expand_wildcards: "open" }), whole, "getAlias of an index");
  expect(await client.indices.getAlias({ index, name: ["every-a*"] }), whole, "getAlias of an index by name");
  expect(await client.indices.existsAlias({ name: "every-alias", master_timeout: "30s" }), true, "existsAlias");
  expect(await client.indices.existsAlias({ name: "every-none" }), false, "existsAlias of what is not there");
  expect(await client.indices.existsAlias({ index, name: "every-alias" }), true, "existsAlias of an index");
  expect(await raw("HEAD", `/${index}/_alias`), true, "existsAlias without a name");
  const updated = await client.indices.updateAliases({
    actions: [
      { add: { indices: [index, OTHER], aliases: ["every-added"] } },
      { remove: { index: OTHER, alias: "every-post_alias", must_exist: true } },
    ],
    ...waits,
  });
  const added = await client.indices.getAlias({ name: "every-added" });
  expect([updated.acknowledged, sorted(Object.keys(added))], [true, [index, OTHER]], "updateAliases");
  expect((await client.indices.deleteAlias({ index: "*", name: "every-added", ...waits })).acknowledged, true, "deleteAlias");
  expect((await raw("DELETE", `/${OTHER}/_aliases/*`)).acknowledged, true, "deleteAlias by its other name");
  expect(await client.indices.getAlias({ index: OTHER }), { [OTHER]: { aliases: {} } }, "what is left");
}

// Templates of indices and of their parts, and what a new index would begin with.

import { ACKNOWLEDGED, client, expect, expectError, pick, raw, sorted } from "./suite.mjs";

const PART = "every-part";
const NAME = "every-template";
const waits = { timeout: "30s", master_timeout: "30s" };

export async function run() {
  await parts();
  await indexTemplates();
  await whatWouldBe();
  await oldKind();
  expect(await client.indices.deleteIndexTemplate({ name: `${NAME}*`, ...waits }), ACKNOWLEDGED, "deleteIndexTemplate");
  expect(await client.cluster.deleteComponentTemplate({ name: PART, ...waits }), ACKNOWLEDGED, "deleteComponentTemplate");
  expect(await client.indices.existsIndexTemplate({ name: NAME }), false, "an index template that was deleted");
}

async function parts() {
  const template = { settings: { "index.number_of_shards": 3 } };
  const given = { name: PART, template, version: 4, _meta: { of: "tests" }, create: true };
  expect(await client.cluster.putComponentTemplate({ ...given, master_timeout: "30s" }), ACKNOWLEDGED, "putComponentTemplate");
  await expectError(400, "illegal_argument_exception", () => client.cluster.putComponentTemplate(given));
  expect(await raw("POST", `/_component_template/${PART}`, { template, version: 5 }), ACKNOWLEDGED, "putComponentTemplate with POST");
  for (const asked of [{}, { name: "every-p*", flat_settings: true, local: true }]) {
    const { component_templates: found } = await client.cluster.getComponentTemplate(asked);
    expect(found.map(({ name, component_template }) => [name, component_template.version]), [[PART, 5]], "getComponentTemplate");
  }
  expect(await client.cluster.existsComponentTemplate({ name: PART, master_timeout: "30s" }), true, "existsComponentTemplate");
  expect(await client.cluster.existsComponentTemplate({ name: "every-none" }), false, "existsComponentTemplate");
}

async function indexTemplates() {
  const answer = await client.indices.putIndexTemplate({
    name: NAME,
    index_patterns: ["every-made-*"],
    composed_of: [PART],
    priority: 500,
    version: 1,
    template: { mappings: { properties: { n: { type: "byte" } } }, aliases: { "every-made": {} } },
    _meta: { of: "tests" },
    create: true,
    cause: "a test",
    master_timeout: "30s",
  });
  expect(answer, ACKNOWLEDGED, "putIndexTemplate");
  const other = { index_patterns: ["every-made-*"], priority: 1 };
  expect(await raw("POST", `/_index_template/${NAME}-other`, other), ACKNOWLEDGED, "putIndexTemplate with POST");
  const { index_templates: every } = await client.indices.getIndexTemplate();
  expect(sorted(every.map(({ name }) => name)), [NAME, `${NAME}-other`], "getIndexTemplate");
  const { index_templates: one } = await client.indices.getIndexTemplate({ name: NAME, flat_settings: true, local: true });
  expect(pick(one[0].index_template, "composed_of", "priority", "_meta"), [[PART], 500, { of: "tests" }], "getIndexTemplate by name");
  expect(await client.indices.existsIndexTemplate({ name: NAME, local: true }), true, "existsIndexTemplate");
}

async function whatWouldBe() {
  const ofIndex = await client.indices.simulateIndexTemplate({ name: "every-made-1", include_defaults: false, master_timeout: "30s" });
  const ofName = await client.indices.simulateTemplate({ name: NAME });
  const ofBody = await client.indices.simulateTemplate({ index_patterns: ["every-new-*"], composed_of: [PART], priority: 900 });
  for (const { template } of [ofIndex, ofName, ofBody]) {
    expect(template.settings.index.number_of_shards, "3", "shards in what was simulated");
  }
  const properties = { n: { type: "byte" } };
  expect(ofIndex.template.mappings.properties, properties, "simulateIndexTemplate");
  expect(ofIndex.overlapping.map(({ name }) => name), [`${NAME}-other`], "overlapping templates");
  await client.indices.create({ index: "every-made-1", settings: { number_of_replicas: 0 } });
  const { settings, mappings } = (await client.indices.get({ index: "every-made" }))["every-made-1"];
  expect([settings.index.number_of_shards, mappings.properties], ["3", properties], "an index of a template");
  await client.indices.delete({ index: "every-made-1" });
}

// Templates as they were before index templates.
async function oldKind() {
  const old = "every-old";
  const given = { name: old, index_patterns: ["every-old-*"], order: 3, version: 7 };
  const settings = { "index.number_of_shards": 2 };
  const made = await client.indices.putTemplate({ ...given, settings, aliases: { "every-olds": {} }, master_timeout: "30s" });
  expect(made, ACKNOWLEDGED, "putTemplate");
  await expectError(400, "illegal_argument_exception", () => client.indices.putTemplate({ ...given, create: true }));
  expect(await raw("POST", `/_template/${old}-2`, { index_patterns: ["every-older-*"] }), ACKNOWLEDGED, "putTemplate with POST");
  expect(sorted(Object.keys(await client.indices.getTemplate({ local: true }))), [old, `${old}-2`], "getTemplate");
  const { [old]: found } = await client.indices.getTemplate({ name: old, flat_settings: true });
  expect([found.order, found.version, found.settings], [3, 7, { "index.number_of_shards": "2" }], "getTemplate by name");
  expect(await client.indices.existsTemplate({ name: old, local: true }), true, "existsTemplate");
  expect(await client.indices.existsTemplate({ name: "every-none" }), false, "existsTemplate");
  await client.indices.create({ index: "every-old-1", settings: { number_of_replicas: 0 } });
  const { "every-old-1": index } = await client.indices.get({ index: "every-olds" });
  expect(index.settings.index.number_of_shards, "2", "an index of a template of the old kind");
  await client.indices.delete({ index: "every-old-1" });
  expect(await client.indices.deleteTemplate({ name: `${old}*`, master_timeout: "30s" }), ACKNOWLEDGED, "deleteTemplate");
  await expectError(404, "index_template_missing_exception", () => client.indices.deleteTemplate({ name: old }));
}

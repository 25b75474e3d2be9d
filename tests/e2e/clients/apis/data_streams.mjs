// Data streams.

import { ACKNOWLEDGED, client, expect, pick } from "./suite.mjs";

const name = "every-stream";

export async function run() {
  const template = { settings: { number_of_replicas: 0 } };
  await client.indices.putIndexTemplate({ name, index_patterns: [`${name}*`], data_stream: {}, template });
  expect(await client.indices.createDataStream({ name, timeout: "30s", master_timeout: "30s" }), ACKNOWLEDGED, "createDataStream");
  await client.create({ index: name, id: "1", document: { "@timestamp": "2024-05-06T07:08:09Z" }, refresh: true });
  expect((await client.indices.rollover({ alias: name })).rolled_over, true, "rollover of a data stream");
  for (const given of [{}, { name: `${name}*`, expand_wildcards: "all", verbose: false, include_defaults: false }]) {
    const { data_streams: streams } = await client.indices.getDataStream(given);
    const seen = streams.map((stream) => [...pick(stream, "name", "generation", "status", "template"), stream.indices.length]);
    expect(seen, [[name, 2, "GREEN", name, 2]], "getDataStream");
  }
  for (const given of [{}, { name, human: true }]) {
    const answer = await client.indices.dataStreamsStats(given);
    const newest = answer.data_streams.map(({ maximum_timestamp }) => maximum_timestamp);
    expect([...pick(answer, "data_stream_count", "backing_indices"), newest], [1, 2, [1714979289000]], "dataStreamsStats");
  }
  // An ordinary stream is what promoting makes of a replicated one; it stays as it is.
  expect(await client.indices.promoteDataStream({ name, master_timeout: "30s" }), ACKNOWLEDGED, "promoteDataStream");
  const { data_streams: resolved } = await client.indices.resolveIndex({ name });
  expect(pick(resolved[0], "name", "timestamp_field"), [name, "@timestamp"], "resolveIndex");
  expect(await client.indices.deleteDataStream({ name, expand_wildcards: "all", master_timeout: "30s" }), ACKNOWLEDGED, "deleteDataStream");
  expect((await client.indices.getDataStream()).data_streams, [], "data streams after that");
  await client.indices.deleteIndexTemplate({ name });
}

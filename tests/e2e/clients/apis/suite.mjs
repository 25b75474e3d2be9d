// What the scripts on every API share: a client of each cluster whose requests are recorded, and checks.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { Coverage } from "./coverage.mjs";

const { Client, errors } = createRequire(`${process.env.CLIENT_MODULES}/`)("@elastic/elasticsearch");

export const ACKNOWLEDGED = { acknowledged: true };
export const coverage = new Coverage();
export const client = new Client({ node: process.env.LEADER });
export const follower = new Client({ node: process.env.FOLLOWER });
coverage.record(client);
coverage.record(follower);

// The answer to a request that no method of the client sends: another verb, or an API of this server only. A list is sent as lines of JSON.
export function raw(method, path, body, { of = client, ...querystring } = {}) {
  const request = { method, path, querystring };
  request[Array.isArray(body) ? "bulkBody" : "body"] = body;
  return of.transport.request(request, { context: { raw: true } });
}

export function expect(actual, expected, what) {
  assert.deepEqual(actual, expected, `${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
}

export async function expectError(status, type, call) {
  let found;
  await assert.rejects(call, (error) => {
    assert(error instanceof errors.ResponseError, String(error));
    expect([error.statusCode, error.body.error.type ?? error.body.error], [status, type], "status and type of the error");
    found = error;
    return true;
  });
  return found;
}

// Waits until `look` returns something true.
export async function eventually(look, what, seconds = 30) {
  const deadline = performance.now() + seconds * 1000;
  while (!(await look())) {
    assert(performance.now() < deadline, `not within ${seconds} s: ${what}`);
    await sleep(50);
  }
}

// The ids of hits, in order of the ids.
export const ids = (answer) => answer.hits.hits.map(({ _id }) => _id).sort();
export const sorted = (values) => [...values].sort();
// What an object has under some names, in their order.
export const pick = (object, ...names) => names.map((name) => object[name]);

// Every API of the server, by the method that the official JavaScript client has for it.
//
// Reads LEADER and FOLLOWER (URLs), LEADER_TRANSPORT (host and port) and CLIENT_MODULES (a node_modules folder) from the environment; ends with a
// failure at the first answer that is not as documented, and at the end when a supported operation of `GET /_openapi.json` was not reached.

import * as documents from "./apis/documents.mjs";
import * as search from "./apis/search.mjs";
import * as tasks from "./apis/tasks.mjs";
import { coverage, raw } from "./apis/suite.mjs";

// Supported operations ("METHOD /path") that no request can reach with success, each with the reason.
const EXCEPTIONS = {};

// Paths that no method of the client sends, each with the reason: requests of their own reach these.
const WITHOUT_METHOD = {
  "/_openapi.json": "not in Elasticsearch",
  "/_ccr/auto_follow/_preview": "not in Elasticsearch",
  "/_ccr/auto_follow/{name}/_preview": "not in Elasticsearch",
  "/_search/scroll/{scroll_id}": "the client sends the identifier in the body",
  "/{index}/_aliases/{name}": "another name of _alias",
  "/{index}/_mappings": "another name of _mapping",
};

for (const subject of [documents, search, tasks]) {
  await subject.run();
}
console.log(coverage.check(await raw("GET", "/_openapi.json"), EXCEPTIONS, WITHOUT_METHOD));
console.log("all samples passed");

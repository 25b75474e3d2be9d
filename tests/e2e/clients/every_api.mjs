// Every API of the server, by the method that the official JavaScript client has for it.
//
// Reads LEADER and FOLLOWER (URLs), LEADER_TRANSPORT (host and port) and CLIENT_MODULES (a node_modules folder) from the environment; ends with a
// failure at the first answer that is not as documented, and at the end when a supported operation of `GET /_openapi.json` was not reached.

import * as cat from "./apis/cat.mjs";
import * as ccr from "./apis/ccr.mjs";
import * as cluster from "./apis/cluster.mjs";
import * as dataStreams from "./apis/data_streams.mjs";
import * as documents from "./apis/documents.mjs";
import * as indices from "./apis/indices.mjs";
import * as metadata from "./apis/metadata.mjs";
import * as refused from "./apis/refused.mjs";
import * as search from "./apis/search.mjs";
import * as tasks from "./apis/tasks.mjs";
import * as templates from "./apis/templates.mjs";
import { coverage, raw } from "./apis/suite.mjs";

const SUBJECTS = [documents, search, tasks, indices, metadata, templates, dataStreams, cluster, cat, ccr, refused];

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

for (const subject of SUBJECTS) {
  await subject.run();
}
console.log(coverage.check(await raw("GET", "/_openapi.json"), EXCEPTIONS, WITHOUT_METHOD));
console.log("all samples passed");

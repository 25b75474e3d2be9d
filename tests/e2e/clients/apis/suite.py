"""What the scripts on every API share: a client of each cluster whose requests are recorded, and checks."""

import os
import warnings

from apis.coverage import Coverage
from checks import expect
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.exceptions import GeneralAvailabilityWarning

# The client warns of APIs that are in preview.
warnings.simplefilter("ignore", GeneralAvailabilityWarning)
JSON = {"accept": "application/json", "content-type": "application/json"}
NDJSON = {"accept": "application/json", "content-type": "application/x-ndjson"}
ACKNOWLEDGED = {"acknowledged": True}

coverage = Coverage()
client = Elasticsearch(os.environ["LEADER"], node_class=coverage.node_class())
follower = Elasticsearch(os.environ["FOLLOWER"], node_class=coverage.node_class())


def raw(method, path, body=None, of=client, **params):
    """The answer to a request that no method of the client sends: another verb, or an API of this server only."""
    headers = NDJSON if isinstance(body, list) else JSON
    coverage.raw = True
    try:
        answer = of.perform_request(method, path, params=params or None, headers=headers, body=body)
    finally:
        coverage.raw = False
    return answer.body


def expect_error(status, error_type, call):
    try:
        answer = call()
    except ApiError as error:
        expect((error.status_code, error.error), (status, error_type), "status and type of the error")
        return error
    raise SystemExit(f"{error_type} was expected, got {answer}")


def ids(answer):
    """The ids of hits, in order of the ids."""
    return sorted(hit["_id"] for hit in answer["hits"]["hits"])

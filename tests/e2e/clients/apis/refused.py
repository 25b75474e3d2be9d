"""What is not offered is refused by a kind of its own, and what is not known by name."""

from apis.suite import client, expect_error, raw
from checks import expect

INDEX = "every-refused"


def run():
    client.indices.create(index=INDEX, settings={"number_of_replicas": 0})
    client.index(index=INDEX, id="1", document={"text": "a text"}, refresh=True)
    source = '{"query":{"match_all":{}}}'
    not_offered = (
        lambda: client.search_template(source=source),
        lambda: client.search_template(index=INDEX, source=source),
        lambda: client.msearch_template(search_templates=[{}, {"source": source}]),
        lambda: client.render_search_template(source=source),
        lambda: client.rank_eval(index=INDEX, requests=[]),
        lambda: client.termvectors(index=INDEX, id="1"),
        lambda: client.mtermvectors(index=INDEX, ids=["1"]),
        lambda: client.explain(index=INDEX, id="1", query={"match_all": {}}),
        lambda: client.terms_enum(index=INDEX, field="text"),
        lambda: client.indices.migrate_to_data_stream(name="every-alias"),
        lambda: client.indices.modify_data_stream(actions=[]),
        lambda: client.search(index=INDEX, query={"match_all": {}}, profile=True),
    )
    for call in not_offered:
        error = expect_error(400, "unsupported_operation_exception", call)
        expect(len(error.body["error"]["reason"]) > 20, True, "a reason")
    # A path that there is not.
    repository = {"type": "fs", "settings": {"location": "none"}}
    expect_error(
        400,
        "no handler found for uri [/_snapshot/every-backup] and method [PUT]",
        lambda: client.snapshot.create_repository(name="every-backup", repository=repository),
    )
    # An API that there is not is no index that there is not.
    error = expect_error(400, "invalid_index_name_exception", lambda: client.license.get())
    expect(error.body["error"]["reason"], "Invalid index name [_license], must not start with '_'.", "reason")
    # What is not known is refused by its name, and never passed over.
    not_known = (
        (lambda: raw("GET", "/_search", nonsense="1"), "illegal_argument_exception", "nonsense"),
        (lambda: raw("POST", f"/{INDEX}/_doc", {}, oddity="1"), "illegal_argument_exception", "oddity"),
        (lambda: client.index(index=INDEX, document={}, refresh="sometimes"), "illegal_argument_exception", "sometimes"),
        (lambda: client.search(index=INDEX, body={"querry": {}}), "parsing_exception", "querry"),
        (lambda: client.search(index=INDEX, query={"matches": {}}), "parsing_exception", "matches"),
        (lambda: client.indices.put_settings(index=INDEX, settings={"index.odd": 1}), "illegal_argument_exception", "index.odd"),
    )
    for call, error_type, name in not_known:
        error = expect_error(400, error_type, call)
        expect(f"[{name}]" in error.body["error"]["reason"], True, f"[{name}] in the reason")
    client.indices.delete(index=INDEX)

"""Templates of indices and of their parts, and what a new index would begin with."""

from apis.suite import ACKNOWLEDGED, client, expect_error, raw
from checks import expect

PART = "every-part"
NAME = "every-template"


def run():
    parts()
    index_templates()
    what_would_be()
    old_kind()
    expect(client.indices.delete_index_template(name=f"{NAME}*", timeout="30s", master_timeout="30s").body, ACKNOWLEDGED, "delete_index_template")
    expect(client.cluster.delete_component_template(name=PART, timeout="30s", master_timeout="30s").body, ACKNOWLEDGED, "delete_component_template")
    expect(client.indices.exists_index_template(name=NAME).body, False, "an index template that was deleted")


def parts():
    template = {"settings": {"index.number_of_shards": 3}}
    answer = client.cluster.put_component_template(name=PART, template=template, version=4, meta={"of": "tests"}, create=True, master_timeout="30s")
    expect(answer.body, ACKNOWLEDGED, "put_component_template")
    expect_error(400, "illegal_argument_exception", lambda: client.cluster.put_component_template(name=PART, template=template, create=True))
    expect(raw("POST", f"/_component_template/{PART}", {"template": template, "version": 5}), ACKNOWLEDGED, "put_component_template")
    for given in ({}, {"name": "every-p*", "flat_settings": True, "local": True}):
        (part,) = client.cluster.get_component_template(**given)["component_templates"]
        expect((part["name"], part["component_template"]["version"]), (PART, 5), "get_component_template")
    settings = part["component_template"]["template"]["settings"]
    expect(settings, {"index.number_of_shards": "3"}, "settings of a component template")
    expect(client.cluster.exists_component_template(name=PART, master_timeout="30s").body, True, "exists_component_template")
    expect(client.cluster.exists_component_template(name="every-none").body, False, "exists_component_template")


def index_templates():
    answer = client.indices.put_index_template(
        name=NAME,
        index_patterns=["every-made-*"],
        composed_of=[PART],
        priority=500,
        version=1,
        template={"mappings": {"properties": {"n": {"type": "byte"}}}, "aliases": {"every-made": {}}},
        meta={"of": "tests"},
        create=True,
        cause="a test",
        master_timeout="30s",
    )
    expect(answer.body, ACKNOWLEDGED, "put_index_template")
    other = {"index_patterns": ["every-made-*"], "priority": 1}
    expect(raw("POST", f"/_index_template/{NAME}-other", other), ACKNOWLEDGED, "put_index_template with POST")
    expect({one["name"] for one in client.indices.get_index_template()["index_templates"]}, {NAME, f"{NAME}-other"}, "get_index_template")
    (one,) = client.indices.get_index_template(name=NAME, flat_settings=True, local=True)["index_templates"]
    expect((one["index_template"]["composed_of"], one["index_template"]["priority"]), ([PART], 500), "get_index_template by name")
    expect(client.indices.exists_index_template(name=NAME, local=True).body, True, "exists_index_template")


def what_would_be():
    of_index = client.indices.simulate_index_template(name="every-made-1", include_defaults=False, master_timeout="30s")
    of_name = client.indices.simulate_template(name=NAME)
    of_body = client.indices.simulate_template(index_patterns=["every-new-*"], composed_of=[PART], priority=900)
    shards = [answer["template"]["settings"]["index"]["number_of_shards"] for answer in (of_index, of_name, of_body)]
    expect(shards, ["3", "3", "3"], "shards in what was simulated")
    expect(of_index["template"]["mappings"]["properties"], {"n": {"type": "byte"}}, "simulate_index_template")
    expect([template["name"] for template in of_index["overlapping"]], [f"{NAME}-other"], "overlapping templates")
    client.indices.create(index="every-made-1", settings={"number_of_replicas": 0})
    made = client.indices.get(index="every-made")["every-made-1"]
    expect((made["settings"]["index"]["number_of_shards"], made["mappings"]["properties"]), ("3", {"n": {"type": "byte"}}), "an index of a template")
    client.indices.delete(index="every-made-1")


def old_kind():
    """Templates as they were before index templates."""
    old = "every-old"
    given = {"index_patterns": ["every-old-*"], "order": 3, "version": 7}
    made = client.indices.put_template(name=old, settings={"index.number_of_shards": 2}, aliases={"every-olds": {}}, master_timeout="30s", **given)
    expect(made.body, ACKNOWLEDGED, "put_template")
    expect_error(400, "illegal_argument_exception", lambda: client.indices.put_template(name=old, create=True, **given))
    expect(raw("POST", f"/_template/{old}-2", {"index_patterns": ["every-older-*"]}), ACKNOWLEDGED, "put_template with POST")
    expect(sorted(client.indices.get_template(local=True)), [old, f"{old}-2"], "get_template")
    found = client.indices.get_template(name=old, flat_settings=True)[old]
    expect([found["order"], found["version"], found["settings"]], [3, 7, {"index.number_of_shards": "2"}], "get_template by name")
    expect(client.indices.exists_template(name=old, local=True).body, True, "exists_template")
    expect(client.indices.exists_template(name="every-none").body, False, "exists_template")
    client.indices.create(index="every-old-1", settings={"number_of_replicas": 0})
    made = client.indices.get(index="every-olds")["every-old-1"]
    expect(made["settings"]["index"]["number_of_shards"], "2", "an index of a template of the old kind")
    client.indices.delete(index="every-old-1")
    expect(client.indices.delete_template(name=f"{old}*", master_timeout="30s").body, ACKNOWLEDGED, "delete_template")
    expect_error(404, "index_template_missing_exception", lambda: client.indices.delete_template(name=old))

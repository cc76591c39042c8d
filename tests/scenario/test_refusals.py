"""Every field of every route refuses what it is not: a 400 that names it, and no job was made."""

import json
from urllib.parse import quote

import pytest

from fixtures.borg import Setup
from fixtures.routes import described, fill, operations

# What makes a path whole; each of it is of the right shape.
PATH = {"label": "one", "id": "create:1", "job_id": "create:1", "archive": "a"}
BYTES = r"^[^\x00]*$"  # a name as a file system has it
PIECE = 400  # bytes of a long text in a query, whose target is bounded as a whole


def wrong_values(schema):
    """Values that the schema does not take, as JSON."""
    kind = schema.get("type")
    if "oneOf" in schema:  # text or an array of texts
        return [7, {}, "", [], [1], [""], "x" * (schema["oneOf"][0]["maxLength"] + 1)]
    if kind == "boolean":
        return ["yes", 1, "true"]
    if kind == "integer":
        beyond = [schema["maximum"] + 1] if "maximum" in schema else []
        return ["x", 1.5, schema["minimum"] - 1, *beyond]
    if kind == "number":
        return ["x", "1", True, schema["minimum"] / 2, schema["maximum"] + 0.5]
    if kind == "array" and schema["items"]["type"] == "integer":
        return [1, [], ["1"], [1.5], [schema["items"]["maximum"] + 1]]
    if kind == "array":
        return ["text", [], [1], [""]]
    if kind == "object":
        return ["text", []]
    if "enum" in schema:
        return ["none-of-them", 1]
    values = [7, ["x"], {}]
    if schema.get("pattern") == BYTES:
        return [*values, "x" * (schema["maxLength"] + 1)]
    if "pattern" in schema:
        values += ["../x", "", "a b"]
    else:
        values += ["x" * (schema["maxLength"] + 1), "a\u0001b"]
        values += [""] if schema.get("minLength") else []
    return values


def wrong_texts(schema):
    """The same for what stands in an address, where all is text."""
    values = [v if isinstance(v, str) else json.dumps(v) for v in wrong_values(schema)
              if not isinstance(v, (list, dict))]
    if schema.get("type") == "boolean":
        return ["yes", "2"]
    if schema.get("type") in (None, "string") and "enum" not in schema:
        values = [v for v in values if not v.isdigit()]
    return [v for v in values if len(v) <= PIECE]


def cases():
    """(method, path pattern, field, where, wrong value, the other fields that are required)."""
    for path, item in described().items():
        for method, one in item.items():
            for p in one.get("parameters", []):
                if p["in"] == "query":
                    for value in wrong_texts(p["schema"]):
                        yield method.upper(), path, p["name"], "query", value
            content = one.get("requestBody", {}).get("content", {})
            for schema in (c["schema"] for c in content.values()):
                for name, field in schema["properties"].items():
                    for value in wrong_values(field):
                        yield method.upper(), path, name, "body", value
                for name in schema.get("required", []):
                    yield method.upper(), path, name, "missing", None


def refuse(daemon, method, path, name, where, value):
    target = fill(path, PATH)
    body = {} if method in ("POST", "PUT") else None
    if where == "query":
        target += f"?{name}={quote(value, safe='')}"
    elif where == "body":
        body = {name: value}
    reply = daemon.write.request(method, target, body)
    assert reply.status == 400, (method, target, name, value, reply)
    assert reply.json["ok"] is False and reply.json["error"] in ("bad_request", "invalid_secrets")
    fields = {e["field"] for e in reply.json["errors"]}
    assert name in fields, (method, target, name, value, reply.json)
    assert all(e["message"] for e in reply.json["errors"])


@pytest.mark.seconds(120)
def test_each_field_of_each_route_refuses_what_it_is_not(shared):
    Setup(shared, "one")
    before = shared.read.get("/jobs?limit=500").json["jobs"]
    count = 0
    with shared.write:
        for case in cases():
            refuse(shared, *case)
            count += 1
    assert count > 100
    assert shared.read.get("/jobs?limit=500").json["jobs"] == before
    assert "internal_error" not in shared.log()


def test_every_route_wants_a_token_and_the_right_one(shared):
    for method, pattern, who in operations().values():
        target = fill(pattern, PATH)
        body = {} if method in ("POST", "PUT") else None
        reply = shared.anyone.request(method, target, body)
        if who == "anyone":
            assert reply.status == 200, (method, target, reply)
            continue
        assert reply.status == 401 and reply.headers["WWW-Authenticate"], (method, target, reply)
        if who == "write":
            reply = shared.read.request(method, target, body)
            assert reply.status == 403, (method, target, reply)
            assert reply.json["error"] == "insufficient_role", (method, target, reply)


@pytest.mark.parametrize("name", [".bad", "a%2Fb", "..", "%00", "a%0A", "x" * 65, "%ff"])
def test_no_route_takes_a_label_that_is_none(shared, name):
    for path, item in described().items():
        if "{label}" not in path or "{archive}" in path:
            continue
        for method in item:
            target = fill(path, {**PATH, "label": name})
            body = {} if method in ("post", "put") else None
            reply = shared.write.request(method.upper(), target, body)
            assert reply.status in (400, 404), (method, target, reply)

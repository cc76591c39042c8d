"""Who may do what: tokens, the header, tickets, and guessing."""

import json
from urllib.parse import urlsplit

import pytest

from fixtures.borg import Setup
from fixtures.client import Client
from fixtures.harness import HEADER, MEMORY, Daemon
from fixtures.sse import Stream

READS = ["/", "/health", "/status", "/ready", "/metrics", "/jobs", "/jobs/create:1",
         "/jobs/create:1/log", "/events/stream", "/events/poll/create:1"]
WRITES = [("POST", "/create-backup"), ("POST", "/create-backup/dry-run"),
          ("DELETE", "/jobs/create:1")]


def without(daemon, **headers):
    """A client with just these headers."""
    client = Client(daemon.port)
    client.headers = {k.replace("_", "-"): v for k, v in headers.items()}
    return client


def bearer(token):
    return f"Bearer {token}"


@pytest.mark.parametrize("path", READS[1:])
def test_reading_without_a_token_is_401(shared, path):
    if path == "/metrics":
        path += "?format=prometheus"
    reply = shared.anyone.get(path)
    assert reply.status == 401 and reply.json["error"] == "unauthorized"
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert "error=" not in reply.headers["WWW-Authenticate"]


def test_the_root_tells_a_stranger_only_that_it_lives(shared):
    assert set(shared.anyone.get("/").json) == {"ok", "message"}
    assert "uptime" in shared.read.get("/").json


def test_the_public_health_needs_no_token_and_tells_no_details(shared):
    reply = shared.anyone.get("/health/public")
    assert reply.status == 200 and set(reply.json) <= {"ok", "status"}


@pytest.mark.parametrize("method,path", WRITES)
def test_writing_needs_the_write_token(shared, method, path):
    body = {"repository": "none-such"} if method == "POST" else None
    assert shared.anyone.request(method, path, body).status == 401
    refused = shared.read.request(method, path, body)
    assert refused.status == 403 and refused.json["error"] == "insufficient_role"
    assert shared.write.request(method, path, body).status == 404


def test_a_wrong_token_is_401_with_the_reason_of_rfc_6750(shared):
    reply = without(shared, Authorization=bearer("x" * 32), X_From_NodeRed=HEADER).get("/status")
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


def test_variants_of_a_right_token_are_wrong(shared):
    token = shared.token
    for value in (token, f"Basic {token}", f"Bearer {token}x", f"Bearer {token[:-1]}",
                  f"Bearer {token.upper()}", "Bearer ", f"Bearer {token} {token}",
                  f"Bearer {token}, Bearer {token}"):
        with Daemonless(shared, value) as client:
            assert client.get("/status").status == 401, value


class Daemonless:
    """A client from an address of its own, so that failures are not counted against others."""

    count = 10

    def __init__(self, daemon, authorization):
        Daemonless.count += 1
        self.client = Client(daemon.port, header=HEADER, source=f"127.0.1.{Daemonless.count}")
        self.client.headers["Authorization"] = authorization

    def __enter__(self):
        return self.client

    def __exit__(self, *_):
        pass


def test_the_header_is_required_beside_the_token_but_for_metrics(shared):
    for header in (None, "something else", HEADER + "x", ""):
        client = without(shared, Authorization=bearer(shared.read_token))
        if header is not None:
            client.headers["X-From-NodeRed"] = header
        assert client.get("/status").status == 401, header
        assert client.get("/metrics").status == 200, header


def test_the_progress_token_reads_and_does_not_write(shared):
    client = without(shared, X_Progress_Token=shared.read_token, X_From_NodeRed=HEADER)
    assert client.get("/status").status == 200
    assert client.get("/jobs").status == 200
    assert client.post("/create-backup", {"repository": "x"}).status in (401, 403)
    admin = without(shared, X_Progress_Token=shared.token, X_From_NodeRed=HEADER)
    assert admin.post("/create-backup", {"repository": "x"}).status in (401, 403)


def test_guessing_is_slowed_by_address_and_a_right_token_always_passes(folder):
    with Daemon(folder / "d", RATE_LIMIT_SCALE="1") as d:
        guesser = Client(d.port, "0" * 32, HEADER, source="127.0.0.9")
        seen = [guesser.get("/status").status for _ in range(15)]
        assert seen == [401] * 10 + [429] * 5
        last = guesser.get("/status")
        assert last.json["error"] == "rate_limited" and int(last.headers["Retry-After"]) > 0
        right = Client(d.port, d.read_token, HEADER, source="127.0.0.9")
        assert right.get("/status").status == 200
        other = Client(d.port, "0" * 32, HEADER, source="127.0.0.10")
        assert other.get("/status").status == 401


def test_many_guessing_addresses_cost_a_bounded_amount(folder):
    with Daemon(folder / "d") as d:
        before = d.status_kib("VmRSS")
        for n in range(3000):
            source = f"127.1.{n // 250}.{n % 250 + 1}"
            assert Client(d.port, "0" * 32, HEADER, source).get("/status").status == 401
        assert d.status_kib("VmRSS") - before < 1024 * MEMORY
        assert d.read.get("/status").status == 200


@pytest.fixture(scope="module")
def ticketed(shared):
    Setup(shared, "ticketed")
    answer = shared.backup("ticketed")
    shared.wait_job(answer["job_id"])
    other = shared.run_backup("ticketed")
    return answer, other["id"]


def ask(daemon, target, **headers):
    return Stream(daemon.port, target, headers)


def target_of(url):
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_a_ticket_opens_its_jobs_stream_from_any_origin_without_a_header(shared, ticketed):
    answer, _ = ticketed
    assert urlsplit(answer["sse"]).netloc == f"127.0.0.1:{shared.port}"
    with ask(shared, target_of(answer["sse"]), Origin="http://elsewhere.example") as stream:
        assert stream.status == 200
        assert stream.headers["access-control-allow-origin"] == "*"
        kinds = {e.kind for e in stream.events(20)}
    assert "status" in kinds and "stage" in kinds


def test_a_ticket_is_for_its_job_and_for_reading_alone(shared, ticketed):
    answer, other = ticketed
    ticket = answer["sse"].partition("ticket=")[2]
    for target in (f"/events/stream?job_id={other}&ticket={ticket}",
                   f"/events/stream?ticket={ticket}",
                   f"/events/stream?job_id={answer['job_id']}&ticket={ticket[:-2]}AA",
                   f"/events/stream?job_id={answer['job_id']}&ticket=",
                   f"/jobs/{answer['job_id']}?ticket={ticket}",
                   f"/jobs?ticket={ticket}", f"/status?ticket={ticket}"):
        with ask(shared, target) as stream:
            assert stream.status == 401, target
            assert "access-control-allow-origin" not in stream.headers
    reply = shared.anyone.delete(f"/jobs/{answer['job_id']}?ticket={ticket}")
    assert reply.status == 401


def test_an_ordinary_answer_allows_no_other_origin(shared):
    reply = shared.read.get("/status", Origin="http://elsewhere.example")
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_secure_mode_takes_its_three_roles(folder):
    tokens = {"API_ADMIN_TOKEN": "a" * 20 + "admin-role", "API_ACTION_TOKEN": "b" * 20 + "action",
              "API_READ_TOKEN": "c" * 20 + "reader"}
    with Daemon(folder / "d", SECURE_MODE="true", API_TOKEN=None, **tokens) as d:
        def status(token, method, path, body=None):
            return Client(d.port, token, HEADER).request(method, path, body).status

        body = {"repository": "none-such"}
        admin, action, read = tokens.values()
        assert status(admin, "GET", "/status") == status(read, "GET", "/status") == 200
        assert status(admin, "POST", "/create-backup", body) == 404
        assert status(read, "POST", "/create-backup", body) == 403
        assert status(action, "POST", "/create-backup", body) == 403
        assert status("d" * 32, "GET", "/status") == 401


def test_the_refusal_of_a_body_shows_no_part_of_it(shared):
    reply = shared.anyone.post("/create-backup", {"borg_passphrase": "a very secret thing"})
    assert reply.status == 401 and "secret" not in reply.text
    assert json.loads(reply.body)["ok"] is False

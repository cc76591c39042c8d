"""What a connection does between sound requests: keep-alive, pipelining, HEAD, bodies, limits."""

import json
import os
import socket

from fixtures.client import Client, connect, read_all, read_reply, status_of
from fixtures.harness import HEADER, MEMORY, Daemon, wait_for

KIB = 1024


def request(daemon, method=b"GET", path=b"/status", more=b"", version=b"1.1", token=True):
    who = (b"Authorization: Bearer " + daemon.token.encode() + b"\r\nX-From-NodeRed: "
           + HEADER.encode() + b"\r\n") if token else b""
    return method + b" " + path + b" HTTP/" + version + b"\r\nHost: a\r\n" + who + more + b"\r\n"


def test_a_connection_serves_many_requests(shared):
    with connect(shared.port) as sock:
        rest = b""
        for _ in range(200):
            sock.sendall(request(shared))
            reply, rest = read_reply(sock, rest)
            assert reply.status == 200 and reply.json["ok"] is True
            assert reply.headers.get("Connection", "keep-alive").lower() != "close"


def test_pipelined_requests_are_answered_in_order(shared):
    paths = [b"/status", b"/nowhere", b"/jobs?limit=1", b"/health/public", b"/jobs/none:1"] * 40
    with connect(shared.port) as sock:
        sock.sendall(b"".join(request(shared, path=p) for p in paths))
        rest, seen = b"", []
        for _ in paths:
            reply, rest = read_reply(sock, rest)
            seen.append(reply.status)
    assert seen == [200, 404, 200, 200, 404] * 40


def test_pipelined_requests_behind_a_waiting_one_wait(shared):
    with connect(shared.port) as sock:
        sock.sendall(request(shared, path=b"/events/poll/none:1?wait=1") + request(shared))
        first, rest = read_reply(sock)
        second, _ = read_reply(sock, rest)
        assert (first.status, second.status) == (404, 200)


def test_a_client_that_pipelines_without_reading_costs_a_bounded_amount(shared):
    before = shared.status_kib("VmRSS")
    with connect(shared.port) as sock:
        sock.settimeout(0.5)
        piece, sent = request(shared) * 64, 0
        try:
            while sent < 64 * KIB * KIB:
                sent += sock.send(piece)
        except (TimeoutError, ConnectionError):
            pass
        assert shared.status_kib("VmRSS") - before < 4 * KIB * MEMORY
        assert shared.anyone.get("/health/public").status == 200


def test_version_1_0_closes_unless_it_asks_to_stay(shared):
    with connect(shared.port) as sock:
        sock.sendall(request(shared, version=b"1.0"))
        assert status_of(read_all(sock)) == 200
    with connect(shared.port) as sock:
        sock.sendall(request(shared, version=b"1.0", more=b"Connection: keep-alive\r\n"))
        reply, rest = read_reply(sock)
        assert reply.headers["Connection"].lower() == "keep-alive"
        sock.sendall(request(shared, version=b"1.0"))
        assert read_reply(sock, rest)[0].status == 200


def test_connection_close_is_honoured(shared):
    with connect(shared.port) as sock:
        sock.sendall(request(shared, more=b"Connection: close\r\n") + request(shared))
        got = read_all(sock)
        assert got.count(b"HTTP/1.1 200") == 1 and b"connection: close" in got.lower()


def test_half_a_close_after_the_request_still_gets_its_answer(shared):
    with connect(shared.port) as sock:
        sock.sendall(request(shared))
        sock.shutdown(socket.SHUT_WR)
        assert status_of(read_all(sock)) == 200


def test_head_answers_as_get_without_a_body(shared):
    for path in (b"/status", b"/nowhere", b"/jobs", b"/health/public"):
        with connect(shared.port) as sock:
            sock.sendall(request(shared, b"HEAD", path) + request(shared))
            head, rest = read_reply(sock, head=True)
            assert head.status == (404 if path == b"/nowhere" else 200)
            assert int(head.headers["Content-Length"]) > 0
            reply, rest = read_reply(sock, rest)
            assert reply.status == 200 and rest == b""


def test_options_names_the_methods_without_a_token(shared):
    for path, methods in ((b"/jobs/create:1", {"GET", "HEAD", "DELETE", "OPTIONS"}),
                          (b"/create-backup", {"POST", "OPTIONS"})):
        with connect(shared.port) as sock:
            sock.sendall(request(shared, b"OPTIONS", path, token=False))
            reply, _ = read_reply(sock)
            assert reply.status in (200, 204)
            assert set(reply.headers["Allow"].replace(" ", "").split(",")) == methods
    with connect(shared.port) as sock:
        sock.sendall(request(shared, b"OPTIONS", b"*", token=False))
        assert read_reply(sock)[0].status in (200, 204)


def test_an_unknown_path_is_404_and_a_wrong_method_405_with_allow_both_json(shared):
    reply = shared.write.get("/no/such/path")
    assert reply.status == 404 and reply.json["error"] == "not_found"
    reply = shared.write.request("PUT", "/create-backup", {})
    assert reply.status == 405 and reply.json["error"] == "method_not_allowed"
    assert "POST" in reply.headers["Allow"]
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"


def test_every_answer_carries_its_headers_and_a_request_id(shared):
    for reply in (shared.write.get("/status"), shared.write.get("/nowhere"),
                  shared.anyone.get("/status")):
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert len(reply.headers.get_all("X-Request-Id")) == 1
        if reply.status != 200:
            assert reply.json["request_id"] == reply.headers["X-Request-Id"]
    mine = shared.write.get("/status", **{"X-Request-Id": "my-own.id_1"})
    assert mine.headers["X-Request-Id"] == "my-own.id_1"
    theirs = shared.write.get("/status", **{"X-Request-Id": "bad id" * 20})
    assert theirs.headers["X-Request-Id"] != "bad id" * 20


def test_a_body_past_the_limit_is_413_and_the_answer_is_seen(shared):
    reply = shared.write.post("/create-backup", b'{"repository":"' + b"a" * 300_000 + b'"}')
    assert reply.status == 413 and reply.json["error"] == "body_too_large"
    with connect(shared.port) as sock:  # chunked: known only as it comes
        sock.sendall(request(shared, b"POST", b"/create-backup",
                             b"Transfer-Encoding: chunked\r\n"))
        piece = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        try:
            for _ in range(64):
                sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert status_of(read_all(sock)) == 413


def test_bodies_are_json_objects_under_the_types_that_curl_sends(shared):
    def ask(body, kind):
        return shared.write.post("/create-backup", body, {"Content-Type": kind})

    unknown = json.dumps({"repository": "no-such-config"})
    for kind in (None, "application/json", "application/json; charset=utf-8", "text/plain",
                 "application/x-www-form-urlencoded"):
        assert ask(unknown, kind).status == 404, kind
    for kind in ("multipart/form-data; boundary=x", "application/xml", "image/png"):
        reply = ask(unknown, kind)
        assert reply.status == 415 and reply.json["error"] == "unsupported_media_type", kind
    for broken in ("{", "[]", '"text"', "1", "null", '{"a":1}x', '{"a":1,"a":2}', "repository=one",
                   '{"a":"\xff"}'.encode("latin-1"), "[" * 50 + "]" * 50):
        reply = ask(broken, "application/json")
        assert reply.status == 400 and reply.json["error"] == "invalid_json", broken
    empty = ask("", "application/json")
    assert empty.status == 400 and empty.json["errors"][0]["field"] == "repository"


def test_100_continue_comes_only_when_the_head_was_accepted(shared):
    expect = b"Expect: 100-continue\r\nContent-Length: 2\r\n"
    with connect(shared.port) as sock:
        sock.sendall(request(shared, b"POST", b"/create-backup", expect))
        reply, rest = read_reply(sock)
        assert reply.status == 100
        sock.sendall(b"{}")
        assert read_reply(sock, rest)[0].status == 400
    with connect(shared.port) as sock:  # no token: the body is not asked for
        sock.sendall(request(shared, b"POST", b"/create-backup", expect, token=False))
        assert read_reply(sock)[0].status == 401
    with connect(shared.port) as sock:
        sock.sendall(request(shared, b"POST", b"/create-backup",
                             b"Expect: 100-continue\r\nContent-Length: 99999999\r\n"))
        assert read_reply(sock)[0].status == 413
    with connect(shared.port) as sock:
        sock.sendall(request(shared, b"POST", b"/create-backup",
                             b"Expect: a-miracle\r\nContent-Length: 2\r\n"))
        assert read_reply(sock)[0].status == 417


def test_a_chunked_body_is_read(shared):
    with connect(shared.port) as sock:
        sock.sendall(request(shared, b"POST", b"/create-backup", b"Transfer-Encoding: chunked\r\n")
                     + b'10\r\n{"repository": "\r\n0C\r\nnone-such"} \r\n0\r\n\r\n'
                     + request(shared))
        first, rest = read_reply(sock)
        assert first.status == 404, first
        assert read_reply(sock, rest)[0].status == 200


def test_the_unix_socket_serves_the_same(folder):
    with Daemon(folder / "d", API_SOCKET=folder / "s") as d:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(folder / "s"))
            sock.sendall(request(d))
            assert read_reply(sock)[0].status == 200
        d.kill()
        d.start()  # a socket nobody listens on is no obstacle
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(folder / "s"))
            sock.sendall(request(d))
            assert read_reply(sock)[0].status == 200


def test_clients_that_vanish_while_waiting_leave_nothing_behind(shared):
    def descriptors():
        return len(os.listdir(f"/proc/{shared.pid}/fd"))

    Client(shared.port).get("/health/public")
    before = descriptors()
    for _ in range(50):
        sock = connect(shared.port)
        sock.sendall(request(shared, path=b"/events/stream"))
        sock.recv(1)
        sock.close()
    wait_for(lambda: descriptors() <= before, 10, "the connections are gone")

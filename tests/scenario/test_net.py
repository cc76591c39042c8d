"""Whether a host can be reached: only those that a configuration or the operator names."""

import socket
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.harness import HEADER, SCALE, Daemon, free_port, wait_for


@pytest.fixture(scope="module")
def net(module_folder):
    allowed = "localhost, 127.0.0.2:7, no.such.host.invalid,[::1]:9,203.0.113.1"
    with Daemon(module_folder / "d", PROBE_ALLOW=allowed) as one:
        borg.write_config(one.configs / "far.yaml", ["/etc"],
                          ["ssh://user@127.0.0.3:2222/./repo", "/nowhere"])
        yield one


@pytest.fixture
def listener():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        yield s.getsockname()[1]


def ask(daemon, host, port, query=""):
    return daemon.read.get(f"/net/tcp-check?host={host}&port={port}{query}")


def test_a_host_that_listens_and_one_that_does_not(net, listener):
    reply = ask(net, "LocalHost", listener)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["reachable"] is True and reply.json["error"] is None
    assert 0 <= reply.json["latency_ms"] < 1000 and reply.json["address"] in ("127.0.0.1", "::1")
    reply = ask(net, "localhost", free_port())
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["reachable"] is False and reply.json["error"] == "connection_refused"
    assert reply.json["latency_ms"] is None
    reply = ask(net, "no.such.host.invalid", 22, "&timeout=3")
    assert reply.status == 200 and reply.json["error"] == "name_unresolved", reply


def test_a_host_of_a_configuration(net):
    reply = ask(net, "127.0.0.3", free_port())
    assert reply.status == 200 and reply.json["error"] == "connection_refused", reply


@pytest.mark.parametrize("host,port", [
    ("127.0.0.1", 22), ("127.0.0.2", 22), ("::1", 22), ("localhos", 22), ("localhost.evil", 22),
    ("user", 22),
])
def test_any_other_host_is_refused(net, host, port):
    reply = ask(net, host, port)
    assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply


def test_a_host_with_its_port(net):
    assert ask(net, "127.0.0.2", 7).json["reachable"] is False
    assert ask(net, "::1", 9).json["reachable"] is False


@pytest.mark.parametrize("field,query", [
    ("host", "port=1"), ("host", "host=&port=1"), ("host", "host=a/b&port=1"),
    ("host", "host=-oProxy&port=1"), ("host", "host=" + "a" * 254 + "&port=1"),
    ("port", "host=localhost"), ("port", "host=localhost&port=0"),
    ("port", "host=localhost&port=65536"), ("port", "host=localhost&port=x"),
    ("timeout", "host=localhost&port=1&timeout=0"),
    ("timeout", "host=localhost&port=1&timeout=31"),
])
def test_refusals(net, field, query):
    reply = net.read.get(f"/net/tcp-check?{query}")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply


@pytest.fixture
def silent():
    """A listener whose queue is full: connections to it wait."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(s.getsockname())
            waiting.append(one)
        yield s.getsockname()[1]
        for one in waiting:
            one.close()


def trying(port):
    """Connections to it that wait for an answer."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "02"
               for line in lines)


@contextmanager
def asking(daemon, port):
    before = trying(port)
    with socket.create_connection(("127.0.0.1", daemon.port), 20) as s:
        s.sendall((f"GET /net/tcp-check?host=localhost&port={port}&timeout=30 HTTP/1.1\r\n"
                   f"Host: x\r\nAuthorization: Bearer {daemon.read_token}\r\n"
                   f"X-From-NodeRed: {HEADER}\r\n\r\n").encode())
        wait_for(lambda: trying(port) > before, what="it tries")
        yield s
    wait_for(lambda: trying(port) <= before, 5, "it gave up")


def test_no_answer_ends_in_time(net, silent):
    begun = time.monotonic()
    reply = ask(net, "localhost", silent, "&timeout=1")
    assert 0.9 < time.monotonic() - begun < 3 * SCALE
    assert reply.status == 200 and reply.json["reachable"] is False, reply
    assert reply.json["error"] == "connect_timeout"


def test_a_client_that_leaves_ends_it(net, silent):
    with asking(net, silent):
        pass


def test_going_down_does_not_wait_for_it(folder, silent):
    with Daemon(folder / "d", PROBE_ALLOW="localhost") as one:
        with asking(one, silent) as s:
            begun = time.monotonic()
            assert one.stop() == 0
            assert time.monotonic() - begun < 5 * SCALE
            assert s.recv(4096).startswith(b"HTTP/1.1 503")

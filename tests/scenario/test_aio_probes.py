"""Whether AIO and Nextcloud are there: AIO's health script, ports, and Nextcloud's own word. Whoever
may ask does not get further than that."""

import base64
import http.server
import json
import os
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from fixtures.aio.installation import MASTER
from fixtures.harness import SANITIZED, Daemon, free_port

USER, PASSWORD = "admin-of-this-test", "app-Password-of-this-test"
INFO = {"ocs": {"meta": {"status": "ok", "statuscode": 200}, "data": {"nextcloud": {"x": "ü"}}}}


class Nextcloud(http.server.BaseHTTPRequestHandler):
    """Answers as the server's `mode` says and notes what it is asked."""

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        mode = self.server.mode
        status = mode if isinstance(mode, int) else 200
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if mode == "login" and self.headers.get("Authorization") != wanted:
            status = 401
        body = json.dumps(INFO, ensure_ascii=False).encode()
        if mode in ("text", "list", "binary"):
            body = {"text": b"<html>", "list": b"[]", "binary": b'{"a":"\xff\xfe"}'}[mode]
        if mode == "deep":
            body = b'{"a":' * 100 + b"1" + b"}" * 100
        self.send_response(status)
        if status in (301, 302, 307, 308):
            self.send_header("Location", self.server.elsewhere)
        self.send_header("Content-Type", "application/json")
        if mode != "huge":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.say(mode, body)
        except OSError:
            self.server.cut.set()

    def say(self, mode, body):
        if mode == "huge":
            while True:
                self.wfile.write(b" " * 65536)
        for one in body if mode == "slow" else b"":
            self.wfile.write(bytes([one]))
            time.sleep(0.5)
        if mode == "silent":
            self.server.cut.wait(60)
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def served(address="127.0.0.1", mode="login", elsewhere=""):
    server = http.server.ThreadingHTTPServer((address, 0), Nextcloud)
    server.daemon_threads = True
    server.mode, server.elsewhere = mode, elsewhere
    server.asked, server.cut = [], threading.Event()
    server.url = f"http://{address}:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.cut.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def probing(module_folder):
    config = module_folder / "configuration.json"
    config.write_text(json.dumps({"domain": "localhost.of.this.test", "password": "5ecret-of-AIO"},
                                 indent=4))
    with Daemon(module_folder / "d", AIO_HOSTS="192.0.2.7, no.such.host.invalid,127-0-0-9.lan",
                AIO_CONFIG_FILE=str(config), AIO_MASTER=None,
                DOCKER_HOST=f"unix://{module_folder}/no-such-socket") as one:
        yield one


def ask(daemon, url, **more):
    return daemon.write.post("/nextcloud/serverinfo",
                             {"base_url": url, "user": USER, "app_password": PASSWORD, **more})


# ---- serverinfo ----

def test_nextclouds_word_is_handed_on(probing):
    with served() as nextcloud:
        reply = ask(probing, nextcloud.url)
        assert reply.status == 200 and reply.json["response"] == INFO, reply
        path, headers = nextcloud.asked[0]
        assert path == "/ocs/v2.php/apps/serverinfo/api/v1/info?format=json"
        assert headers["OCS-APIRequest"] == "true"
        assert ask(probing, nextcloud.url + "/next/cloud/").status == 200
        assert nextcloud.asked[1][0].startswith("/next/cloud/ocs/v2.php/")


def test_over_ipv6(probing):
    with socket.socket(socket.AF_INET6) as s:
        try:
            s.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    reply = ask(probing, f"http://[::1]:{free_port()}")
    assert reply.status == 502 and reply.json["error"] == "proxy_error", reply


def test_a_wrong_password_is_the_callers(probing):
    with served() as nextcloud:
        reply = ask(probing, nextcloud.url, app_password="another-one")
        assert reply.status == 422 and reply.json["error"] == "login_refused", reply
        assert reply.json["errors"][0]["field"] == "app_password"
        assert reply.json["upstream_status"] == 401
    with served(mode=403) as nextcloud:
        assert ask(probing, nextcloud.url).json["error"] == "login_refused"


@pytest.mark.parametrize("mode,word", [
    (404, "serverinfo"), (500, "500"), (503, "503"), (204, "204"), ("text", "JSON"),
    ("list", "JSON"), ("binary", "JSON"), ("deep", "JSON"), ("huge", "longer"),
])
def test_an_answer_that_is_none(probing, mode, word):
    with served(mode=mode) as nextcloud:
        reply = ask(probing, nextcloud.url)
        assert reply.status == 502 and reply.json["error"] == "proxy_error", reply
        assert word in reply.json["message"], reply


@pytest.mark.parametrize("mode", ["slow", "silent"])
def test_a_slow_answer_is_not_waited_for(probing, mode):
    with served(mode=mode) as nextcloud:
        begun = time.monotonic()
        reply = ask(probing, nextcloud.url)
        assert reply.status == 502 and reply.json["error"] == "proxy_error", reply
        assert 9 < time.monotonic() - begun < 30


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(probing, status):
    with served() as other, served(mode=status, elsewhere=other.url + "/x") as nextcloud:
        reply = ask(probing, nextcloud.url)
        assert reply.status == 502 and "redirect" in reply.json["message"], reply
        assert len(nextcloud.asked) == 1 and other.asked == []
        nextcloud.elsewhere = "file:///etc/passwd"
        assert ask(probing, nextcloud.url).status == 502


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "file://localhost/etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/",
    "dict://127.0.0.1:6379/x", "unix:///run/docker.sock", "127.0.0.1", "//127.0.0.1", "http://",
    "http://127.0.0.1@{other}", "http://{other}@127.0.0.1", "http://127.0.0.1\\@{other}",
    "http://127.0.0.1#@{other}", "http://127.0.0.1?@{other}", "http://127.0.0.1/?x=",
    "http://127.0.0.1/#", "http://127.0.0.1/../x", "http://127.0.0.1/%2e%2e/x",
    "http://127.0.0.1:0", "http://127.0.0.1:65536", "http://127.0.0.1:x", "http://[::1",
    "http://127.0.0.1/a b", "http://127.0.0.1/\u00fc",
])
def test_an_address_that_is_more_than_it_seems(probing, url):
    with served("127.0.0.9") as other:
        url = url.replace("{other}", other.url.removeprefix("http://"))
        reply = ask(probing, url)
        assert reply.status == 400 and reply.json["errors"][0]["field"] == "base_url", reply
        assert other.asked == []


@pytest.mark.parametrize("host", [
    "169.254.169.254", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "0.0.0.0", "0", "127.1",
    "2130706433", "0x7f000001", "0177.0.0.1", "192.0.2.8", "example.org", "localhost.",
    "127.0.0.1.example.org", "nextcloud-aio-apache.example.org", "no.such.host.invalid.",
    "localhost.of.this.test.evil",
])
def test_any_other_host_is_refused(probing, host):
    reply = ask(probing, f"http://{host}:80")
    assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply
    assert reply.json["errors"][0]["field"] == "base_url"


@pytest.mark.parametrize("host", ["localhost.of.this.test", "LOCALHOST.of.this.test",
                                  "no.such.host.invalid", "nextcloud-aio-apache"])
def test_a_host_that_is_named(probing, host):
    """None of these exists here, but each is asked for."""
    reply = ask(probing, f"https://{host}:{free_port()}")
    assert reply.status == 502 and reply.json["upstream_status"] is None, reply


@pytest.mark.parametrize("field,body", [
    ("user", {"user": ""}), ("user", {"user": "a:b"}), ("user", {"user": None}),
    ("app_password", {"app_password": ""}), ("app_password", {"app_password": 12345678}),
    ("app_password", {"app_password": "a\nInjected: yes"}), ("user", {"user": "a\r\nX: y"}),
    ("base_url", {"base_url": ["http://127.0.0.1"]}), ("base_url", {"base_url": "http://" + "a" * 600}),
])
def test_refusals_of_serverinfo(probing, field, body):
    with served() as nextcloud:
        reply = ask(probing, nextcloud.url, **body)
        assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
        assert nextcloud.asked == []


def test_who_may_only_read_does_not_lend_us_credentials(probing):
    reply = probing.read.post("/nextcloud/serverinfo", {"user": USER, "app_password": PASSWORD})
    assert reply.status == 403 and reply.json["error"] == "insufficient_role", reply


def memory_of(pid, needle):
    """Does the text stand in the process's writable memory?"""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, *rest = line.split()
            if "w" not in rights or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(start)
                if needle in memory.read(end - start):
                    return True
            except OSError:
                continue
    return False


def test_the_credentials_are_gone_with_the_answer(probing, folder):
    password = "wiped-" + os.urandom(12).hex()
    pair = base64.b64encode(f"{USER}:{password}".encode())
    with served(mode=200) as nextcloud:
        reply = ask(probing, nextcloud.url, app_password=password)
        assert reply.status == 200, reply
        assert nextcloud.asked[0][1]["Authorization"] == f"Basic {pair.decode()}"
    if not SANITIZED:  # whose shadow memory is larger than ours
        assert memory_of(probing.pid, probing.read_token.encode())  # it would be found
        assert not memory_of(probing.pid, password.encode())
        assert not memory_of(probing.pid, pair[20:-4])
    for path in probing.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            assert password.encode() not in text and pair not in text, path
            assert USER.encode() not in text, path


# ---- ports ----

def probe(daemon, **body):
    return daemon.read.post("/nextcloud/ports/probe", body)


def test_ports_are_told_apart(probing):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port, closed = s.getsockname()[1], free_port()
        reply = probe(probing, host="127.0.0.1", ports=[port, closed], timeout=1)
        assert reply.status == 200 and reply.json["all_online"] is False, reply
        assert (reply.json["host"], reply.json["timeout"]) == ("127.0.0.1", 1)
        up, down = reply.json["results"]
        assert (up["port"], up["online"]) == (port, True) and 0 <= up["latency_ms"] < 1000
        assert (down["port"], down["online"]) == (closed, False)
        assert down["error"] == "connection_refused" and "latency_ms" not in down
        assert probe(probing, host="localhost", ports=[port] * 32).json["all_online"] is True


def test_what_is_usual(probing):
    reply = probe(probing)
    assert reply.status == 200 and reply.json["host"] == "127.0.0.1", reply
    assert reply.json["timeout"] == 2
    assert [one["port"] for one in reply.json["results"]] == [80, 8443, 9000]


def test_all_are_tried_at_once(probing):
    """192.0.2.0/24 leads nowhere; where there is no way to it at all, that is said at once."""
    begun = time.monotonic()
    reply = probe(probing, host="192.0.2.7", ports=list(range(1, 33)), timeout=0.5)
    assert reply.status == 200 and reply.json["all_online"] is False, reply
    assert len(reply.json["results"]) == 32 and time.monotonic() - begun < 5
    assert {r["error"] for r in reply.json["results"]} <= {"connect_timeout", "host_unreachable"}


def test_a_name_that_nobody_knows(probing):
    for host in ("no.such.host.invalid", "nextcloud-aio-nextcloud"):
        reply = probe(probing, host=host, ports=[9000], timeout=5)
        assert reply.status == 200, reply
        assert reply.json["results"][0]["error"] in ("name_unresolved", "connect_timeout"), reply


@pytest.mark.parametrize("host", [
    "192.0.2.8", "example.org", "127.1", "::ffff:127.0.0.1", "0.0.0.0", "2130706433", "[::1]",
    "localhost.of.this.test", "nextcloud-aio-apache.example.org", "127.0.0.1:80", "-x", "a b",
    "http://127.0.0.1",
])
def test_ports_of_other_hosts_are_not_tried(probing, host):
    reply = probe(probing, host=host, ports=[1])
    assert reply.status == 403 and reply.json["errors"][0]["field"] == "host", reply


@pytest.mark.parametrize("field,body", [
    ("ports", {"ports": "80"}), ("ports", {"ports": ["80"]}), ("ports", {"ports": []}),
    ("ports", {"ports": [0]}), ("ports", {"ports": [65536]}), ("ports", {"ports": [80.5]}),
    ("ports", {"ports": [True]}), ("ports", {"ports": {"80": 1}}), ("ports", {"ports": 80}),
    ("ports", {"ports": list(range(1, 34))}), ("timeout", {"timeout": 0.09}),
    ("timeout", {"timeout": 10.1}), ("timeout", {"timeout": "2"}), ("timeout", {"timeout": True}),
    ("host", {"host": ""}), ("host", {"host": 7}), ("host", {"host": "a" * 254}),
])
def test_refusals_of_the_probe(probing, field, body):
    reply = probe(probing, **body)
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply


def test_a_client_that_leaves_is_forgotten(probing):
    """Its probes are given up: the next answer does not wait for them."""
    for _ in range(8):
        with socket.create_connection(("127.0.0.1", probing.port)) as s:
            body = json.dumps({"host": "192.0.2.7", "ports": list(range(1, 33)), "timeout": 10})
            s.sendall((f"POST /nextcloud/ports/probe HTTP/1.1\r\nHost: x\r\n"
                       f"Authorization: Bearer {probing.read_token}\r\nX-From-NodeRed: Test-Header"
                       f"\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
    begun = time.monotonic()
    assert probe(probing, ports=[free_port()]).status == 200
    assert time.monotonic() - begun < 5


# ---- the health script ----

def check(daemon, **body):
    return daemon.write.post("/nextcloud/check-backup", body)


def test_without_an_engine(probing, folder):
    reply = check(probing)
    assert reply.status == 503 and reply.json["error"] == "docker_connection_refused", reply
    assert reply.json["hint"] and reply.json["proxy_mode"] is False
    assert probing.read.post("/nextcloud/check-backup", {}).status == 403
    for body in ({"timeout": 0}, {"timeout": 601}, {"timeout": "5"}):
        assert check(probing, **body).json["errors"][0]["field"] == "timeout"
    with Daemon(folder / "none", AIO_MASTER="") as none:
        reply = check(none)
        assert reply.status == 503 and reply.json["errors"][0]["field"] == "AIO_MASTER", reply


def test_the_health_script(aio, folder):
    """Healthy, unhealthy, and no such container."""
    aio.install(stack=False)
    with Daemon(folder / "d", **aio.settings()) as daemon:
        reply = check(daemon)
        assert reply.status == 200 and reply.json["ok"] is True, reply
        assert reply.json["healthy"] is True and reply.json["returncode"] == 0
        assert reply.json["command"] == "/healthcheck.sh"
        assert reply.json["meaning"]["proves"] and reply.json["meaning"]["does_not_prove"]
        assert "stdout" in reply.json and "stderr" in reply.json
        assert "docker exec validated: container=" + MASTER + ", command=/healthcheck.sh" \
            in daemon.log()
        assert "docker_exec" in daemon.log()
        aio.docker.cli("exec", MASTER, "/usr/bin/rm", "/run/php.sock")
        reply = check(daemon)
        assert reply.status == 200 and reply.json["ok"] is True, reply
        assert reply.json["healthy"] is False and reply.json["returncode"] == 1
        aio.docker.cli("rm", "-f", MASTER)
        reply = check(daemon)
        assert reply.status == 404 and reply.json["error"] == "container_not_found", reply
        assert reply.json["hint"]


def test_a_health_script_that_does_not_end(aio, folder):
    aio.install(stack=False)
    with Daemon(folder / "d", **aio.settings(AIO_HEALTH="/usr/bin/yes")) as daemon:
        reply = check(daemon, timeout=1)
        assert reply.status == 408 and reply.json["error"] == "timeout", reply

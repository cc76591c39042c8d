"""What Nextcloud AIO keeps secret, through every route that asks or drives it, in success and in
failure: none of it leaves AIO's own files by arguments, environments, log, events, database, answers
or what we keep. The one thing kept is borg.config, with which a target is put back: 0600."""

import json
import re
import stat
from pathlib import Path

import pytest

from fixtures.aio import Aio
from fixtures.aio.installation import BORG, MARK, MASTER, secret
from fixtures.borg import Setup
from fixtures.harness import FULL, SANITIZED, Daemon, wait_for
from fixtures.leaks import execve_trace, found_in
from fixtures.routes import bodies, described, fill, operations

PREFIXES = ("/nextcloud", "/containers", "/volumes", "/security", "/emergency", "/create-backup",
            "/borgmatic-locks/emergency")
# The first makes the repository; the last take the stack away and put work on hold.
FIRST = ("aio-run", "aio-run-for-target")
LAST = ("emergency-shutdown", "emergency-shutdown-alias", "emergency-resume")
IN_FAILURE = ("aio-run", "aio-run-for-target", "aio-target-set", "aio-containers-start",
              "emergency-shutdown", "emergency-resume")
WHOLE = re.compile(MARK.encode() + rb"[0-9a-f]{42}")  # a secret of the stand-in, as it stands


def names():
    """Every route that concerns AIO, in the order in which it is asked. What is the same but for
    when it answers is left to the full run."""
    found = [n for n, (_, pattern, _) in operations().items() if pattern.startswith(PREFIXES)
             and (FULL or not n.endswith("-async"))]
    return sorted(found, key=lambda n: (n in LAST and 1 + LAST.index(n), n not in FIRST, n))


def values(aio, name):
    """What the fields are given, where a route has them; a secret is given one of its own."""
    return {"container": MASTER, "command": "/healthcheck.sh", "user": "admin", "repository": "one",
            "host_location": str(aio.target if name == "aio-target-set" else aio.second),
            "timeout": 5 if name == "nextcloud-ports-probe" else 120,
            "dry_run": name == "emergency-shutdown-alias", "host": aio.address,
            "ports": [int(aio.apache_port)], "base_url": f"http://{aio.address}:{aio.apache_port}",
            "reason": "a drill", "STOP_CONTAINERS": "1", "START_CONTAINERS": "1"}


def queries(name):
    """A query that makes the route say as much as it can."""
    known = {"scope": "all", "all": "true", "compute_size": "true"}
    for item in described().values():
        for one in item.values():
            if one["operationId"] == name:
                asked = [p["name"] for p in one.get("parameters", []) if p["in"] == "query"]
                return "&".join(f"{q}={known[q]}" for q in asked if q in known)
    return ""


class Place:
    def __init__(self, aio, daemon, trace):
        self.aio, self.daemon, self.trace = aio, daemon, trace
        self.answers, self.asked, self.secrets = [], {}, set()

    def learn(self):
        """What AIO keeps secret now: some of it is made anew at each start."""
        try:
            content = self.aio.config
        except ValueError:
            return
        self.secrets |= set(content["secrets"].values())
        self.secrets |= {content[k] for k in ("password", "AIO_TOKEN", "borg_restore_password") if content[k]}
        key = self.aio.data / "borg.config"
        if key.exists():  # the repository's key: the long lines below "key ="
            self.key = max(key.read_text().splitlines(), key=len).strip()

    def found(self, text):
        """What of AIO's secrets and of the repository's key stands in the bytes."""
        return found_in([*self.secrets, self.key], text)

    def ask(self, name, round_):
        method, pattern, _ = operations()[name]
        fields, secrets = bodies().get(name, ((), ()))
        body = {k: v for k, v in values(self.aio, name).items() if k in fields and k not in secrets}
        for one in secrets:
            body[one] = secret()
            self.secrets.add(body[one])
        query = queries(name)
        reply = self.daemon.write.request(method, fill(pattern, {}) + (f"?{query}" if query else ""),
                                          None if method == "GET" else body)
        self.asked[round_, name] = reply.status
        self.answers.append((f"{round_} {name}", str(reply.headers).encode() + reply.body))
        self.settle()
        self.learn()

    def settle(self):
        wait_for(lambda: not self.daemon.read.get("/jobs?state=running").json["jobs"], 120,
                 "the jobs end")

    def ask_all(self, round_, only=None):
        for name in names():
            if only is None or name in only or operations()[name][0] == "GET":
                self.ask(name, round_)

    def collect(self):
        """The records, logs and events of every job."""
        for job in self.daemon.read.get("/jobs?limit=500").json["jobs"]:
            for path in (f"/jobs/{job['id']}", f"/jobs/{job['id']}/log"):
                self.answers.append((path, self.daemon.read.get(path).body))
            events = json.dumps(self.daemon.events(job["id"])).encode()
            self.answers.append((f"events of {job['id']}", events))


def mark_files(aio):
    """Every other file of AIO's that is secret."""
    for name in ("id_borg", "session_date_file"):
        (aio.data / name).write_text(secret() + "\n")
    (aio.data.parent / "session/sess_1").write_text(secret())


def drive(place):
    aio, daemon = place.aio, place.daemon
    place.learn()
    place.ask_all("up")
    aio.wait_idle()
    aio.switch(borgbackup={"fails": True})
    place.ask_all("borg fails", IN_FAILURE[:2])
    aio.switch(borgbackup={"fails": False}, php_fails=["CreateBackup"])
    place.ask_all("php fails", IN_FAILURE[:1])
    aio.switch(php_fails=[])
    place.ask_all("stack down", ("aio-containers-stop", "aio-containers-start"))
    whole = aio.config_path.read_text()
    aio.config_path.write_text(whole[:-60])  # torn, and full of secrets
    place.ask_all("torn", IN_FAILURE)
    aio.config_path.write_text(whole)
    aio.docker.cli("stop", MASTER)
    place.ask_all("no master", IN_FAILURE)
    daemon.write.post("/emergency/resume", {})
    place.settle()
    place.collect()


@pytest.fixture(scope="module")
def place(engine, module_folder):
    trace = module_folder / "trace"
    prefix = [] if SANITIZED else execve_trace(trace)
    with Aio(engine, module_folder / "aio") as aio:
        aio.second = aio.folder / "second"
        aio.second.mkdir()
        aio.install(config={"borg_restore_password": secret(), "desec_email": "a@example.org"})
        mark_files(aio)
        daemon = Daemon(module_folder / "d", prefix=prefix, LOG_LEVEL="debug",
                        **aio.settings(AIO_STALL_MINUTES="1440"))
        with daemon:
            Setup(daemon, "one", files=3)
            made = Place(aio, daemon, trace)
            drive(made)
            limits = Path(f"/proc/{daemon.pid}/limits").read_text()
            made.core = re.search(r"Max core file size\s+(\S+)", limits).group(1)
            yield made


@pytest.mark.seconds(900)
def test_the_routes_were_asked_and_the_secrets_are_there(place):
    missing = {n for n in names() if ("up", n) not in place.asked}
    assert missing == set() and len(names()) >= 20
    failed = {k: s for k, s in place.asked.items() if k[0] == "up" and s >= 400}
    # The stand-in's Nextcloud does not know of itself.
    assert failed == {("up", "nextcloud-serverinfo"): 502}, failed
    torn = {s for (round_, _), s in place.asked.items() if round_ in ("torn", "no master")}
    assert any(s >= 500 or s in (404, 422) for s in torn), place.asked
    assert len(place.secrets) > 15 and place.key
    config = place.aio.config_path.read_bytes()
    assert len(WHOLE.findall(config)) > 10 and found_in(place.secrets, config)
    environment = json.dumps(place.aio.docker.inspect(BORG)["Config"]["Env"])
    assert MARK in environment  # what an answer must not echo is there to be echoed


def test_no_answer_and_no_event_shows_one(place):
    for name, answer in place.answers:
        assert not WHOLE.search(answer), (name, answer[:300])
        assert place.found(answer) == [], name
        assert b'"Env"' not in answer, name


def test_no_program_had_one_in_its_arguments_or_environment(place):
    if not SANITIZED:  # a sanitizer may not be traced
        text = place.trace.read_bytes()
        assert text.count(b"execve(") > 5
        assert not WHOLE.search(text) and place.found(text) == []


def test_no_exec_was_given_one(place):
    sent = json.dumps(place.aio.execs()).encode()
    assert not WHOLE.search(sent) and place.found(sent) == []


def test_the_log_has_none_and_no_core_can_come(place):
    text = place.daemon.log_path.read_bytes()
    assert not WHOLE.search(text) and place.found(text) == []
    assert place.core == "0"


def test_what_we_keep_is_the_repositorys_configuration_alone(place):
    kept = []
    for path in sorted(place.daemon.state.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        assert not WHOLE.search(content), path
        assert found_in(place.secrets, content) == [], path
        if place.key.encode() in content:
            kept.append(path)
            assert path.is_relative_to(place.daemon.state / "aio"), path
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((place.daemon.state / "aio").stat().st_mode) == 0o700 or not kept

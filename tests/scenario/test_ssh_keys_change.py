"""SSH keys replaced and taken away: nothing is lost, whatever fails or is killed meanwhile."""

import os
import subprocess

import pytest

from fixtures.harness import FULL, PATH, Daemon, marked_processes, wait_for
from fixtures.leaks import execve_trace, found_in
from fixtures.ssh_keys import (OTHER, PASS, attempt, authorize, content, make, refused, server, status,
                               trust)
from fixtures.sshd import Sshd


# ---- rotation ----

def test_a_key_is_replaced_and_put_back(shared):
    first = make(shared, "r1", comment="of old")
    reply = shared.write.post("/ssh-keys/r1/replace", {})
    assert reply.status == 200 and reply.json["replaced"] is True, reply
    second = reply.json["fingerprint"]
    assert second != first["fingerprint"] == status(shared, "r1")["former"][0]["fingerprint"]
    assert 0 < status(shared, "r1")["former"][0]["left_s"] <= 7 * 86400
    reply = shared.write.post("/ssh-keys/r1/rollback", {})
    assert reply.status == 200 and reply.json["fingerprint"] == first["fingerprint"], reply
    now = status(shared, "r1")
    assert now["fingerprint"] == first["fingerprint"] and now["problem"] is None
    assert [f["fingerprint"] for f in now["former"]] == [second]
    renewed = shared.write.post("/ssh-keys/r1/renew", {}).json
    assert renewed["public_key"].endswith(" of old")
    assert [k for k in shared.read.get("/ssh-keys").json["keys"] if "r1" in k] == ["id_r1"]


def test_nothing_happens_to_the_old_key_when_the_request_is_wrong(shared):
    make(shared, "r2")
    before = content(shared.ssh)
    for route in ("replace", "renew"):
        refused(shared.write.post(f"/ssh-keys/r2/{route}", {"ssh_passphrase": 12345}), 400,
                "invalid_secrets", "ssh_passphrase")
        refused(shared.write.post(f"/ssh-keys/r2/{route}", {"user": "root"}), 400, "bad_request",
                "host")
        refused(shared.write.post(f"/ssh-keys/nosuch/{route}", {}), 404, "not_found")
    refused(shared.write.post("/ssh-keys/r2/rollback", {}), 404, "not_found")
    refused(shared.write.post("/ssh-keys/r2/rollback", {"x": 1}), 400, "bad_request", "x")
    assert content(shared.ssh) == before


def test_a_new_key_is_proven_before_the_old_one_goes(shared, server):
    old = make(shared, "r3", ssh_passphrase=PASS)
    trust(shared, server)
    authorize(server, old["authorized_keys"])
    ask = {"host": "127.0.0.1", "port": server.port, "user": "root", "ssh_passphrase": OTHER}
    reply = shared.write.post("/ssh-keys/r3/replace", ask)
    said = refused(reply, 409, "key_not_proven")
    new = said["new_key"]
    assert said["test"]["step"] == "authentication"
    now = status(shared, "r3")
    assert now["fingerprint"] == old["fingerprint"] and now["former"] == []
    assert now["next"]["fingerprint"] == new["fingerprint"]
    assert shared.read.get("/ssh-keys/r3/pub?next=true").json["public"] == new["public"]
    assert attempt(shared, "r3", server, ssh_passphrase=PASS)["reachable"] is True
    authorize(server, old["authorized_keys"], new["authorized_keys"])
    refused(shared.write.post("/ssh-keys/r3/replace", {**ask, "ssh_passphrase": "a wrong one"}),
            409, "key_not_proven")
    del ask["ssh_passphrase"]
    said = refused(shared.write.post("/ssh-keys/r3/replace", ask), 400, "bad_request")
    assert "fresh" in said["message"]
    reply = shared.write.post("/ssh-keys/r3/replace", {**ask, "ssh_passphrase": OTHER})
    assert reply.status == 200 and reply.json["fingerprint"] == new["fingerprint"], reply
    assert attempt(shared, "r3", server, ssh_passphrase=OTHER)["reachable"] is True
    assert status(shared, "r3")["next"] is None
    assert shared.write.post("/ssh-keys/r3/rollback", {}).status == 200
    assert attempt(shared, "r3", server, ssh_passphrase=PASS)["reachable"] is True


def test_a_key_is_taken_away_and_put_back(shared):
    made = make(shared, "d1")
    reply = shared.write.request("DELETE", "/ssh-keys/d1")
    assert reply.status == 200 and reply.json["deleted"] is True, reply
    assert status(shared, "d1")["exists"] is False
    assert not (shared.ssh / "id_d1.pub").exists()
    refused(shared.write.request("DELETE", "/ssh-keys/d1"), 404, "not_found")
    assert shared.write.post("/ssh-keys/d1/rollback", {}).status == 200
    assert status(shared, "d1")["fingerprint"] == made["fingerprint"]


def test_a_former_key_is_kept_seven_days(shared):
    make(shared, "d2")
    shared.write.request("DELETE", "/ssh-keys/d2")
    work = shared.ssh / ".borgmatic-api"
    for one in work.glob("id_d2.old-*"):
        name, _, rest = one.name.partition(".old-")
        at, dot, pub = rest.partition(".")
        one.rename(work / f"{name}.old-{int(at) - 8 * 86400}{dot}{pub}")
    refused(shared.write.post("/ssh-keys/d2/rollback", {}), 404, "not_found")
    assert list(work.glob("id_d2.*")) == []


# ---- programs that fail ----

@pytest.fixture
def faked(folder):
    """A daemon that finds our ssh-keygen and ssh-keyscan before the real ones."""
    programs = folder / "bin"
    programs.mkdir()
    with Daemon(folder / "d", path=f"{programs}:{PATH}") as d:
        d.programs = programs
        yield d


def fake(daemon, name, script):
    path = daemon.programs / name
    path.write_text("#!/bin/sh\n" + script + "\n")
    path.chmod(0o755)


def test_an_ssh_keygen_that_fails_leaves_nothing_and_the_old_key(faked):
    made = make(faked, "k1")
    fake(faked, "ssh-keygen", "echo no more keys >&2; exit 3")
    for path in ("/ssh-keys/k2", "/ssh-keys/k1/replace", "/ssh-keys/k1/renew"):
        said = refused(faked.write.post(path, {}), 502, "command_failed")
        assert "no more keys" in said["message"] and said["returncode"] == 3
    assert status(faked, "k1")["fingerprint"] == made["fingerprint"]
    assert sorted(p.name for p in faked.ssh.iterdir()) == [".borgmatic-api", "id_k1", "id_k1.pub"]
    assert list((faked.ssh / ".borgmatic-api").iterdir()) == []


def test_an_ssh_keygen_that_hangs_is_ended_at_the_limit(faked):
    made = make(faked, "k1")
    fake(faked, "ssh-keygen", "sleep 600")
    for path in ("/ssh-keys/k2", "/ssh-keys/k1/replace"):
        said = refused(faked.write.post(path, {"timeout": 1}), 408, "timeout")
        wait_for(lambda: marked_processes(said["job_id"]) == [], 10, "nobody is left")
    assert status(faked, "k1")["fingerprint"] == made["fingerprint"]
    assert list((faked.ssh / ".borgmatic-api").iterdir()) == []


def test_while_a_key_is_being_made_nobody_else_touches_it(faked):
    make(faked, "k1")
    gate = faked.programs / "gate"
    os.mkfifo(gate)
    fake(faked, "ssh-keygen", f"read x < {gate}; exit 3")
    job = faked.write.post("/ssh-keys/k1/replace", {}, {"Prefer": "respond-async"})
    assert job.status == 202, job
    wait_for(lambda: marked_processes(job.json["job_id"]), 20, "it runs")
    for reply in (faked.write.post("/ssh-keys/k1/replace", {}),
                  faked.write.request("DELETE", "/ssh-keys/k1"),
                  faked.write.post("/ssh-keys/k1/rollback", {})):
        assert refused(reply, 409, "job_running")["job_id"] == job.json["job_id"]
    gate.write_text("go\n")
    assert faked.wait_job(job.json["job_id"])["state"] == "failed"
    assert status(faked, "k1")["exists"] is True


def test_a_host_that_never_answers_is_given_up_at_the_limit(faked):
    fake(faked, "ssh-keyscan", "sleep 600")
    said = refused(faked.write.post("/ssh-keys/known-hosts", {"host": "h", "timeout": 1}), 408,
                   "timeout")
    wait_for(lambda: marked_processes(said["job_id"]) == [], 10, "nobody is left")


# ---- crashes and secrets ----

def killed_at(folder, call, n, route):
    """An exchange in a daemon that dies at the n-th such call of a thread; True: it lived."""
    prefix = ["strace", "-f", "-qq", "-e", f"trace={call}", "-e",
              f"inject={call}:signal=SIGKILL:when={n}", "-o", "/dev/null"]
    d = Daemon(folder, prefix=prefix, UV_THREADPOOL_SIZE="1")
    try:
        d.start()
        lives = d.write.post(f"/ssh-keys/k1/{route}", {}).status == 200
    except (OSError, AssertionError):  # it died, perhaps before it was ready
        d.process.wait(20)
        return False
    d.stop()
    return lives


CALLS = ["linkat", "renameat"] + (["unlinkat", "fsync", "mkdirat"] if FULL else [])


@pytest.mark.seconds(240)
@pytest.mark.parametrize("route", ["replace", "rollback"])
@pytest.mark.parametrize("call", CALLS)
def test_kill_9_at_each_step_of_an_exchange_leaves_a_key_that_works(folder, call, route):
    with Daemon(folder / "d") as d:
        make(d, "k1")
        assert d.write.post("/ssh-keys/k1/replace", {}).status == 200
    path = folder / "d" / "ssh" / "id_k1"
    for n in range(1, 60):
        lived = killed_at(folder / "d", call, n, route)
        opened = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True,
                                text=True)
        assert opened.returncode == 0, (n, opened.stderr)
        with Daemon(folder / "d") as d:
            now = status(d, "k1")
        assert now["problem"] is None and path.stat().st_mode & 0o777 == 0o600, (n, now)
        assert path.with_suffix(".pub").read_text().split()[1] == opened.stdout.split()[1], n
        assert not list((folder / "d" / "ssh" / ".borgmatic-api").glob("new-*"))
        if lived:
            break
    assert lived and n > 1


def test_no_passphrase_of_a_key_is_seen_by_any_program(folder):
    trace = folder / "trace"
    prefix = execve_trace(trace)
    with Sshd(folder / "sshd") as server, Daemon(folder / "d", prefix=prefix,
                                                 LOG_LEVEL="debug") as d:
        answers = []
        made = d.write.post("/ssh-keys/k1", {"ssh_passphrase": PASS})
        authorize(server, made.json["authorized_keys"])
        trust(d, server)
        answers += [made.body, repr(attempt(d, "k1", server, ssh_passphrase=PASS)).encode()]
        place = {"host": "127.0.0.1", "port": server.port, "user": "root"}
        replaced = d.write.post("/ssh-keys/k1/replace", {**place, "ssh_passphrase": OTHER})
        assert replaced.json["error"] == "key_not_proven"
        answers += [replaced.body]
        for job in d.read.get("/jobs?limit=100").json["jobs"]:
            answers.append(d.read.get(f"/jobs/{job['id']}/log").body)
            answers.append(d.read.get(f"/jobs/{job['id']}").body)
        audit_free = d.log().encode()
    seen = trace.read_bytes()
    assert seen.count(b"ssh-keygen") >= 2 and seen.count(b"askpass") >= 4
    for piece in (seen, audit_free, *answers):
        assert found_in([PASS, OTHER], piece) == []
    private = (d.ssh / "id_k1").read_text().split("\n")[1]
    assert not any(private.encode() in a for a in answers)
    for file in d.state.rglob("*"):
        if file.is_file():
            assert found_in([PASS, OTHER], file.read_bytes()) == [], file


def test_what_takes_a_key_away_is_audited(folder):
    audit = folder / "audit"
    with Daemon(folder / "d", AUDIT_LOG_PATH=audit) as d:
        make(d, "k1")
        d.write.post("/ssh-keys/k1/replace", {})
        d.write.post("/ssh-keys/k1/rollback", {})
        d.write.request("DELETE", "/ssh-keys/k1")
        text = audit.read_text()
    for action in ("ssh_key_replace", "ssh_key_rollback", "ssh_key_delete"):
        assert f'"{action}"' in text and '"k1"' in text

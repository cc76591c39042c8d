"""Locks of real borgs: seen, told apart, and broken only where nobody can be hurt."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes, wait_for
from fixtures.sshd import Sshd

NODE = uuid.getnode()


@pytest.fixture(scope="module")
def locks(module_folder):
    with Daemon(module_folder / "d", ENABLE_BREAK_LOCK="true", AUDIT_LOG_PATH=str(
            module_folder / "audit")) as one:
        one.audit = module_folder / "audit"
        yield one


@pytest.fixture(scope="module")
def the_one(locks):
    return Setup(locks, "one")


@pytest.fixture
def one(the_one):
    """A configuration with one repository, without a lock before and after."""
    yield the_one
    shutil.rmtree(Path(the_one.repository, "lock.exclusive"), ignore_errors=True)
    Path(the_one.repository, "lock.roster").unlink(missing_ok=True)


def fingerprint(folder):
    """Every name, its content and its time."""
    seen = {}
    for path in sorted(Path(folder).rglob("*")):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        seen[str(path)] = (content, path.lstat().st_mtime_ns, path.lstat().st_mode)
    return seen


def holder(home, location, rsh=None):
    """A real borg that holds the exclusive lock until its stdin is closed."""
    ready = Path(home) / f"held-{os.urandom(6).hex()}"
    env = {"PATH": borg.PATH, "HOME": str(home), "BORG_PASSPHRASE": "",
           "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", **({"BORG_RSH": rsh} if rsh else {})}
    process = subprocess.Popen(["borg", "with-lock", str(location), "sh", "-c",
                                f"touch {ready}; exec cat"], env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for(ready.exists, what="borg holds the lock")
    return process


@contextmanager
def held(home, location, rsh=None):
    process = holder(home, location, rsh)
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def killed_holder(home, location):
    """The lock of a borg that was killed stays."""
    process = holder(home, location)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    assert borg.is_locked(location)
    return process.pid


def own_id(location):
    """HOST@NODE as borg itself writes it."""
    return next(Path(location, "lock.exclusive").iterdir()).name.rpartition(".")[0]


def roster(location, *entries):
    Path(location, "lock.roster").write_text(json.dumps({"shared": [list(e) for e in entries]}))


def check(daemon, label, query=""):
    reply = daemon.read.get(f"/borgmatic-locks/quick-check/{label}{query}")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return reply.json


def seen(daemon, one):
    """The only repository's entry, after proof that looking changed nothing."""
    before = fingerprint(one.repository)
    found = check(daemon, one.label)["repositories"][0]
    assert fingerprint(one.repository) == before
    return found


def test_a_free_repository(locks, one):
    before = fingerprint(one.repository)
    answer = check(locks, "one")
    assert answer["locked"] is False and answer["lock_info"] == {} and answer["returncode"] == 0
    found = answer["repositories"][0]
    assert found["state"] == "free" and found["exclusive"] == [] and found["shared"] == []
    assert found["repository"] == one.repository and found["job_id"] is None
    assert fingerprint(one.repository) == before


def test_the_exclusive_lock_of_a_living_borg(locks, one):
    with held(one.home, one.repository) as process:
        found = seen(locks, one)
        answer = check(locks, "one")
        status = locks.read.get("/borgmatic-locks/status").json
        active = locks.read.get("/borgmatic-locks/active").json
    assert found["locked"] is True and found["state"] == "locked" and found["stale"] is False
    entry, = found["exclusive"]
    assert entry["pid"] == process.pid and entry["holder"] == "alive"
    assert entry["node"] == str(NODE) and entry["host"] and abs(entry["since"] - 0) > 0
    assert answer["locked"] is True and answer["returncode"] == 1
    assert answer["lock_info"]["detection_method"] == "files"
    mine = [r for r in status["results"] if r["label"] == "one"][0]
    assert mine["locked"] is True and mine["file"] == "one.yaml"
    assert "one" in active["active"] and "one" not in active["unknown"]
    assert check(locks, "one")["locked"] is False


def test_readers_living_dead_and_elsewhere(locks, one):
    with held(one.home, one.repository):
        us = own_id(one.repository)
    gone = subprocess.Popen(["true"])
    gone.wait()
    roster(one.repository, (us, os.getpid(), 0), (us, gone.pid, 0), (f"else.where@{NODE + 1}", 7, 0))
    found = seen(locks, one)
    assert found["locked"] is True and found["exclusive"] == [] and found["stale"] is False
    assert [e["holder"] for e in found["shared"]] == ["alive", "stale", "unknown"]
    assert found["shared"][2]["host"] == "else.where"
    roster(one.repository, (us, gone.pid, 0))
    found = seen(locks, one)
    assert found["locked"] is True and found["stale"] is True
    Path(one.repository, "lock.roster").unlink()


def test_a_stale_lock(locks, one):
    pid = killed_holder(one.home, one.repository)
    found = seen(locks, one)
    assert found["locked"] is True and found["stale"] is True
    assert found["exclusive"][0]["pid"] == pid and found["exclusive"][0]["holder"] == "stale"


def test_what_is_not_known_is_not_called_free(locks, one):
    away = one.repository + ".away"
    os.rename(one.repository, away)
    answer = check(locks, "one")
    assert answer["locked"] is None and answer["returncode"] is None
    assert "No such file" in answer["problem"]
    os.mkdir(one.repository)
    answer = check(locks, "one")
    assert answer["locked"] is None and "no repository" in answer["problem"]
    active = locks.read.get("/borgmatic-locks/active").json
    assert "one" in active["unknown"] and "one" not in active["active"]
    os.rmdir(one.repository)
    os.rename(away, one.repository)
    whole = one.path.read_text()
    one.path.write_text(whole + "nonsense: 1\n")
    answer = check(locks, "one")
    assert answer["locked"] is None and answer["problem"]
    status = locks.read.get("/borgmatic-locks/status").json["results"]
    assert [r["locked"] for r in status if r["label"] == "one"] == [None]
    one.path.write_text(whole)
    assert check(locks, "one")["locked"] is False


def test_refusals_of_quick_check(locks, one):
    reply = locks.read.get("/borgmatic-locks/quick-check/nobody")
    assert reply.status == 404 and reply.json["error"] == "not_found", reply
    reply = locks.read.get("/borgmatic-locks/quick-check/-n")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "label", reply
    reply = locks.read.get("/borgmatic-locks/quick-check/one?repository_label=other")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "repository_label", reply


@pytest.fixture(scope="module")
def remote(locks, module_folder):
    with Sshd(module_folder / "sshd") as sshd:
        one = Setup(locks, "far", count=0)
        one.server = locks.folder / "far-repository"
        one.location = sshd.location(one.server)
        one.rsh = sshd.rsh
        borg.make_repository(locks.home, one.location, rsh=sshd.rsh)
        one.repositories = [one.location]
        one.write(ssh_command=sshd.rsh)
        one.sshd = sshd
        yield one


def test_a_remote_repository(locks, remote):
    before = fingerprint(remote.server)
    found = check(locks, "far")["repositories"][0]
    assert found["state"] == "free" and found["shared"] is None, found
    assert found["detection_method"] == "borg" and found["remote"] is True
    assert fingerprint(remote.server).keys() == before.keys()
    with held(locks.home, remote.location, remote.rsh):
        found = check(locks, "far")["repositories"][0]
        assert found["locked"] is True and found["stale"] is False, found
        assert found["exclusive"] is None and found["shared"] is None
    remote.sshd.stop()
    answer = check(locks, "far")
    assert answer["locked"] is None and answer["problem"], answer
    remote.sshd.start()
    assert check(locks, "far")["locked"] is False
    jobs = locks.read.get("/jobs?kind=lock-probe").json["jobs"]
    assert jobs and all(j["state"] == "succeeded" and not marked_processes(j["id"]) for j in jobs)


# ---- breaking ----

def break_lock(daemon, label, **body):
    return daemon.write.post(f"/borgmatic-locks/break/{label}", body)


def assert_refused(daemon, reply, error, one=None):
    assert reply.status == 409 and reply.json["ok"] is False, reply
    assert reply.json["error"] == error and reply.json["message"], reply
    if one is not None:
        assert reply.json["repositories"][0]["locked"] is True, reply


def jobs_of(daemon, kind, label):
    return daemon.read.get(f"/jobs?kind={kind}&label={label}").json["jobs"]


def test_breaking_where_there_is_no_lock_runs_nothing(locks, one):
    before = fingerprint(one.repository)
    jobs = len(jobs_of(locks, "break-lock", "one"))
    reply = break_lock(locks, "one")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["broken"] is False and reply.json["returncode"] == 0
    assert reply.json["stdout"] == reply.json["stderr"] == "" and reply.json["message"]
    assert fingerprint(one.repository) == before
    assert len(jobs_of(locks, "break-lock", "one")) == jobs


def test_a_dead_holders_lock_is_broken(locks, one):
    killed_holder(one.home, one.repository)
    reply = break_lock(locks, "one")
    assert reply.status == 200 and reply.json["broken"] is True, reply
    assert reply.json["returncode"] == 0 and reply.json["state"] == "succeeded"
    entry = reply.json["repositories"][0]
    assert entry["lock_before"]["stale"] is True and entry["lock_after"]["state"] == "free"
    assert not borg.is_locked(one.repository)
    assert marked_processes(reply.json["job_id"]) == []
    assert '"break_lock"' in locks.audit.read_text()
    assert check(locks, "one")["locked"] is False


def test_a_dead_readers_entry_is_broken(locks, one):
    with held(one.home, one.repository):
        us = own_id(one.repository)
    gone = subprocess.Popen(["true"])
    gone.wait()
    roster(one.repository, (us, gone.pid, 0))
    reply = break_lock(locks, "one")
    assert reply.status == 200 and reply.json["broken"] is True, reply
    assert not Path(one.repository, "lock.roster").exists()


def test_a_living_holder_is_not_hurt_without_force(locks, one):
    with held(one.home, one.repository) as process:
        before = fingerprint(one.repository)
        jobs = len(jobs_of(locks, "break-lock", "one"))
        audited = locks.audit.read_text()
        reply = break_lock(locks, "one", reason="I am sure")
        assert_refused(locks, reply, "lock_in_use", one)
        assert reply.json["repositories"][0]["exclusive"][0]["pid"] == process.pid
        reply = break_lock(locks, "one", force=True)
        assert reply.status == 400 and reply.json["errors"][0]["field"] == "reason", reply
        assert fingerprint(one.repository) == before
        assert len(jobs_of(locks, "break-lock", "one")) == jobs
        assert locks.audit.read_text() == audited
        reply = break_lock(locks, "one", force=True, reason="the machine room burns")
        assert reply.status == 200 and reply.json["broken"] is True, reply
        assert not borg.is_locked(one.repository)
        line = json.loads(locks.audit.read_text().splitlines()[-1])
        assert line["label"] == "one" and line["reason"] == "the machine room burns"
        assert line["action"] == "break_lock_forced"


def test_another_hosts_holder_is_not_judged(locks, one):
    Path(one.repository, "lock.exclusive").mkdir()
    name = Path(one.repository, "lock.exclusive", f"nas@{NODE + 1}.4242-0")
    name.touch()
    roster(one.repository)
    Path(one.repository, "lock.roster").write_text(
        json.dumps({"exclusive": [[f"nas@{NODE + 1}", 4242, 0]]}))
    before = fingerprint(one.repository)
    reply = break_lock(locks, "one")
    assert_refused(locks, reply, "lock_holder_unknown", one)
    assert reply.json["repositories"][0]["exclusive"][0]["holder"] == "unknown"
    assert fingerprint(one.repository) == before
    # a name that is none of borg's holds the lock as well
    name.rename(name.with_name("garbage"))
    assert_refused(locks, break_lock(locks, "one"), "lock_holder_unknown", one)
    reply = break_lock(locks, "one", force=True, reason="the nas is switched off")
    assert reply.status == 200 and reply.json["broken"] is True, reply
    assert not borg.is_locked(one.repository)


def test_a_job_of_ours_is_never_hurt(locks, one):
    gate = locks.folder / "gate"
    os.mkfifo(gate)
    one.write(before_backup=[f"cat {gate}"])
    job = locks.backup("one")["job_id"]
    locks.wait_job(job, states=("running",))
    killed_holder(one.home, one.repository)
    for body in ({}, {"force": True, "reason": "at once"}):
        reply = break_lock(locks, "one", **body)
        assert reply.status == 409 and reply.json["error"] == "job_running", reply
        assert reply.json["job_id"] == job
    reply = locks.write.post("/borgmatic-locks/emergency-break-all",
                             {"force": True, "reason": "at once"})
    entry = [e for e in reply.json["locks_broken"] if e["label"] == "one"][0]
    assert entry["error"] == "job_running" and entry["job_id"] == job and not entry["broken"]
    assert reply.status == 409 and reply.json["ok"] is False, reply
    assert borg.is_locked(one.repository)
    assert check(locks, "one")["repositories"][0]["job_id"] == job
    gate.write_text("go")
    assert locks.wait_job(job)["state"] in ("succeeded", "warning")
    one.write(before_backup=None)


def test_a_repository_that_is_away(locks, one):
    away = one.repository + ".away"
    os.rename(one.repository, away)
    reply = break_lock(locks, "one")
    assert reply.status == 409 and reply.json["error"] == "lock_holder_unknown", reply
    assert reply.json["repositories"][0]["locked"] is None
    reply = break_lock(locks, "one", force=True, reason="let us see")
    assert reply.status == 404 and reply.json["error"] == "repository_not_found", reply
    assert marked_processes(reply.json["job_id"]) == []
    os.rename(away, one.repository)


@pytest.mark.parametrize("field,body", [
    ("force", {"force": "true"}), ("reason", {"reason": ""}), ("reason", {"reason": "x" * 501}),
    ("repository_label", {"repository_label": "other"}),
    ("repository_label", {"repository_label": 7}),
])
def test_refusals_of_break(locks, one, field, body):
    Path(one.repository, "lock.exclusive").mkdir()
    Path(one.repository, "lock.exclusive", "nas@1.2-0").touch()
    before = fingerprint(one.repository)
    reply = break_lock(locks, "one", **body)
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
    assert fingerprint(one.repository) == before


def test_who_may_break(locks, folder):
    reply = locks.read.post("/borgmatic-locks/break/one", {})
    assert reply.status == 403 and reply.json["error"] == "insufficient_role", reply
    reply = locks.write.post("/borgmatic-locks/break/nobody", {})
    assert reply.status == 404, reply
    with Daemon(folder / "off", ENABLE_BREAK_LOCK="false") as off:
        for path in ("/borgmatic-locks/break/x", "/borgmatic-locks/emergency-break-all"):
            reply = off.write.post(path, {})
            assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply


def test_a_remote_lock(locks, remote):
    assert break_lock(locks, "far").json["broken"] is False
    with held(locks.home, remote.location, remote.rsh):
        reply = break_lock(locks, "far")
        assert_refused(locks, reply, "lock_holder_unknown", remote)
        reply = break_lock(locks, "far", force=True, reason="the other side is gone")
        assert reply.status == 200 and reply.json["broken"] is True, reply
        assert not borg.is_locked(remote.server)


def test_all_at_once(folder):
    with Daemon(folder / "d", ENABLE_BREAK_LOCK="true") as daemon:
        free, dead = Setup(daemon, "free"), Setup(daemon, "dead")
        killed_holder(dead.home, dead.repository)
        reply = daemon.write.post("/borgmatic-locks/emergency-break-all", {})
        assert reply.status == 200 and reply.json["ok"] is True, reply
        listed = {e["label"]: e for e in reply.json["locks_broken"]}
        assert listed["dead"]["broken"] is True and listed["dead"]["rc"] == 0
        assert listed["dead"]["file"] == "dead.yaml" and listed["dead"]["stderr"] == ""
        assert listed["free"]["broken"] is False and listed["free"]["error"] is None
        assert reply.json["nextcloud_restart"]["skipped"] is True and reply.json["timestamp"]
        assert not borg.is_locked(dead.repository)
        assert jobs_of(daemon, "break-lock", "free") == []
        killed_holder(dead.home, dead.repository)
        with held(free.home, free.repository):
            reply = daemon.write.post("/borgmatic-locks/emergency-break-all", {})
            assert reply.status == 409 and reply.json["error"] == "lock_in_use", reply
            listed = {e["label"]: e for e in reply.json["locks_broken"]}
            assert listed["dead"]["broken"] is True and listed["free"]["error"] == "lock_in_use"
            assert listed["free"]["rc"] is None and borg.is_locked(free.repository)
        reply = daemon.write.post("/borgmatic-locks/emergency-break-all", {"force": True})
        assert reply.status == 400 and reply.json["errors"][0]["field"] == "reason", reply


@pytest.mark.seconds(120)
def test_a_remote_side_that_never_answers(locks, remote):
    """Asked within its bound, and nobody is left behind."""
    silent = locks.folder / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 300\n")
    silent.chmod(0o755)
    remote.write(ssh_command=str(silent))
    answer = check(locks, "far")
    assert answer["locked"] is None and answer["problem"], answer
    job = jobs_of(locks, "lock-probe", "far")[0]
    assert locks.wait_job(job["id"], 10)["state"] == "timed_out"
    assert marked_processes(job["id"]) == []
    assert not borg.is_locked(remote.server)
    remote.write(ssh_command=remote.rsh)
    assert check(locks, "far")["locked"] is False

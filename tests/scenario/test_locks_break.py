"""Locks broken: only those that nobody alive needs, unless it is forced."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes
from fixtures.locks import (NODE, assert_refused, break_lock, check, fingerprint, held, holder,
                            killed_holder, locks, one, own_id, remote, roster, the_one)


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


def test_a_remote_repository_without_its_passphrase(locks, remote):
    location = remote.sshd.location(locks.folder / "closed-repository")
    borg.make_repository(locks.home, location, "correct horse battery", remote.rsh)
    borg.write_config(locks.configs / "closed.yaml", [remote.source], [location],
                      ssh_command=remote.rsh)
    answer = check(locks, "closed")
    assert answer["locked"] is None and "passphrase" in answer["problem"], answer
    assert break_lock(locks, "closed").json["error"] == "lock_holder_unknown"
    reply = break_lock(locks, "closed", borg_passphrase="correct horse battery")
    assert reply.status == 200 and reply.json["broken"] is False, reply


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

"""Every way a backup is known to fail: its exact state, word and status; and once the cause is
mended, the same set-up succeeds."""

import os
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import free_port, marked_processes, wait_for
from fixtures.sshd import Sshd

PASSPHRASE = "correct horse battery"
WAIT = {"Prefer": "wait=120"}


def awaited(daemon, label, **body):
    return daemon.write.post("/create-backup", {"repository": label, **body}, WAIT)


def assert_failed(daemon, reply, status, error, word):
    assert reply.status == status, reply
    assert reply.json["ok"] is False and reply.json["error"] == error, reply
    assert reply.json["message"] and reply.json["request_id"]
    record = daemon.job(reply.json["job_id"])
    assert record["state"] == "failed"
    assert record["verdict"]["word"] == word, record["verdict"]
    assert marked_processes(record["id"]) == []
    listed = daemon.read.get("/jobs?state=failed&limit=1").json["jobs"]
    assert listed[0]["id"] == record["id"]
    return record


def assert_mended(daemon, label, **body):
    reply = awaited(daemon, label, **body)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    record = daemon.job(reply.json["job_id"])
    assert record["state"] == "succeeded" and record["verdict"]["word"] == "archive_created"
    return record


def test_a_wrong_passphrase(shared):
    one = Setup(shared, "wrong", PASSPHRASE, in_config=False)
    reply = awaited(shared, "wrong", borg_passphrase="not the right one")
    assert_failed(shared, reply, 422, "wrong_passphrase", "wrong_passphrase")
    assert_mended(shared, "wrong", borg_passphrase=PASSPHRASE)
    assert len(one.archives()) == 1


def test_no_passphrase_at_all(shared):
    Setup(shared, "none", PASSPHRASE, in_config=False)
    reply = awaited(shared, "none")
    assert_failed(shared, reply, 422, "wrong_passphrase", "no_passphrase")
    assert_mended(shared, "none", borg_passphrase=PASSPHRASE)


def test_the_awaited_dry_run_of_a_broken_config(shared):
    one = Setup(shared, "dry")
    whole = one.path.read_text()
    one.path.write_text(whole + "nonsense: 1\n")
    reply = shared.write.post("/create-backup/dry-run", {"repository": "dry"})
    assert reply.status == 422 and reply.json["error"] == "invalid_config", reply
    one.path.write_text(whole)
    reply = shared.write.post("/create-backup/dry-run", {"repository": "dry"})
    assert reply.status == 200 and reply.json["ok"] is True
    assert reply.json["job"]["verdict"]["word"] == "dry_run_ok"


def dry_run(shared, label, status, error, word, **body):
    reply = shared.write.post("/create-backup/dry-run", {"repository": label, **body})
    assert reply.status == status and reply.json.get("error", "") == error, reply
    job = shared.read.get("/jobs/" + reply.json["job_id"]).json["job"]
    assert job["verdict"]["word"] == word


def test_a_dry_run_says_that_the_repository_cannot_be_opened(shared):
    """borg's own dry run opens no repository and would end well."""
    one = Setup(shared, "dryclosed", PASSPHRASE, in_config=False)
    dry_run(shared, "dryclosed", 422, "wrong_passphrase", "wrong_passphrase",
            borg_passphrase="another passphrase")
    dry_run(shared, "dryclosed", 200, "", "dry_run_ok", borg_passphrase=PASSPHRASE)
    away = Path(one.repository + ".away")
    Path(one.repository).rename(away)
    dry_run(shared, "dryclosed", 404, "repository_not_found", "repository_not_found",
            borg_passphrase=PASSPHRASE)
    away.rename(one.repository)
    with held_lock(one.home, one.repository, PASSPHRASE):
        dry_run(shared, "dryclosed", 423, "repository_locked", "repository_locked",
                borg_passphrase=PASSPHRASE)
    dry_run(shared, "dryclosed", 200, "", "dry_run_ok", borg_passphrase=PASSPHRASE)


@contextmanager
def held_lock(home, repository, passphrase=None):
    """A real borg holds the repository's lock while the block runs."""
    ready = Path(repository + ".held")
    env = {"PATH": borg.PATH, "HOME": str(home), "BORG_PASSPHRASE": passphrase or "",
           "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    holder = subprocess.Popen(["borg", "with-lock", repository, "sh", "-c",
                               f"touch {ready}; exec cat"], env=env, stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL)
    try:
        wait_for(ready.exists, what="borg holds the lock")
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def test_a_locked_repository(shared):
    one = Setup(shared, "locked", lock_wait=1)
    with held_lock(one.home, one.repository):
        reply = awaited(shared, "locked")
        assert_failed(shared, reply, 423, "repository_locked", "repository_locked")
    assert_mended(shared, "locked")


def test_a_missing_repository(shared):
    one = Setup(shared, "missing")
    away = Path(one.repository + ".away")
    os.rename(one.repository, away)
    reply = awaited(shared, "missing")
    assert_failed(shared, reply, 404, "repository_not_found", "repository_not_found")
    os.rename(away, one.repository)
    assert_mended(shared, "missing")


def test_a_folder_that_is_no_repository(shared):
    one = Setup(shared, "norepo")
    away = Path(one.repository + ".away")
    os.rename(one.repository, away)
    os.mkdir(one.repository)
    Path(one.repository, "README").write_text("nothing to see")
    reply = awaited(shared, "norepo")
    assert_failed(shared, reply, 404, "repository_not_found", "repository_invalid")
    shutil.rmtree(one.repository)
    os.rename(away, one.repository)
    assert_mended(shared, "norepo")


@pytest.mark.parametrize("broken", ["location: [", "location:\n  nonsense: 1\n", "", "- a\n- b\n",
                                    "a: !python/object:os.system x\n"])
def test_a_config_that_does_not_parse(shared, broken):
    label = "broken"
    path = shared.configs / f"{label}.yaml"
    path.write_text(broken)
    before = len(shared.read.get("/jobs?limit=500").json["jobs"])
    reply = awaited(shared, label)
    assert reply.status == 422 and reply.json["error"] == "invalid_config", reply
    assert reply.json["ok"] is False and reply.json["message"]
    assert "Traceback" not in reply.json["message"] and "dist-packages" not in reply.json["message"]
    assert len(shared.read.get("/jobs?limit=500").json["jobs"]) == before
    shutil.rmtree(shared.folder / f"source-{label}", ignore_errors=True)
    for old in shared.folder.glob(f"repo-{label}-*"):
        shutil.rmtree(old)
    Setup(shared, label)
    assert_mended(shared, label)


@pytest.fixture
def remote(folder):
    with Sshd(folder / "sshd") as sshd:
        yield sshd


def over_ssh(daemon, sshd, label, rsh=None):
    """A configuration whose repository is behind the sshd."""
    one = Setup(daemon, label, count=0)
    path = daemon.folder / f"repo-{label}"
    borg.make_repository(one.home, sshd.location(path), rsh=sshd.rsh)
    one.repositories = [sshd.location(path)]
    one.write(ssh_command=rsh or sshd.rsh)
    return one


def test_an_ssh_host_that_refuses_the_connection(shared, remote):
    over_ssh(shared, remote, "refused")
    remote.stop()
    reply = awaited(shared, "refused")
    assert_failed(shared, reply, 502, "backup_failed", "connection_refused")
    remote.start()
    assert_mended(shared, "refused")


def test_an_ssh_host_that_never_answers(shared, remote):
    """A listener whose queue is full drops the handshake: what an unreachable host looks like."""
    one = over_ssh(shared, remote, "silent", remote.rsh + " -o ConnectTimeout=2")
    there = one.repositories
    with socket.socket() as deaf:
        port = free_port()
        deaf.bind(("127.0.0.1", port))
        deaf.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for one_caller in callers:
            one_caller.setblocking(False)
            one_caller.connect_ex(("127.0.0.1", port))
        one.repositories = [there[0].replace(f":{remote.port}/", f":{port}/")]
        one.write()
        reply = awaited(shared, "silent")
        assert_failed(shared, reply, 502, "backup_failed", "connect_timeout")
        for one_caller in callers:
            one_caller.close()
    one.repositories = there
    one.write()
    assert_mended(shared, "silent")


def test_a_host_without_a_name(shared, remote):
    one = over_ssh(shared, remote, "unnamed")
    there = one.repositories
    one.repositories = [there[0].replace("127.0.0.1", "no-such-host.invalid")]
    one.write()
    reply = awaited(shared, "unnamed")
    assert_failed(shared, reply, 502, "backup_failed", "name_unresolved")
    one.repositories = there
    one.write()
    assert_mended(shared, "unnamed")


def test_a_changed_host_key(shared, remote):
    over_ssh(shared, remote, "hostkey")
    remote.change_host_key()
    reply = awaited(shared, "hostkey")
    assert_failed(shared, reply, 502, "backup_failed", "host_key_changed")
    remote.trust()
    assert_mended(shared, "hostkey")


def test_an_unknown_host_key(shared, remote):
    over_ssh(shared, remote, "unknown")
    remote.known_hosts.write_text("")
    reply = awaited(shared, "unknown")
    assert_failed(shared, reply, 502, "backup_failed", "host_key_unknown")
    remote.trust()
    assert_mended(shared, "unknown")


def test_a_key_that_the_host_does_not_know(shared, remote):
    over_ssh(shared, remote, "stranger")
    authorized = remote.folder / "authorized_keys"
    known = authorized.read_text()
    authorized.write_text("")
    reply = awaited(shared, "stranger")
    assert_failed(shared, reply, 502, "backup_failed", "ssh_auth_failed")
    authorized.write_text(known)
    assert_mended(shared, "stranger")


def test_a_full_disk(shared, folder):
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small], check=True)
    try:
        one = Setup(shared, "full", count=0, files=40, size=300_000)
        one.repositories = [str(small / "repo")]
        borg.make_repository(one.home, one.repositories[0])
        one.write(compression="none")
        reply = awaited(shared, "full")
        assert_failed(shared, reply, 502, "backup_failed", "disk_full")
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        assert_mended(shared, "full")
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_a_hook_that_fails_and_one_that_fails_softly(shared):
    one = Setup(shared, "hooked", before_backup=["echo it broke; exit 3"])
    reply = awaited(shared, "hooked")
    record = assert_failed(shared, reply, 502, "backup_failed", "hook_failed")
    assert "it broke" in shared.read.get(f"/jobs/{record['id']}/log").text
    assert "it broke" in reply.json["stderr"] + reply.json["stdout"]
    one.write(before_backup=["exit 75"])
    reply = awaited(shared, "hooked")
    assert reply.status == 200
    record = shared.job(reply.json["job_id"])
    assert (record["state"], record["verdict"]["word"]) == ("warning", "skipped_by_hook")
    assert one.archives() == []
    one.write(before_backup=None)
    assert_mended(shared, "hooked")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_borg_killed_from_outside_is_never_a_success(shared, sent):
    label = f"killed{int(sent)}"
    one = Setup(shared, label, files=80, size=1_000_000, compression="lzma,9")
    job = shared.backup(label)["job_id"]
    wait_for(lambda: any(e["kind"] == "progress" and e["data"].get("files")
                         for e in shared.events(job)), 40, "borg reads files")
    for pid in real_borgs(job):
        os.kill(pid, sent)
    record = shared.wait_job(job)
    assert (record["state"], record["verdict"]["word"]) == ("failed", "borg_killed")
    assert marked_processes(job) == []
    one.write(compression="none")
    assert_mended(shared, label)


def real_borgs(job_id):
    """The pids of the job's borg itself: a Python program, not the shim of that name."""
    found = []
    for pid in marked_processes(job_id):
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"python" in argv[0] and argv[1].endswith(b"/borg"):
            found.append(pid)
    assert found
    return found

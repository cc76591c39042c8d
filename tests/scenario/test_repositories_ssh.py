"""Repositories behind a real sshd: the key has a passphrase, and may do nothing but
`borg serve --restrict-to-path`. The daemon runs under strace, so that secrets can be looked for in
every program's arguments and environment."""

import subprocess

import pytest

from fixtures.borg import Setup
from fixtures.harness import SANITIZED, Daemon, marked_processes
from fixtures.leaks import execve_trace, found_below, found_in
from fixtures.sshd import Sshd

OLD, NEW = "correct horse battery", "Other/pass \"word\" é%7"
SSH = "staple: \"of\" the 'key' %41 \\ é"
BOTH = {"borg_passphrase": OLD, "ssh_passphrase": SSH}
WAIT = {"Prefer": "wait=120"}


@pytest.fixture(scope="module")
def trace(module_folder):
    return module_folder / "trace"


@pytest.fixture(scope="module")
def far(module_folder, trace):
    prefix = [] if SANITIZED else execve_trace(trace)
    serve = f"borg serve --restrict-to-path {module_folder / 'there'}"
    (module_folder / "there").mkdir()
    with Sshd(module_folder / "sshd", command=serve) as sshd, \
            Daemon(module_folder / "d", prefix=prefix, LOG_LEVEL="debug") as d:
        one = Setup(d, "far", OLD, in_config=False, count=0, keep_daily=1, lock_wait=1)
        one.repositories = [sshd.location(module_folder / "there" / "repo")]
        one.write(ssh_command=sshd.rsh)
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SSH, "-f", str(sshd.key)],
                       check=True, capture_output=True)
        yield one


def post(one, what, headers=None, **body):
    return one.daemon.write.post(f"/repositories/far/{what}", body, headers)


def test_a_repository_is_made_read_and_looked_after(far):
    reply = post(far, "create", encryption="repokey", **BOTH)
    assert reply.status == 200 and reply.json["job"]["verdict"]["word"] == "repository_created", reply
    assert far.daemon.run_backup("far", **BOTH)["state"] == "succeeded"
    assert post(far, "info", **BOTH).json["data"][0]["encryption"]["mode"] == "repokey"
    reply = post(far, "latest-stats", **BOTH)
    assert reply.json["data"][0]["archives"][0]["stats"]["nfiles"] >= len(far.files), reply
    for what, word in (("check", "check_ok"), ("prune", "pruned"), ("compact", "compacted")):
        reply = post(far, what, WAIT, **BOTH)
        assert reply.status == 200 and reply.json["job"]["verdict"]["word"] == word, reply
    assert reply.json["job"]["result"]["repositories"][0]["exit_code"] == 0


@pytest.mark.parametrize("what", ["info", "check", "passphrase/change"])
def test_without_the_keys_passphrase_nobody_is_let_in(far, what):
    reply = post(far, what, WAIT, borg_passphrase=OLD,
                 **({"new_borg_passphrase": NEW} if "change" in what else {}))
    assert reply.status == 502 and reply.json["error"] == "command_failed", reply
    job = reply.json["job"]
    assert job["state"] == "failed" and job["ended"] - job["started"] < 20
    assert marked_processes(job["id"]) == []


def test_the_passphrase_is_changed_over_ssh(far):
    reply = post(far, "passphrase/change", new_borg_passphrase=NEW, **BOTH)
    assert reply.status == 200 and reply.json["job"]["verdict"]["word"] == "passphrase_changed", reply
    assert reply.json["config_needs_update"] is False
    reply = post(far, "info", **BOTH)
    assert reply.status == 422 and reply.json["error"] == "wrong_passphrase", reply
    assert post(far, "info", borg_passphrase=NEW, ssh_passphrase=SSH).status == 200


def test_the_key_is_exported_over_ssh(far):
    reply = post(far, "key/export", confirm="far", ssh_passphrase=SSH)
    assert reply.status == 200 and reply.json["key"].startswith("BORG_KEY "), reply


def test_no_secret_was_in_arguments_environment_log_or_state(far, trace):
    secrets = [OLD, NEW, SSH]
    if not SANITIZED:
        text = trace.read_bytes()
        assert b"change-passphrase" in text and text.count(b"execve(") > 40
        assert found_in(secrets, text) == []
    assert found_in(secrets, far.daemon.log_path.read_bytes()) == []
    assert found_below(secrets, far.daemon.state) == []
    for record in far.daemon.read.get("/jobs?limit=500").json["jobs"]:
        events = str(far.daemon.events(record["id"]))
        assert found_in(secrets, (str(record) + events).encode()) == []

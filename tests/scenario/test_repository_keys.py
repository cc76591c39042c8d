"""A repository's passphrase changed, and its key exported."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, marked_processes, wait_for
from fixtures.leaks import found_below
from fixtures.repositories import PASSPHRASE, fails, names_field, one, planned, post
from scenario.test_failures import held_lock


# ---- passphrase/change ----

NEW = "another: \"horse\" \\ %41 'é"


def opens(one, passphrase, n=0):
    return borg.borg(one.home, "list", one.repositories[n], passphrase=passphrase,
                     check=False).returncode == 0


@pytest.fixture(scope="module")
def keys(module_folder):
    with Daemon(module_folder / "keys", AUDIT_LOG_PATH=module_folder / "audit") as d:
        yield d


def test_the_passphrase_is_changed_and_the_change_proved(keys):
    one = Setup(keys, "pass", PASSPHRASE)
    reply = post(keys, "pass", "passphrase/change", borg_passphrase=PASSPHRASE,
                 new_borg_passphrase=NEW)
    assert reply.status == 200 and reply.json["returncode"] == 0, reply
    assert reply.json["config_needs_update"] is True
    job = reply.json["job"]
    assert job["verdict"]["word"] == "passphrase_changed", job
    assert [s["stage"] if isinstance(s, dict) and "stage" in s else s["name"]
            for s in job["stages"]][-3:] == ["change", "old_is_refused", "new_opens"]
    assert opens(one, NEW) and not opens(one, PASSPHRASE)
    fails(keys, keys.read.get("/repositories/pass/info"), 422, "wrong_passphrase")
    for text in (reply.text, str(keys.events(job["id"])), keys.log()):
        assert NEW not in text and PASSPHRASE not in text and json.dumps(NEW) not in text


def test_a_keyfile_and_a_passphrase_that_the_config_lacks(keys):
    planned(keys, "keyfile")
    given = {"borg_passphrase": PASSPHRASE}
    assert post(keys, "keyfile", "create", encryption="keyfile", **given).status == 200
    names_field(post(keys, "keyfile", "passphrase/change", new_passphrase=NEW), "borg_passphrase")
    reply = post(keys, "keyfile", "passphrase/change", new_passphrase=NEW, **given)
    assert reply.status == 200 and reply.json["config_needs_update"] is False, reply
    assert keys.read.post("/repositories/keyfile/info", {"borg_passphrase": NEW}).status == 200


def test_one_of_several_repositories_has_to_be_named(keys):
    one = Setup(keys, "double", PASSPHRASE, count=2)
    body = {"borg_passphrase": PASSPHRASE, "new_borg_passphrase": NEW}
    names_field(post(keys, "double", "passphrase/change", **body), "repository_label")
    names_field(post(keys, "double", "key/export", confirm="double"), "repository_label")
    reply = post(keys, "double", "passphrase/change", repository_label="repo-double-1", **body)
    assert reply.status == 200, reply
    assert opens(one, NEW, 1) and opens(one, PASSPHRASE, 0)


def test_a_wrong_old_passphrase_and_other_troubles_change_nothing(keys):
    one = Setup(keys, "stay", PASSPHRASE, in_config=False, lock_wait=1)
    reply = post(keys, "stay", "passphrase/change", borg_passphrase="another passphrase",
                 new_borg_passphrase=NEW)
    fails(keys, reply, 422, "wrong_passphrase", "wrong_passphrase")
    assert reply.json["job"]["result"]["changed"] is False
    body = {"borg_passphrase": PASSPHRASE, "new_borg_passphrase": NEW}
    with held_lock(one.home, one.repository, PASSPHRASE):
        fails(keys, post(keys, "stay", "passphrase/change", **body), 423, "repository_locked")
        reply = post(keys, "stay", "passphrase/change", timeout=1, **body)
        assert reply.status in (408, 423) and marked_processes(reply.json["job_id"]) == []
    os.rename(one.repository, one.repository + ".away")
    fails(keys, post(keys, "stay", "passphrase/change", **body), 404, "repository_not_found")
    os.rename(one.repository + ".away", one.repository)
    assert opens(one, PASSPHRASE)
    Setup(keys, "nokey")
    reply = post(keys, "nokey", "passphrase/change", **body)
    fails(keys, reply, 400, "bad_request", "not_encrypted")


def test_what_a_change_refuses(keys):
    Setup(keys, "rules", PASSPHRASE)
    given = {"borg_passphrase": PASSPHRASE}
    for new in ("", "short", "a\nb1234567", 5, "x" * 1025):
        names_field(post(keys, "rules", "passphrase/change", new_borg_passphrase=new, **given),
                    "new_borg_passphrase")
    names_field(post(keys, "rules", "passphrase/change", **given), "new_borg_passphrase")
    # The configuration's own is the present one when none is given.
    names_field(post(keys, "rules", "passphrase/change", new_borg_passphrase=PASSPHRASE),
                "new_borg_passphrase")
    reply = post(keys, "rules", "passphrase/change", new_borg_passphrase=PASSPHRASE, **given)
    assert reply.status == 400 and "new_borg_passphrase" in reply.json["message"], reply
    names_field(post(keys, "rules", "passphrase/change", new_borg_passphrase=NEW,
                     new_passphrase="yet another one", **given), "new_passphrase")
    names_field(post(keys, "rules", "passphrase/change", new_borg_passphrase=NEW,
                     ssh_passphrase=NEW, **given), "ssh_passphrase")
    assert keys.read.post("/repositories/rules/passphrase/change", {}).status == 403


def test_a_daemon_killed_meanwhile_says_that_it_does_not_know(daemon):
    one = Setup(daemon, "cut", PASSPHRASE)
    job = daemon.write.post("/repositories/cut/passphrase/change",
                            {"borg_passphrase": PASSPHRASE, "new_borg_passphrase": NEW},
                            {"Prefer": "respond-async"}).json["job_id"]
    wait_for(lambda: marked_processes(job), 30, "borg runs")
    daemon.kill()
    daemon.start()
    record = daemon.wait_job(job, 60)
    assert record["state"] == "interrupted", record
    assert "the old one or the new one opens" in record["verdict"]["sentence"], record["verdict"]
    assert opens(one, PASSPHRASE) != opens(one, NEW)


def test_a_change_can_be_switched_off(folder):
    with Daemon(folder / "off", ENABLE_PASSPHRASE_CHANGE="false") as d:
        reply = post(d, "one", "passphrase/change", new_borg_passphrase=NEW)
        assert reply.status == 403 and reply.json["error"] == "disabled_by_policy", reply


# ---- key/export ----

def test_the_key_is_exported_to_its_caller_and_nowhere_else(keys):
    one = Setup(keys, "key", PASSPHRASE)
    names_field(post(keys, "key", "key/export"), "confirm", 428)
    reply = post(keys, "key", "key/export", confirm="key")
    assert reply.status == 200 and reply.json["format"] == "plain", reply
    key = reply.json["key"]
    assert key.startswith("BORG_KEY ") and reply.json["stdout"] == ""
    path = keys.folder / "exported"
    path.write_text(key)
    borg.borg(one.home, "key", "import", one.repository, path)
    assert opens(one, PASSPHRASE)
    path.unlink()
    paper = post(keys, "key", "key/export", confirm="key", format="paper").json["key"]
    assert "BORG PAPER KEY" in paper
    secret = key.splitlines()[3]
    job = reply.json["job_id"]
    assert secret not in str(keys.job(job)) + str(keys.events(job)) + keys.log()
    assert found_below([secret], keys.state) == []
    audit = [json.loads(line) for line in
             Path(keys.env["AUDIT_LOG_PATH"]).read_text().splitlines()]
    assert [(a["action"], a["label"]) for a in audit][:1] == [("key_export", "key")]


def test_what_an_export_refuses(keys, module_folder):
    Setup(keys, "refused", PASSPHRASE)
    names_field(post(keys, "refused", "key/export", confirm="other"), "confirm", 428)
    names_field(post(keys, "refused", "key/export", confirm="refused", format="qr"), "format")
    names_field(post(keys, "refused", "key/export", confirm="refused", to="/tmp/x"), "to")
    assert keys.read.post("/repositories/refused/key/export", {"confirm": "refused"}).status == 403
    Setup(keys, "plainrepo")
    reply = post(keys, "plainrepo", "key/export", confirm="plainrepo")
    fails(keys, reply, 400, "bad_request", "not_encrypted")


def test_without_its_line_in_the_audit_log_no_key_is_exported(folder):
    full = folder / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", full], check=True)
    try:
        with Daemon(folder / "d", AUDIT_LOG_PATH=full / "audit") as d:
            Setup(d, "audited")
            (full / "filler").write_bytes(b"x" * 4096)
            reply = post(d, "audited", "key/export", confirm="audited")
            assert reply.status == 503 and reply.json["error"] == "unavailable", reply
            assert "audit" in reply.json["message"]
            assert d.read.get("/jobs?limit=5").json["jobs"] == []
            (full / "filler").unlink()  # without a key, but it is asked for one
            reply = post(d, "audited", "key/export", confirm="audited")
            fails(d, reply, 400, "bad_request", "not_encrypted")
    finally:
        subprocess.run(["umount", "-l", full], check=True)

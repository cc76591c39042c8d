"""What is asked of repositories and done to them, on real borg."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import SCALE, Daemon, marked_processes
from fixtures.leaks import found_below

from scenario.test_failures import held_lock

PASSPHRASE = "correct horse battery"
WAIT = {"Prefer": "wait=120"}


def post(daemon, label, what, headers=None, **body):
    return daemon.write.post(f"/repositories/{label}/{what}", body, headers)


def fails(daemon, reply, status, error, word=None):
    assert reply.status == status and reply.json["error"] == error, reply
    assert reply.json["ok"] is False and reply.json["message"]
    if word:
        record = daemon.job(reply.json["job_id"])
        assert (record["state"], record["verdict"]["word"]) == ("failed", word), record["verdict"]
        assert marked_processes(record["id"]) == []


def names_field(reply, field, status=400):
    assert reply.status == status, reply
    assert field in [e["field"] for e in reply.json["errors"]], reply


@pytest.fixture(scope="module")
def one(shared):
    """Two archives, the passphrase in the configuration."""
    made = Setup(shared, "one", PASSPHRASE, keep_daily=1, lock_wait=1)
    for name in ("first", "second"):
        borg.borg(made.home, "create", f"{made.repository}::{os.uname().nodename}-{name}",
                  made.source, passphrase=PASSPHRASE)
    return made


# ---- info, latest-stats ----

def test_info_gives_borgs_answer_and_a_text_for_people(shared, one):
    for reply in (shared.read.get("/repositories/one/info"),
                  shared.read.post("/repositories/one/info", {})):
        assert reply.status == 200 and reply.json["ok"] is True, reply
        found, = reply.json["data"]
        assert reply.json["returncode"] == 0 and found["encryption"]["mode"] == "repokey"
        assert found["repository"]["label"] == "repo-one-0"
        assert f"Repository ID: {found['repository']['id']}\n" in reply.json["stdout"]
        assert "All archives:" in reply.json["stdout"] and "job" in reply.json
        assert "stderr" in reply.json


def test_the_latest_stats_are_the_newest_archives(shared, one):
    reply = shared.read.get("/repositories/one/latest-stats")
    assert reply.status == 200, reply
    found, = reply.json["data"]
    archive, = found["archives"]
    assert archive["name"].endswith("-second") and archive["stats"]["nfiles"] == len(one.files)
    assert found["cache"]["stats"]["total_chunks"] and found["repository"]["label"] == "repo-one-0"


def test_a_passphrase_that_the_config_lacks_can_be_given(shared):
    Setup(shared, "given", PASSPHRASE, in_config=False)
    for what in ("info", "latest-stats"):
        path = f"/repositories/given/{what}"
        fails(shared, shared.read.get(path), 422, "wrong_passphrase", "no_passphrase")
        reply = shared.read.post(path, {"borg_passphrase": "another passphrase"})
        fails(shared, reply, 422, "wrong_passphrase", "wrong_passphrase")
        assert "passphrase" in reply.json["stderr"]
        reply = shared.read.post(path, {"borg_passphrase": PASSPHRASE})
        assert reply.status == 200 and len(reply.json["data"]) == 1, reply


def contents(folder):
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def test_reading_changes_no_byte_of_a_repository(shared, one):
    before = contents(one.repository)
    for what, body in (("info", {}), ("latest-stats", {}), ("key/export", {"confirm": "one"})):
        assert post(shared, "one", what, **body).status == 200
    assert contents(one.repository) == before


def test_several_repositories_answer_together_or_one_alone(shared):
    two = Setup(shared, "pair", count=2)
    reply = shared.read.get("/repositories/pair/info")
    assert [d["repository"]["label"] for d in reply.json["data"]] == ["repo-pair-0", "repo-pair-1"]
    assert [r["verdict"]["word"] for r in reply.json["job"]["result"]["repositories"]] == ["read"] * 2
    reply = shared.read.get("/repositories/pair/info?repository_label=repo-pair-1")
    assert [d["repository"]["label"] for d in reply.json["data"]] == ["repo-pair-1"]
    names_field(shared.read.get("/repositories/pair/info?repository_label=nosuch"),
                "repository_label")
    away = Path(two.repositories[1] + ".away")
    os.rename(two.repositories[1], away)
    reply = shared.read.get("/repositories/pair/info")
    fails(shared, reply, 404, "repository_not_found", "repository_not_found")
    words = [r["verdict"]["word"] for r in reply.json["job"]["result"]["repositories"]]
    assert words == ["read", "repository_not_found"]


def test_what_reading_refuses(shared, one):
    read = shared.read
    assert read.get("/repositories/nosuch/info").status == 404
    assert read.get("/repositories/nosuch/latest-stats").status == 404
    for what in ("info", "latest-stats"):
        path = f"/repositories/one/{what}"
        names_field(read.get(path + "?timeout=0"), "timeout")
        names_field(read.post(path, {"timeout": "5"}), "timeout")
        names_field(read.post(path, {"process_timeout": 0}), "process_timeout")
        names_field(read.post(path, {"borg_passphrase": 5}), "borg_passphrase")
        names_field(read.post(path, {"repository_label": ""}), "repository_label")
        names_field(read.post(path, {"other": 1}), "other")
        names_field(read.post(path, {"borg_passphrase": "the same one",
                                     "ssh_passphrase": "the same one"}), "ssh_passphrase")
    assert shared.anyone.get("/repositories/one/info").status == 401


# ---- check ----

def test_a_check_is_answered_at_once_and_ends_with_a_verdict(shared, one):
    reply = post(shared, "one", "check")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    assert reply.json["pid"] and reply.json["job_id"].startswith("check:one:")
    assert "/events/stream" in reply.json["sse"]
    record = shared.wait_job(reply.json["job_id"])
    assert (record["state"], record["verdict"]["word"]) == ("succeeded", "check_ok"), record
    assert record["result"]["repositories"][0]["exit_code"] == 0


@pytest.mark.parametrize("only", ["repository", "archives", "data", "extract"])
def test_a_part_of_the_check_alone(shared, one, only):
    reply = post(shared, "one", "check", WAIT, only=only)
    assert reply.status == 200, reply
    assert reply.json["job"]["verdict"]["word"] == "check_ok", reply


def test_a_check_that_checks_nothing_says_so(shared):
    one = Setup(shared, "idle", checks=[{"name": "repository", "frequency": "1 month"}])
    assert post(shared, "idle", "check", WAIT, force=False).json["job"]["verdict"]["word"] == "check_ok"
    reply = post(shared, "idle", "check", WAIT, force=False)
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    assert reply.json["job"]["verdict"]["word"] == "check_skipped"
    entry, = reply.json["job"]["result"]["repositories"]
    assert entry["verdict"]["word"] == "check_skipped" and entry["exit_code"] is None
    assert post(shared, "idle", "check", WAIT).json["job"]["verdict"]["word"] == "check_ok"
    one.write(before_check=None)


def damage(repository):
    """Turns over bytes in the middle of the largest segment."""
    largest = max(Path(repository, "data").rglob("*"), key=lambda p: p.stat().st_size * p.is_file())
    with open(largest, "r+b") as f:
        f.seek(largest.stat().st_size // 2)
        old = f.read(16)
        f.seek(-len(old), os.SEEK_CUR)
        f.write(bytes(b ^ 0xFF for b in old))


def test_faults_are_a_failure_and_a_repair_needs_a_word(shared):
    one = Setup(shared, "broken")
    shared.run_backup("broken")
    damage(one.repository)
    reply = post(shared, "broken", "check", WAIT)
    fails(shared, reply, 502, "command_failed", "check_found_faults")
    entry, = reply.json["job"]["result"]["repositories"]
    assert entry["exit_code"] == 1 and entry["verdict"]["evidence"]["messages"]
    before = len(shared.read.get("/jobs?limit=500").json["jobs"])
    for confirm in ({}, {"confirm": "other"}):
        names_field(post(shared, "broken", "check", repair=True, **confirm), "confirm", 428)
    assert len(shared.read.get("/jobs?limit=500").json["jobs"]) == before
    spill = one.path.parent.parent / "environment"
    one.write(before_check=[f"env > {spill}"])
    reply = post(shared, "broken", "check", WAIT, repair=True, confirm="broken")
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    assert reply.json["job"]["verdict"]["word"] == "check_repaired"
    assert "I_KNOW_WHAT" not in spill.read_text()  # a hook's own borg still asks
    one.write(before_check=None)
    reply = post(shared, "broken", "check", WAIT)
    assert reply.json["job"]["verdict"]["word"] == "check_ok", reply


def test_what_check_refuses(shared, one):
    names_field(post(shared, "one", "check", only="everything"), "only")
    names_field(post(shared, "one", "check", force="yes"), "force")
    names_field(post(shared, "one", "check", repair=1), "repair")
    names_field(post(shared, "one", "check", max_duration=0), "max_duration")
    names_field(post(shared, "one", "check", verbosity=3), "verbosity")
    names_field(post(shared, "one", "check", repair=True, confirm="one", max_duration=5),
                "max_duration")
    assert post(shared, "nosuch", "check").status == 404
    if borg.version() < (1, 8, 10):
        names_field(post(shared, "one", "check", only="spot"), "only", 501)
    if borg.version() < (1, 8, 15):
        names_field(post(shared, "one", "check", max_duration=5), "max_duration", 501)


@pytest.mark.parametrize("what", ["check", "prune", "compact"])
def test_a_missing_a_locked_and_a_closed_repository(shared, what):
    label = f"trouble{what}"
    one = Setup(shared, label, PASSPHRASE, in_config=False, keep_daily=1, lock_wait=1)
    given = {"borg_passphrase": PASSPHRASE}
    with held_lock(one.home, one.repository, PASSPHRASE):
        reply = post(shared, label, what, WAIT, **given)
        fails(shared, reply, 423, "repository_locked", "repository_locked")
    if what != "compact":  # borg compacts without the key
        reply = post(shared, label, what, WAIT, borg_passphrase="another passphrase")
        fails(shared, reply, 422, "wrong_passphrase", "wrong_passphrase")
    away = Path(one.repository + ".away")
    os.rename(one.repository, away)
    reply = post(shared, label, what, WAIT, **given)
    fails(shared, reply, 404, "repository_not_found", "repository_not_found")
    os.rename(away, one.repository)
    assert post(shared, label, what, WAIT, **given).status == 200


# ---- prune, compact ----

def test_prune_deletes_what_is_not_kept_and_compact_frees_it(shared):
    one = Setup(shared, "thin", keep_daily=1)
    host = os.uname().nodename
    for n in range(3):
        borg.borg(one.home, "create", f"{one.repository}::{host}-{n}", one.source)
    reply = post(shared, "thin", "prune", dry_run=True)
    assert reply.status == 200 and reply.json["job"]["verdict"]["word"] == "dry_run_ok", reply
    entry, = reply.json["job"]["result"]["repositories"]
    assert (entry["kept"], entry["pruned"]) == (1, 2) and len(one.archives()) == 3
    assert reply.json["job"]["result"]["dry_run"] is True
    reply = post(shared, "thin", "prune", stats=True)
    assert reply.status == 200 and reply.json["returncode"] == 0, reply
    assert reply.json["job"]["verdict"]["word"] == "pruned"
    entry, = reply.json["job"]["result"]["repositories"]
    assert (entry["kept"], entry["pruned"]) == (1, 2) and one.archives() == [f"{host}-2"]
    assert "Pruning archive" in reply.json["stdout"] and "Deleted data" in reply.json["stdout"]
    reply = post(shared, "thin", "compact", {"Prefer": "respond-async"}, threshold=5, progress=True)
    assert reply.status == 202 and reply.json["job_id"].startswith("compact:thin:"), reply
    record = shared.wait_job(reply.json["job_id"])
    assert (record["state"], record["verdict"]["word"]) == ("succeeded", "compacted"), record


def test_prune_without_a_rule_is_the_configurations_mistake(shared):
    one = Setup(shared, "norule")
    shared.run_backup("norule")
    reply = post(shared, "norule", "prune")
    fails(shared, reply, 422, "invalid_config", "no_retention")
    assert "keep" in reply.json["message"] and len(one.archives()) == 1


def test_what_prune_and_compact_refuse(shared, one):
    names_field(post(shared, "one", "prune", dry_run="true"), "dry_run")
    names_field(post(shared, "one", "prune", list=1), "list")
    names_field(post(shared, "one", "prune", stats=1), "stats")
    names_field(post(shared, "one", "prune", keep=1), "keep")
    names_field(post(shared, "one", "compact", threshold=100), "threshold")
    names_field(post(shared, "one", "compact", progress="no"), "progress")
    for what in ("prune", "compact", "check"):
        assert shared.read.post(f"/repositories/one/{what}", {}).status == 403
        assert post(shared, "nosuch", what).status == 404


@pytest.mark.parametrize("what", ["info", "latest-stats", "check", "prune", "compact", "create",
                                  "passphrase/change", "key/export"])
def test_past_its_time_nothing_is_left(shared, what):
    """The way to the repository's host is one that never says anything."""
    label = "slow-" + what.replace("/", "-")
    one = Setup(shared, label, count=0, keep_daily=1)
    one.repositories = ["ssh://nobody@127.0.0.1:1/./nowhere"]
    silent = shared.folder / "silent-rsh"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    one.write(ssh_command=str(silent))
    body = {"create": {"encryption": "none"}, "key/export": {"confirm": label},
            "passphrase/change": {"borg_passphrase": PASSPHRASE, "new_passphrase": "long enough"},
            }.get(what, {})
    began = time.monotonic()
    reply = post(shared, label, what, WAIT if what == "check" else None, timeout=2, **body)
    assert time.monotonic() - began < 12 * SCALE
    assert reply.status == 408 and reply.json["error"] == "timeout", reply
    assert marked_processes(reply.json["job_id"]) == []
    assert shared.job(reply.json["job_id"])["state"] == "timed_out"


# ---- create ----

def planned(daemon, label, count=1, **options):
    """A configuration whose repositories are not there yet."""
    one = Setup(daemon, label, count=0, **options)
    one.repositories = [str(daemon.folder / f"repo-{label}-{n}") for n in range(count)]
    return one.write()


@pytest.mark.parametrize("mode", ["none", "repokey", "keyfile-blake2", "authenticated"])
def test_a_repository_is_made_and_opened(shared, mode):
    label = f"make{mode}"
    planned(shared, label)
    body = {} if mode == "none" else {"borg_passphrase": PASSPHRASE}
    reply = post(shared, label, "create", encryption=mode, **body)
    assert reply.status == 200 and reply.json["ok"] is True and reply.json["returncode"] == 0, reply
    assert reply.json["command"][1] in ("rcreate", "repo-create")
    assert f"--encryption={mode}" in reply.json["command"] and PASSPHRASE not in reply.text
    job = reply.json["job"]
    assert job["verdict"]["word"] == "repository_created"
    entry, = job["result"]["repositories"]
    assert len(entry["id"]) == 64 and entry["encryption"].startswith(mode.split("-")[0])
    reply = post(shared, label, "create", encryption=mode, **body)
    fails(shared, reply, 409, "already_exists", "already_exists")
    reply = shared.read.post(f"/repositories/{label}/info", body)
    assert reply.json["data"][0]["repository"]["id"] == entry["id"]


def test_the_options_of_a_new_repository(shared):
    one = planned(shared, "options")
    one.repositories = [str(shared.folder / "above" / "repo")]
    one.write()
    reply = post(shared, "options", "create", encryption="none")
    fails(shared, reply, 404, "repository_not_found", "repository_not_found")
    reply = post(shared, "options", "create", encryption="none", append_only=True,
                 storage_quota="5G", make_parent_dirs=True)
    assert reply.status == 200, reply
    written = Path(one.repositories[0], "config").read_text()
    assert "append_only = 1" in written and "storage_quota = 5000000000" in written


def test_of_several_repositories_only_the_missing_are_made(shared):
    one = planned(shared, "some", count=2)
    borg.make_repository(one.home, one.repositories[0])
    reply = post(shared, "some", "create", encryption="none")
    assert reply.status == 200 and reply.json["state"] == "warning", reply
    assert reply.json["job"]["verdict"]["word"] == "some_existed"
    words = [r["verdict"]["word"] for r in reply.json["job"]["result"]["repositories"]]
    assert words == ["already_exists", "repository_created"]


def test_what_create_refuses(shared):
    planned(shared, "norepository")
    names_field(post(shared, "norepository", "create", encryption="rot13"), "encryption")
    names_field(post(shared, "norepository", "create", encryption="--json"), "encryption")
    names_field(post(shared, "norepository", "create"), "borg_passphrase")
    names_field(post(shared, "norepository", "create", append_only="x"), "append_only")
    names_field(post(shared, "norepository", "create", make_parent_dirs=1), "make_parent_dirs")
    for quota in ("-5G", "5X", "G", "5.G", "5 G"):
        names_field(post(shared, "norepository", "create", storage_quota=quota), "storage_quota")
    assert shared.read.post("/repositories/norepository/create", {}).status == 403
    assert not list(shared.folder.glob("repo-norepository*"))


def test_a_wrong_passphrase_does_not_make_a_second_repository(shared):
    one = Setup(shared, "there", PASSPHRASE, in_config=False)
    reply = post(shared, "there", "create", encryption="repokey", borg_passphrase="another one")
    # borgmatic before 1.8.9 tells no wrong passphrase from a missing repository; borg's init does.
    assert (reply.status, reply.json["error"]) in ((409, "already_exists"),
                                                   (422, "wrong_passphrase")), reply
    assert one.archives() == []


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

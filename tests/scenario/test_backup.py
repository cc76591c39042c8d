"""The main job: a real backup by real borgmatic into a real repository, and what is said of it."""

import json
import os
import shutil
import time
from pathlib import Path

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import SCALE, Daemon, marked_processes, wait_for
from fixtures.hooks import Gate

PASSPHRASE = "correct horse battery"


def the_archive(record, n=0):
    return record["result"]["repositories"][n]["archive"]


def status_events(daemon, job_id):
    return [json.loads(e["line"]) for e in daemon.events(job_id) if e["kind"] == "status"]


def test_a_backup_makes_an_archive_and_says_so(shared):
    one = Setup(shared, "plain", PASSPHRASE)
    answer = shared.backup("plain", stats=True, progress=True)
    assert answer["job_id"].startswith("create:") and answer["job_id"].count(":") == 1
    assert answer["official_daily_stop"]["skipped"] is True
    assert answer["official_daily_stop"]["reason"]
    assert answer["pid"] > 0
    assert f"job_id={answer['job_id'].replace(':', '%3A')}" in answer["sse"] \
        or f"job_id={answer['job_id']}" in answer["sse"]
    assert answer["poll"].endswith(f"/events/poll/{answer['job_id']}")

    record = shared.wait_job(answer["job_id"])
    assert record["state"] == "succeeded" and record["exit_code"] == 0
    assert record["verdict"]["word"] == "archive_created"
    assert record["verdict"]["sentence"] and record["verdict"]["evidence"]
    assert record["label"] == "plain" and record["kind"] == "create"
    assert record["requested_by"]["address"] == "127.0.0.1"
    assert record["queued"] <= record["started"] <= record["ended"] <= time.time()

    listed = one.archives()
    assert [the_archive(record)["name"]] == listed
    assert the_archive(record)["id"] == borg.archive_ids(one.home, one.repository,
                                                         PASSPHRASE)[listed[0]]
    stats = borg.archive_stats(one.home, one.repository, listed[0], PASSPHRASE)
    for name, value in stats.items():
        assert the_archive(record)[name] == value
    assert the_archive(record)["verified"] is True
    assert stats["original_size"] >= sum(one.files.values())
    assert not borg.is_locked(one.repository)
    assert [s["event"] for s in status_events(shared, answer["job_id"])] \
        == ["queued", "start", "success"]
    last = status_events(shared, answer["job_id"])[-1]
    assert last["state"] == "succeeded" and last["job_id"] == answer["job_id"]
    assert last["exit_code"] == 0


def watched_progress(daemon, label):
    """Progress as a live reader gets it: who comes later is given the newest alone."""
    with daemon.stream(daemon.backup(label)["job_id"]) as stream:
        events = list(stream.events(90 * SCALE))
    assert json.loads(events[-1].line)["state"] == "succeeded"
    return [e for e in events if e.kind == "progress"], events


def test_structured_progress_counts_up_and_the_second_run_estimates(shared):
    # long enough for a guess at the time left, which is not made in the first two seconds
    one = Setup(shared, "growing", files=60, size=450_000, compression="lzma,6")
    progress, events = watched_progress(shared, "growing")
    counted = [e.data["data"] for e in progress if e.data["data"].get("files")]
    assert len(counted) >= 3
    for before, after in zip(counted, counted[1:]):
        assert after["files"] >= before["files"]
        assert after["original_size"] >= before["original_size"]
    assert all("percent" not in p for p in counted)  # nothing to compare with yet
    assert any(str(one.source).lstrip("/") in p.get("path", "") for p in counted)
    assert counted[-1]["compressed_size"] > 0 and counted[-1]["deduplicated_size"] > 0
    # At most four a second, and one line of text a second for those who read only lines.
    times = [e.data["t"] for e in progress]
    for at in times:
        assert len([t for t in times if at <= t < at + 1]) <= 5  # one more where a phase ends
    text = [e.data["t"] for e in events if e.kind == "stderr" and " O " in e.line]
    assert text and all(later - earlier > 0.9 for earlier, later in zip(text, text[1:-1]))

    for name, size in one.files.items():  # all new content, so that it takes time again
        Path(name).write_bytes(os.urandom(size))
    progress, _ = watched_progress(shared, "growing")
    estimates = [e.data["data"] for e in progress if "percent" in e.data["data"]]
    assert estimates and all(p["estimate"] is True for p in estimates)
    assert all(0 <= p["percent"] <= 100 for p in estimates)
    assert any("eta_s" in p for p in estimates)


def test_the_passphrase_of_the_request_wins_over_the_configured_one(shared):
    one = Setup(shared, "given", PASSPHRASE, in_config=False)
    assert shared.run_backup("given", borg_passphrase=PASSPHRASE)["state"] == "succeeded"
    one.write(encryption_passphrase="not the right one")
    assert shared.run_backup("given", borg_passphrase=PASSPHRASE)["state"] == "succeeded"
    one.write(encryption_passphrase=PASSPHRASE)
    record = shared.run_backup("given", borg_passphrase="wrong passphrase")
    assert record["state"] == "failed" and record["verdict"]["word"] == "wrong_passphrase"
    assert shared.run_backup("given")["state"] == "succeeded"
    assert len(one.archives()) == 3


def test_several_repositories_each_have_their_record(shared):
    one = Setup(shared, "several", count=3)
    record = shared.run_backup("several")
    assert record["state"] == "succeeded"
    assert len(record["result"]["repositories"]) == 3
    for n, entry in enumerate(record["result"]["repositories"]):
        assert entry["repository"] == one.repositories[n] and entry["exit_code"] == 0
        assert entry["verdict"]["word"] == "archive_created"
        assert [entry["archive"]["name"]] == one.archives(n)


def test_one_bad_repository_of_several_fails_the_job_and_the_good_one_is_named(shared):
    one = Setup(shared, "mixed", count=2)
    shutil.rmtree(one.repositories[1])
    record = shared.run_backup("mixed")
    assert record["state"] == "failed"
    good, bad = record["result"]["repositories"]
    assert good["verdict"]["word"] == "archive_created"
    assert [good["archive"]["name"]] == one.archives(0)
    assert bad["verdict"]["word"] == "repository_not_found" and bad["archive"] is None


def test_a_dry_run_is_awaited_and_makes_no_archive(shared):
    one = Setup(shared, "dry", PASSPHRASE)
    reply = shared.write.post("/create-backup/dry-run", {"repository": "dry"})
    assert reply.status == 200, reply
    assert reply.json["ok"] is True and reply.json["returncode"] == 0
    assert isinstance(reply.json["stdout"], str) and isinstance(reply.json["stderr"], str)
    record = shared.job(reply.json["job_id"])
    assert record["state"] == "succeeded" and record["verdict"]["word"] == "dry_run_ok"
    assert one.archives() == []
    record = shared.run_backup("dry", dry_run=True)
    assert record["state"] == "succeeded" and one.archives() == []


def test_a_warning_is_a_warning_with_its_archive_and_the_file(shared):
    one = Setup(shared, "warned")
    missing = one.source / "vanished"
    # As a pattern root: of plain sources some versions drop those that do not exist.
    one.write(patterns=[f"R {one.source}", f"R {missing}"])
    record = shared.run_backup("warned")
    assert record["state"] == "warning", record
    assert the_archive(record)["name"] in one.archives()
    verdict = record["result"]["repositories"][0]["verdict"]
    assert verdict["word"] == record["verdict"]["word"] == "created_with_warnings"
    assert any("vanished" in str(f) for f in verdict["evidence"]["files"])


def test_a_second_backup_of_the_repository_is_409_with_the_first_ones_id(shared, folder):
    gate = Gate(folder)
    one = Setup(shared, "busy", before_backup=[gate.command])
    first = shared.backup("busy")["job_id"]
    wait_for(gate.is_reached, what="the first backup runs")
    reply = shared.write.post("/create-backup", {"repository": "busy"})
    assert reply.status == 409 and reply.json["error"] == "job_running"
    assert reply.json["job_id"] == first
    # Another config on the same repository is in the way as well.
    borg.write_config(shared.configs / "other.yaml", [one.source], one.repositories)
    reply = shared.write.post("/create-backup", {"repository": "other"})
    assert reply.status == 409 and reply.json["job_id"] == first
    gate.open()
    assert shared.wait_job(first)["state"] == "succeeded"
    assert shared.run_backup("other")["state"] == "succeeded"


def test_a_queued_backup_waits_its_turn_and_runs(shared, folder):
    gate = Gate(folder)
    one = Setup(shared, "queued", before_backup=[gate.command])
    first = shared.backup("queued")["job_id"]
    wait_for(gate.is_reached, what="the first backup runs")
    second = shared.backup("queued", queue=True)["job_id"]
    third = shared.backup("queued", queue=True)["job_id"]
    assert shared.job(second)["state"] == "queued" and shared.job(third)["state"] == "queued"
    listed = shared.read.get("/jobs?state=queued&label=queued").json["jobs"]
    assert {j["id"] for j in listed} == {second, third}
    assert shared.write.delete(f"/jobs/{third}").status in (200, 202)
    assert shared.wait_job(third)["state"] == "cancelled"
    gate.open()
    ended = [shared.wait_job(j) for j in (first, second)]
    assert [r["state"] for r in ended] == ["succeeded"] * 2
    assert ended[0]["ended"] <= ended[1]["started"]
    assert len(one.archives()) == 2


def test_cancel_ends_borg_frees_the_lock_and_leaves_no_process(shared):
    one = Setup(shared, "slow", files=80, size=1_000_000, compression="lzma,9")
    job = shared.backup("slow")["job_id"]
    wait_for(lambda: any(e["kind"] == "progress" and e["data"].get("files")
                         for e in shared.events(job)), 40, "borg reads files")
    assert borg.is_locked(one.repository) and marked_processes(job)
    assert shared.write.delete(f"/jobs/{job}").status in (200, 202)
    record = shared.wait_job(job)
    assert record["state"] == "cancelled"
    assert marked_processes(job) == [] and not borg.is_locked(one.repository)
    assert shared.write.delete(f"/jobs/{job}").status == 409
    one.write(compression="none")
    assert shared.run_backup("slow")["state"] == "succeeded"


def test_a_timeout_ends_the_backup_and_says_so(shared, folder):
    gate = Gate(folder)
    one = Setup(shared, "late", before_backup=[gate.command])
    job = shared.backup("late", timeout=1)["job_id"]
    record = shared.wait_job(job)
    assert record["state"] == "timed_out" and marked_processes(job) == []
    gate.close()
    reply = shared.write.post("/create-backup", {"repository": "late", "timeout": 1},
                              {"Prefer": "wait=60"})
    assert reply.status == 408 and reply.json["error"] == "timeout" and reply.json["job_id"]
    gate.open()
    assert shared.run_backup("late")["state"] == "succeeded"
    assert len(one.archives()) == 1


def test_the_same_idempotency_key_gives_the_same_job(shared):
    one = Setup(shared, "once")
    key = {"Idempotency-Key": "key-1"}
    first = shared.write.post("/create-backup", {"repository": "once"}, key)
    again = shared.write.post("/create-backup", {"repository": "once"}, key)
    assert first.status == again.status == 200
    assert first.json["job_id"] == again.json["job_id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert shared.wait_job(first.json["job_id"])["state"] == "succeeded"
    later = shared.write.post("/create-backup", {"repository": "once"}, key)
    assert later.json["job_id"] == first.json["job_id"]
    other = shared.write.post("/create-backup", {"repository": "once", "stats": True}, key)
    assert other.status == 422 and other.json["error"] == "idempotency_key_reused"
    assert len(one.archives()) == 1


def test_the_list_of_jobs_filters_and_pages(shared):
    everything = shared.read.get("/jobs?limit=500").json["jobs"]
    assert [j["queued"] for j in everything] == sorted((j["queued"] for j in everything),
                                                       reverse=True)
    ok = shared.read.get("/jobs?state=succeeded&kind=create&limit=500").json["jobs"]
    assert ok and all(j["state"] == "succeeded" and j["kind"] == "create" for j in ok)
    assert shared.read.get("/jobs?label=no-such").json["jobs"] == []
    paged, cursor = [], None
    while True:
        page = shared.read.get("/jobs?limit=3" + (f"&cursor={cursor}" if cursor else "")).json
        paged += page["jobs"]
        cursor = page.get("cursor")
        if not cursor:
            break
    assert [j["id"] for j in paged] == [j["id"] for j in everything]
    since = int(everything[3]["queued"])
    assert [j["id"] for j in shared.read.get(f"/jobs?since={since}&limit=500").json["jobs"]] \
        == [j["id"] for j in everything if j["queued"] >= since]


def test_the_log_of_a_job_is_plain_text_in_pieces(shared):
    job = shared.read.get("/jobs?label=several").json["jobs"][0]["id"]
    whole = shared.read.get(f"/jobs/{job}/log")
    assert whole.status == 200 and whole.headers["Content-Type"].startswith("text/plain")
    lines = [e["line"] for e in shared.events(job) if e["kind"] in ("stdout", "stderr")]
    assert whole.text.splitlines() == lines
    assert shared.read.get("/jobs/create:1/log").status == 404


def test_faults_of_the_caller_start_nothing(shared):
    before = len(shared.read.get("/jobs?limit=500").json["jobs"])
    cases = [
        ({}, 400, "bad_request"), ({"repository": 5}, 400, "bad_request"),
        ({"repository": "../plain"}, 400, "bad_request"),
        ({"repository": "plain\n"}, 400, "bad_request"),
        ({"repository": "-plain"}, 400, "bad_request"),
        ({"repository": "plain", "stats": "true"}, 400, "bad_request"),
        ({"repository": "plain", "verbosity": 9}, 400, "bad_request"),
        ({"repository": "plain", "timeout": 0}, 400, "bad_request"),
        ({"repository": "plain", "stat": True}, 400, "bad_request"),  # close to a known name
        ({"repository": "plain", "borg_passphrase": "one and the same",
          "ssh_passphrase": "one and the same"}, 400, "invalid_secrets"),
        ({"repository": "plain", "ssh_passphrase": "short"}, 400, None),
        ({"repository": "nowhere"}, 404, "not_found"),
    ]
    for body, status, word in cases:
        reply = shared.write.post("/create-backup", body)
        assert reply.status == status, (body, reply)
        assert reply.json["ok"] is False and (word is None or reply.json["error"] == word), body
    assert len(shared.read.get("/jobs?limit=500").json["jobs"]) == before


def test_an_unknown_field_is_ignored_and_listed_unless_strict(shared):
    Setup(shared, "lenient")
    body = {"repository": "lenient", "flavour": "vanilla"}
    reply = shared.write.post("/create-backup", body, {"Prefer": "handling=strict"})
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "flavour"
    reply = shared.write.post("/create-backup", body)
    assert reply.status == 200 and reply.json["ignored"] == ["flavour"]
    shared.wait_job(reply.json["job_id"])


def test_respond_async_answers_202_with_the_job(shared):
    Setup(shared, "later")
    reply = shared.write.post("/create-backup/dry-run", {"repository": "later"},
                              {"Prefer": "respond-async"})
    assert reply.status == 202 and reply.json["job_id"]
    assert shared.wait_job(reply.json["job_id"])["state"] == "succeeded"


def test_an_aio_that_is_named_must_be_there(folder):
    host = f"unix://{folder}/none"
    with Daemon(folder / "d", AIO_MASTER="nextcloud-aio-mastercontainer", DOCKER_HOST=host) as d:
        Setup(d, "one")
        reply = d.write.post("/create-backup", {"repository": "one"})
        assert reply.status == 503 and reply.json["error"] == "docker_connection_refused", reply
        assert reply.json["hint"] and reply.json["proxy_mode"] is False
        assert d.read.get("/jobs").json["jobs"] == []
    with Daemon(folder / "e", AIO_MASTER=None, DOCKER_HOST=host) as d:
        Setup(d, "one")
        answer = d.backup("one")
        assert answer["official_daily_stop"]["skipped"] is True and answer["pid"] > 0, answer

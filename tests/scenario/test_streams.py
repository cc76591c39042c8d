"""Watching a job: cut anywhere and resumed, nothing comes twice and nothing is missing unsaid."""

import json
import random
import threading
import time

import pytest

from fixtures.borg import Setup
from fixtures.harness import HEADER, SANITIZED, SCALE, SEED, Daemon, wait_for
from fixtures.hooks import Gate, Lines
from fixtures.sse import Stream

CUTS = 20 if SANITIZED else 100


class Follower:
    """Reads a job's stream in pieces of chance size and comes back with Last-Event-ID."""

    def __init__(self, daemon, job_id, query="", seed=0):
        self.daemon, self.job, self.query = daemon, job_id, query
        self.chance, self.last_id = random.Random(SEED + seed), None
        self.got, self.cuts, self.ended = [], 0, False

    def once(self, max_bytes=None):
        """One connection; True when the stream ended well."""
        headers = {"Last-Event-ID": self.last_id} if self.last_id is not None else {}
        with self.daemon.stream(self.job, self.query, **headers) as stream:
            if stream.status == 204:
                self.ended = True
                return True
            assert stream.status == 200, stream.body()
            for event in stream.events(60 * SCALE, max_bytes):
                self.got.append(event)
            self.last_id = stream.last_id or self.last_id
            return stream.ended and stream.clean

    def follow(self, cuts):
        while self.cuts < cuts:
            if self.once(self.chance.randrange(1, 4000)):
                return self
            self.cuts += 1
        assert self.once()
        return self

    def lines(self):
        return [e.line for e in self.got
                if e.kind in ("stdout", "stderr") and e.line.startswith("line ")]


def assert_nothing_twice_nothing_missing(follower):
    """Ids only rise; what may be missing among them is progress that newer progress replaced."""
    ids = [int(e.id) for e in follower.got if e.kind != "heartbeat"]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("kinds", ["", "&kinds=stderr"])
def test_a_stream_cut_a_hundred_times_is_the_childs_own_copy(shared, kinds):
    label = "cut" + kinds.strip("&").replace("=", "")
    lines = Lines(shared.folder, 6 * SCALE, 0.002, 40, name=label)
    Setup(shared, label, before_backup=[lines.command])
    job = shared.backup(label)["job_id"]
    wait_for(lines.written, 20, "the hook writes")
    follower = Follower(shared, job, kinds).follow(CUTS)
    assert follower.cuts >= CUTS
    assert follower.lines() == [line for _, _, line in lines.written()]
    assert_nothing_twice_nothing_missing(follower)
    assert not [e for e in follower.got if e.kind == "gap"]
    if kinds:
        assert {e.kind for e in follower.got} <= {"stderr", "status", "heartbeat"}
    last = json.loads(follower.got[-1].line)  # kinds never hides the terminal status
    assert follower.got[-1].kind == "status" and last["state"] == "succeeded"
    follower.once()
    assert follower.ended, "a reconnect after the end gets 204"


def test_a_stream_resumes_over_a_kill_of_the_daemon(daemon):
    lines = Lines(daemon.folder, 30, 0.002, name="killed")
    Setup(daemon, "killed", before_backup=[lines.command])
    job = daemon.backup("killed")["job_id"]
    wait_for(lines.written, 20, "the hook writes")
    follower = Follower(daemon, job)
    for _ in range(20):
        follower.once(follower.chance.randrange(1, 6000))
    killed_at = time.time()
    daemon.kill()
    daemon.start()
    follower.follow(30)
    assert_nothing_twice_nothing_missing(follower)
    expected = [line for _, stamp, line in lines.written() if stamp < killed_at - 0.2]
    got = follower.lines()
    assert got[:len(expected)] == expected
    assert got == [line for _, _, line in lines.written()][:len(got)]
    # Ids go on above what the former life had reserved, and a gap says what lies between.
    gaps = [e.data["data"] for e in follower.got if e.kind == "gap"]
    before = max(int(e.id) for e in follower.got if e.kind == "stderr")
    assert any(g["from"] == before + 1 for g in gaps), (before, gaps)
    assert json.loads(follower.got[-1].line)["state"] == "interrupted"
    follower.once()
    assert follower.ended


def test_the_head_of_a_stream_is_right(shared):
    job = finished(shared)
    with shared.stream(job) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] in ("no-cache", "no-store")
        assert stream.headers["x-accel-buffering"] == "no"
        events = list(stream.events(20))
        assert stream.clean and stream.frames.retry
    assert [e.id for e in events] == [str(e.data["id"]) for e in events]
    assert {"id", "t", "kind", "line"} <= set(events[0].data)


def finished(shared, label="finished"):
    """A job that has ended, made once."""
    listed = shared.read.get(f"/jobs?label={label}").json["jobs"]
    if listed:
        return listed[0]["id"]
    Setup(shared, label)
    return shared.run_backup(label)["id"]


def test_cursor_and_last_event_id_start_where_they_say(shared):
    job = finished(shared)
    with shared.stream(job) as stream:
        all_ids = [int(e.id) for e in stream.events(20)]
    middle = all_ids[len(all_ids) // 2]
    with shared.stream(job, f"&cursor={middle}") as stream:
        assert [int(e.id) for e in stream.events(20)] == [i for i in all_ids if i >= middle]
    with shared.stream(job, "&cursor=0", **{"Last-Event-ID": str(middle)}) as stream:
        assert [int(e.id) for e in stream.events(20)] == [i for i in all_ids if i > middle]
    with shared.stream(job, **{"Last-Event-ID": str(all_ids[-1])}) as stream:
        assert stream.status == 204
    for bad in ("&cursor=-1", "&cursor=x", "&kinds=nonsense", "&kinds="):
        with shared.stream(job, bad) as stream:
            assert stream.status == 400, bad


def test_an_unknown_job_is_404_on_stream_and_poll(shared):
    with shared.stream("create:1") as stream:
        assert stream.status == 404 and json.loads(stream.body())["error"] == "not_found"
    assert shared.read.get("/events/poll/create:1").status == 404
    assert shared.read.get("/jobs/create:1").status == 404


def test_poll_gives_the_same_items_as_the_stream(shared):
    job = finished(shared)
    polled = shared.events(job)
    with shared.stream(job, "&kinds=stdout,stderr,status,progress,stage,done") as stream:
        streamed = [e.data for e in stream.events(20)]
    assert polled == streamed
    ids = [e["id"] for e in polled]
    assert ids[0] == 0 and ids == sorted(set(ids))
    first = shared.read.get(f"/events/poll/{job}").json
    assert first["ok"] is True and first["cursor"] == first["items"][-1]["id"] + 1
    assert len(first["items"]) <= 200
    assert shared.read.get(f"/events/poll/{job}?wait=61").status == 400
    assert shared.read.get(f"/events/poll/{job}?cursor=x").status == 400


def test_a_long_poll_answers_as_soon_as_there_is_something(shared, folder):
    gate = Gate(folder)
    Setup(shared, "long", before_backup=[gate.command])
    job = shared.backup("long")["job_id"]
    wait_for(gate.is_reached, what="the backup waits")
    cursor = shared.events(job)[-1]["id"] + 1
    started, answer = time.monotonic(), {}

    def ask():
        answer["reply"] = shared.read.get(f"/events/poll/{job}?cursor={cursor}&wait=30")
        answer["took"] = time.monotonic() - started

    waiting = threading.Thread(target=ask)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive(), "it waits while there is nothing"
    gate.open()
    waiting.join(20 * SCALE)
    assert answer["reply"].json["items"] and answer["took"] < 10 * SCALE
    empty_after = time.monotonic()
    shared.wait_job(job)
    cursor = shared.events(job)[-1]["id"] + 1
    assert shared.read.get(f"/events/poll/{job}?cursor={cursor}&wait=5").json["items"] == []
    assert time.monotonic() - empty_after < 30 * SCALE


def test_heartbeats_come_while_nothing_happens(folder):
    with Daemon(folder / "d", APP_SSE_HEARTBEAT_SEC=1) as d:
        gate = Gate(folder)
        Setup(d, "quiet", before_backup=[gate.command])
        job = d.backup("quiet")["job_id"]
        beats, after = 0, None
        with d.stream(job) as stream:
            for event in stream.events(30 * SCALE):
                if event.kind == "heartbeat":
                    beats += 1
                    assert set(event.data) == {"t"}
                    after = stream.last_id
                if beats == 3:
                    gate.open()
                    beats += 1
        assert beats >= 4 and after is not None  # a heartbeat has no id of its own


def test_the_stream_of_all_jobs_carries_each_with_its_id(shared):
    one, two = Setup(shared, "all1"), Setup(shared, "all2")
    auth = {"Authorization": f"Bearer {shared.read_token}", "X-From-NodeRed": HEADER}
    with Stream(shared.port, "/events/stream", auth) as stream:
        jobs = {shared.backup(s.label)["job_id"] for s in (one, two)}
        ended, ids = set(), []
        for event in stream.events(60 * SCALE):
            if event.kind == "heartbeat":
                continue
            if event.kind != "progress":  # of which a later reader gets the newest alone
                ids.append(int(event.id))
            if event.kind == "status" and "exit_code" in event.line:
                ended.add(event.data["job_id"])
            if ended == jobs:
                break
    assert ids == sorted(set(ids))
    with Stream(shared.port, "/events/stream", {**auth, "Last-Event-ID": str(ids[0])}) as stream:
        again = []
        for event in stream.events(30 * SCALE):
            if event.kind not in ("heartbeat", "progress"):
                again.append(int(event.id))
            if event.id == str(ids[-1]):
                break
    assert again == ids[1:]


def test_long_and_odd_lines_reach_the_client_bounded_and_as_text(shared, folder):
    script = folder / "odd"
    script.write_text("printf 'bell \\a colour \\033[31mred\\033[0m end\\n'\n"
                      "head -c 40000 /dev/zero | tr '\\0' 'x'; echo\n"
                      "printf 'one\\rtwo\\rthree\\n'\nprintf 'no line end'\n")
    Setup(shared, "odd", before_backup=[f"sh {script}"])
    record = shared.run_backup("odd")
    assert record["state"] == "succeeded"
    shown = [e["line"] for e in shared.events(record["id"]) if e["kind"] in ("stdout", "stderr")]
    assert any("colour red end" in line for line in shown)
    long = max(shown, key=len)
    assert 16000 < len(long.encode()) <= 16 * 1024 + 64 and not long.endswith("xx")
    assert any("three" in line for line in shown) and any("no line end" in line for line in shown)

"""Whatever runs borg has an end: past its limit the answer is 408, and within ten seconds no process
of the job and no lock is left."""

import os
import random
import time
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import FULL, PATH, SCALE, SEED, Daemon, marked_processes, wait_for
from fixtures.routes import bodies, described, fill, operations

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", SEED)  # the same in each process of a run
LIMIT = 1  # seconds that each job gets
GONE = 10  # … and that what is left of it may take
# Nothing of the first two runs borg when there is no lock; a backup gets time for its checkpoint.
# What runs AIO cannot be ended: there the time is the answer's alone (test_aio_routes).
LEFT_OUT = {"lock-break", "locks-break-all", "create-backup"}


def cases():
    """operationId → how its limit is given: the field of the body, or "query"."""
    found = {}
    for name, (fields, _) in bodies().items():
        for field in ("timeout", "process_timeout"):
            if field in fields:
                found[name] = field
    for item in described().values():
        for one in item.values():
            if any(p["name"] == "timeout" and p["in"] == "query"
                   for p in one.get("parameters", [])):
                found[one["operationId"]] = "query"
    paths = operations()
    return {n: f for n, f in found.items() if n not in LEFT_OUT
            and not paths[n][1].startswith(("/ssh-keys", "/config", "/net", "/emergency",
                                            "/nextcloud"))}


@pytest.fixture(scope="module")
def place(module_folder):
    """A daemon whose borg takes the repository's lock and then does nothing for a long time."""
    programs = module_folder / "programs"
    programs.mkdir()
    slow = programs / "borg"
    slow.write_text("#!/bin/sh\nexec /usr/bin/borg \"$@\"\n")
    slow.chmod(0o755)
    with Daemon(module_folder / "d", path=f"{programs}:{PATH}",
                EXTRACT_ROOTS=str(module_folder)) as daemon:
        one = Setup(daemon, "one", keep_daily=7)
        assert daemon.run_backup("one")["state"] == "succeeded"
        slow.write_text('#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/borg --version\n'
                        f"exec /usr/bin/borg with-lock {one.repository} sleep 600\n")
        yield daemon, one


def locked(repository):
    """Anything but an empty roster."""
    roster = Path(repository) / "lock.roster"
    return borg.is_locked(repository) or (roster.exists() and "[[" in roster.read_text())


def ask(daemon, name, field):
    method, pattern, _ = operations()[name]
    known = {"repository": "one", "archive": "a", "other": "b", "pattern": "*", "confirm": "one",
             "destination": str(daemon.folder / f"to-{name}"), "encryption": "repokey-blake2",
             "borg_passphrase": "a passphrase", "new_borg_passphrase": "another passphrase"}
    fields = bodies().get(name, ((), ()))[0]
    body = {k: v for k, v in known.items() if k in fields}
    if name in ("archive-delete",):
        body["confirm"] = "a"
    path = fill(pattern, {"label": "one", "archive": "a"})
    if field == "query":
        path += f"?timeout={LIMIT}" + ("&path=x" if name == "archive-file" else "")
        return daemon.write.request(method, path, None if method == "GET" else body)
    return daemon.write.request(method, path, {**body, field: LIMIT}, {"Prefer": "wait=60"})


def chosen():
    """All of them in the full run, else a third, another one each time."""
    all_of_them = sorted(cases().items())
    return all_of_them if FULL else random.Random(RUN).sample(
        all_of_them, len(all_of_them) // 3)


def test_most_routes_are_among_them():
    assert len(cases()) >= 20


@pytest.mark.parametrize("name,field", chosen())
def test_past_its_limit_nothing_is_left(place, name, field):
    daemon, one = place
    started = time.monotonic()
    reply = ask(daemon, name, field)
    if reply.status == 200:  # answered when it had only begun
        job = daemon.wait_job(reply.json["job_id"], LIMIT + GONE)
        assert job["state"] == "timed_out", job
    else:
        assert reply.status == 408 and reply.json["error"] == "timeout", reply
        job = daemon.job(reply.json["job_id"])
        assert job["state"] == "timed_out" and job["verdict"]["word"] == "timed_out"
    assert time.monotonic() - started < (LIMIT + GONE) * SCALE
    assert marked_processes(job["id"]) == []
    wait_for(lambda: not locked(one.repository), GONE, "the lock is gone")

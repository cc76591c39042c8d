"""kill -9 of the daemon at every step of a run for another target: afterwards, as soon as AIO's run
is over, AIO's target and files are the originals, the stack is up and the job is closed; and at no
moment was AIO's configuration unreadable. The steps are those that the program lists; one that is
never reached fails the test. The short run takes a third of them, by TEST_SEED."""

import json
import os
import random
import subprocess
import threading
import time

import pytest

from fixtures.aio import Aio
from fixtures.harness import BIN, FULL, SEED, Daemon, wait_for

RUN = "/nextcloud/daily-backup/run-for-target/async"
FILES = ("borg.config", "backup_archives.list")
AGAIN = ["config_written:2", "config_replaced:2"]  # while the target is put back


def listed():
    said = subprocess.run([str(BIN), "--list-crash-steps"], capture_output=True, text=True,
                          check=True)
    return said.stdout.split()


def chosen():
    steps = listed() + AGAIN
    return steps if FULL else random.Random(SEED).sample(steps, -(-len(steps) // 3))


class Reader(threading.Thread):
    """Reads AIO's configuration all the time, as AIO does."""

    total = 0

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.reads, self.bad, self.over = path, 0, [], False

    def run(self):
        while not self.over:
            try:
                with open(self.path, "rb") as f:
                    info, text = os.fstat(f.fileno()), f.read()
                fine = json.loads(text)["secrets"]["BORGBACKUP_PASSWORD"] and \
                    (info.st_uid, info.st_gid, info.st_mode & 0o7777) == (33, 33, 0o644)
                if not fine:
                    self.bad.append(f"{info.st_uid}:{info.st_gid} {info.st_mode:o}")
            except (OSError, ValueError, KeyError) as problem:
                self.bad.append(repr(problem))
            self.reads += 1
            if not FULL:
                time.sleep(0.001)  # leaves the processor to others


class House:
    """An AIO that has backed up once, and a daemon beside it that is killed again and again."""

    def __init__(self, aio, folder):
        self.aio = aio
        aio.install()
        aio.run(DAILY_BACKUP="1", START_CONTAINERS="1", check=True)
        aio.wait_serving()
        self.daemon = Daemon(folder / "d", **aio.settings(AIO_STALL_MINUTES="1440"))
        self.other = aio.folder / "other"
        self.other.mkdir()
        self.before = self.files()
        assert all(self.before.values())

    def files(self):
        return {name: (self.aio.data / name).read_bytes() if (self.aio.data / name).exists() else None
                for name in FILES}

    def start(self, *args):
        self.daemon.args = list(args)
        self.daemon.start(ready=False)

    def wait_killed(self, step):
        wait_for(lambda: self.daemon.process.poll() is not None, 90, f"{step} is reached")
        assert self.daemon.process.returncode == -9, self.daemon.log()[-3000:]

    def run_until(self, step):
        """A run for the other target, until the daemon is killed at the step; the job's id."""
        self.start(f"--crash-at={step}")
        self.daemon.wait_answer("/ready")
        reply = self.daemon.write.post(RUN, {"host_location": str(self.other)})
        assert reply.status == 200, reply
        self.wait_killed(step)
        return reply.json["job_id"]

    def assert_as_before(self, job_id):
        job = self.daemon.wait_job(job_id, 120)
        assert job["state"] in ("interrupted", "succeeded"), job
        assert job["verdict"]["word"] and job["verdict"]["sentence"], job
        assert not self.aio.active()
        config = self.aio.config
        assert config["borg_backup_host_location"] == str(self.aio.target)
        assert config["borg_remote_repo"] == ""
        assert self.files() == self.before
        assert self.aio.stack_up() and self.aio.wait_serving()
        left = [p.name for p in (self.daemon.state / "aio").iterdir()
                if p.name.startswith(("journal", "original", "run")) or p.name.endswith(".new")]
        assert not left, left
        assert [p.name for p in self.aio.data.iterdir() if p.name.endswith((".new", ".tmp"))] == []


@pytest.fixture(scope="module")
def lasting(engine, module_folder):
    with Aio(engine, module_folder / "aio") as aio:
        yield House(aio, module_folder)


@pytest.fixture
def house(lasting):
    yield lasting
    lasting.daemon.stop()


@pytest.fixture
def reader(house):
    one = Reader(house.aio.config_path)
    one.start()
    yield one
    one.over = True
    one.join()
    Reader.total += one.reads
    assert one.reads > 100 and one.bad == [], (one.reads, one.bad[:5])


@pytest.mark.seconds(300)
@pytest.mark.parametrize("step", chosen())
def test_killed_at(house, reader, step):
    first = "run_switched" if step.startswith("recover_") else step
    job_id = house.run_until(first)
    if step != first:  # and once more on the way back
        house.start(f"--crash-at={step}")
        house.wait_killed(step)
    house.start()
    house.assert_as_before(job_id)


if FULL:  # counted over all steps
    def test_it_was_read_often_enough():
        assert Reader.total >= 100000, Reader.total

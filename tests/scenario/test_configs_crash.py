"""Configurations are never seen by halves, whatever kills the daemon."""

import http.client
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import yaml

from fixtures.configs import OLD, config, option, put
from fixtures.harness import FULL, SANITIZED, SEED, Daemon, wait_for
from fixtures.routes import FAST

# ---- never by halves ----

READS = 1000
KILLS = 20 if FULL else 2 if SANITIZED else 3


class Readers:
    """A pool that reads the file and the API all the time; every read must be whole."""

    def __init__(self, daemon, path, threads=6):
        self.daemon, self.path, self.whole = daemon, path, 0
        self.faults, self.over, self.versions = [], threading.Event(), set()
        self.pool = ThreadPoolExecutor(threads)
        self.running = [self.pool.submit(self.read, n) for n in range(threads)]

    def read(self, n):
        while not self.over.is_set():
            if n % 3:
                content = yaml.load(self.path.read_text(), FAST)
            else:
                try:
                    reply = self.daemon.read.get("/configs/half")
                except (OSError, http.client.HTTPException):
                    continue  # it is down just now
                if reply.status != 200:
                    self.faults.append(reply)
                    continue
                content = reply.json["config"]
            try:
                assert option(content, "prefix") == "x" * option(content, "keep_daily") * 100
                self.versions.add(option(content, "keep_daily"))
                self.whole += 1
            except (AssertionError, KeyError, TypeError) as fault:
                self.faults.append((fault, content))

    def stop(self):
        self.over.set()
        self.pool.shutdown()
        for one in self.running:
            one.result()


def numbered(n):
    content = config(keep_daily=n)
    (content["retention"] if OLD else content)["prefix"] = "x" * n * 100
    return content


def put_until_killed(daemon, chance, possible):
    """PUTs until the daemon dies, some time after a few of them. possible: what may stand, the
    acknowledged one first."""
    few, validating = chance.randrange(1, 6), chance.random() < 0.3
    timer = threading.Timer(chance.uniform(0, 0.4 if validating else 0.05), daemon.kill)
    try:
        while True:
            n = possible[-1] % 90 + 1
            few -= 1
            if few == 0:
                timer.start()
            possible.append(n)
            reply = put(daemon, "half", config=numbered(n), overwrite=True,
                        validate=validating and few <= 0)
            assert reply.status == 200, reply
            possible[:] = [n]
    except (OSError, http.client.HTTPException):
        pass
    finally:
        if timer.ident:
            timer.join()


def test_every_read_is_whole_while_the_daemon_is_killed(folder):
    chance = random.Random(SEED)
    daemon = Daemon(folder / "d").start()
    path = daemon.configs / "half.yaml"
    path.write_text(yaml.safe_dump(numbered(1)))
    readers = Readers(daemon, path)
    try:
        possible = [1]
        for _ in range(KILLS):
            put_until_killed(daemon, chance, possible)
            # What was acknowledged stands, or what was under way.
            assert option(yaml.safe_load(path.read_text()), "keep_daily") in possible
            loaded = [p.name for p in daemon.configs.iterdir() if p.suffix in (".yaml", ".yml")]
            assert loaded == ["half.yaml"], "borgmatic would load a leftover"
            daemon.start()
            assert [p.name for p in daemon.configs.iterdir()] == ["half.yaml"]
            left = daemon.state / "config-check"
            assert not left.exists() or list(left.iterdir()) == []
            wait_for(lambda: readers.versions & set(possible), 60, "it is read")
        wait_for(lambda: readers.whole >= READS, 60, f"{READS} reads")
    finally:
        readers.stop()
        daemon.stop()
    assert readers.faults == [], readers.faults[:3]
    assert len(readers.versions) > 1


def test_a_crash_leaves_nothing_behind(daemon):
    assert put(daemon, "one", config=config()).status == 200
    daemon.kill()
    (daemon.configs / ".one.yaml.0123abcd.new").write_text("half")
    (daemon.state / "config-check" / "0123456789abcdef.yaml").write_text("half")
    (daemon.state / "config-check" / ".x.yaml.0123abcd.new").write_text("half")
    daemon.start()
    assert [p.name for p in daemon.configs.iterdir()] == ["one.yaml"]
    assert list((daemon.state / "config-check").iterdir()) == []

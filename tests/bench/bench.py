"""bench: what the daemon costs, as a table beside its bounds.

    bench.py                    everything
    bench.py --check FACTOR     the same, and 1 as exit code when a figure is over FACTOR × its bound;
                                with a factor above 1 the short run: fewer clients, one backup
    bench.py requests streams   only these parts

The binary is build/borgmatic-api (or BORGMATIC_API_BIN); the C programs stand in tests/bench of the
same build. BENCH_SECONDS (30) is how long a compared backup takes, BENCH_PAIRS (5) how many pairs.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fixtures.borg import Setup, make_repository  # noqa: E402
from fixtures.client import Client, connect, read_reply  # noqa: E402
from fixtures.dockerd import Dockerd  # noqa: E402
from fixtures.harness import HEADER, PATH, Daemon, free_port, raise_limit, wait_for  # noqa: E402
from fixtures.load import (Clients, Sampler, cpu_seconds, line_child, percentile,  # noqa: E402
                           program, wrk)

HERE = Path(__file__).resolve().parent


class Table:
    """The figures as they come; `low` bounds are to be reached, others not to be passed."""

    def __init__(self, factor):
        self.factor, self.over = factor, 0
        print(f"{'what':58} {'measured':>14} {'bound':>12}", flush=True)

    def row(self, what, value, bound=None, unit="", low=False):
        def holds(factor):
            return bound is None or (value >= bound / factor if low else value <= bound * factor)

        self.over += not holds(self.factor)
        shown = "" if bound is None else f"{'≥' if low else '≤'} {bound:g} {unit}"
        verdict = "" if bound is None else "ok" if holds(1) else (
            f"over, within {self.factor:g} ×" if holds(self.factor) else "OVER")
        figure = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"
        print(f"{what:58} {figure + ' ' + unit:>14} {shown:>12} {verdict}", flush=True)


def requests(table, folder, quick):
    """GET /jobs/{id} of a finished job by 64 keep-alive connections, and the bare echo."""
    seconds = 3 if quick else 8
    with Daemon(folder / "requests") as d:
        Setup(d, "one")
        job = d.run_backup("one")["id"]
        headers = [f"Authorization: Bearer {d.read_token}", f"X-From-NodeRed: {HEADER}"]
        wrk(d.port, f"/jobs/{job}", 1, headers)  # warm
        before = cpu_seconds(d.pid)
        got = wrk(d.port, f"/jobs/{job}", seconds, headers)
        used = cpu_seconds(d.pid) - before
    port = free_port()
    echo = subprocess.Popen([program("echo"), str(port)])
    try:
        wait_for(lambda: answers(port), 10, "the echo answers")
        before = cpu_seconds(echo.pid)
        bare = wrk(port, "/", seconds)
        bare_used = cpu_seconds(echo.pid) - before
    finally:
        echo.terminate()
        echo.wait()
    assert got.errors == 0, got
    table.row("GET /jobs/{id}, server CPU each", used / got.count * 1e6, 25, "µs")
    table.row("GET /jobs/{id} a second, 64 keep-alive connections", got.rate, 35000, "/s", low=True)
    table.row("  the bare llhttp-on-libuv echo: CPU each", bare_used / bare.count * 1e6, unit="µs")
    table.row("  the bare echo a second", bare.rate, unit="/s")


def answers(port):
    try:
        with connect(port, timeout=1) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return read_reply(sock)[0].status == 200
    except OSError:
        return False


def streams(table, folder, quick):
    """Idle readers, fan-out to them, and what others notice of it."""
    raise_limit()
    many = 2000 if quick else 10000
    path = line_child(folder / "bin-streams", count=50, width=100, pause_us=0)
    with Daemon(folder / "streams", path=f"{path}:{PATH}") as d:
        Setup(d, "one")
        d.run_backup("one")
        target = "/events/stream"  # of all jobs: nothing to replay, live from now on
        before = d.status_kib("VmRSS")
        with Clients(d, target, many) as clients:
            # Each gets a line once, so that what a stream needs to send is counted with it.
            line_child(path, count=1, width=100, pause_us=0)
            clients.lines(d.backup("one")["job_id"], d, 1)
            used = (d.status_kib("VmRSS") - before) / many
            table.row(f"idle SSE client of {many:,}, resident each", used, 4, "kB")
            line_child(path, count=20, width=100, pause_us=400_000)
            took, late = [], []
            job = d.backup("one")["job_id"]
            wait_for(lambda: d.job(job)["state"] == "running", 20)
            client = Client(d.port, d.read_token, HEADER)
            until = time.monotonic() + 8
            with client:
                while time.monotonic() < until:
                    started = time.monotonic()
                    assert client.get("/jobs?limit=1").status == 200
                    took.append((time.monotonic() - started) * 1000)
                    time.sleep(0.002)
            late = clients.lines(job, d, 20)
            table.row(f"other requests during a fan-out to {many:,}, p99", percentile(took, 99), 20,
                      "ms")
            table.row(f"  a line to the last of {many:,}, median",
                      statistics.median(x[1] for x in late), unit="ms")
        with Clients(d, target, 1000) as clients:
            line_child(path, count=40, width=100, pause_us=150_000)
            late = [x[1] for x in clients.lines(d.backup("one")["job_id"], d, 40)]
            table.row("a line to the last of 1,000, worst of 40 lines", max(late), 40, "ms")
            table.row("  p95", percentile(late, 95), unit="ms")


def latency(table, folder, quick):
    """From a child's write to one client, on an idle daemon."""
    count = 300 if quick else 1000
    path = line_child(folder / "bin-latency", count=count, width=100, pause_us=20_000)
    with Daemon(folder / "latency", path=f"{path}:{PATH}") as d:
        Setup(d, "one")
        with Clients(d, "/events/stream", 1) as clients:
            late = [x[1] for x in clients.lines(d.backup("one")["job_id"], d, count)]
    table.row("line from a child to a client, p99", percentile(late, 99), 5, "ms")
    table.row("  median", statistics.median(late), unit="ms")


def flood(table, folder, quick):
    """A child that prints a million lines of 100 bytes."""
    count = 1_000_000
    path = line_child(folder / "bin-flood", count=count, width=100, pause_us=0)
    with Daemon(folder / "flood", path=f"{path}:{PATH}") as d:
        Setup(d, "one")
        d.read.get("/status")
        with Sampler(d) as sampler:
            job = d.backup("one")["job_id"]
            d.wait_job(job, 120)
        whole = d.read.get(f"/jobs/{job}/log").body
        stored = sum(line.startswith(b"line ") for line in whole.split(b"\n"))
        seconds = event_time(d, job, count - 1) - event_time(d, job, 0)
        table.row("lines stored of 1,000,000", stored, count, low=True)
        table.row("lines a second", count / seconds, 200_000, "/s", low=True)
        table.row("  resident memory grew by", sampler.peak_growth / 1024, 16, "MB")


def event_time(daemon, job, number):
    """When the hub had the line of that number; lines have consecutive ids."""
    for cursor in range(max(0, number - 50), number + 400, 200):
        items = daemon.read.get(f"/events/poll/{job}?cursor={cursor}").json["items"]
        for item in items:
            if item["line"].startswith(f"line {number} "):
                return item["t"]
    raise AssertionError(f"no line {number}")


def memory(table, folder, _quick):
    """Resident memory of a daemon that has served requests, a backup and a question to the Docker
    Engine, and is idle."""
    with Dockerd(folder / "engine") as docker, Daemon(folder / "memory",
                                                      DOCKER_HOST=docker.host) as d:
        Setup(d, "one")
        for _ in range(200):
            d.read.get("/jobs")
        job = d.run_backup("one")["id"]
        d.events(job)
        assert d.read.get("/containers?scope=all").status == 200
        wait_for(lambda: d.status_kib("RssAnon") < 4096, 3, "it shrinks") \
            if d.status_kib("RssAnon") >= 4096 else None
        table.row("idle after a backup and a Docker call, RssAnon", d.status_kib("RssAnon") / 1024, 4, "MB")
        table.row("  RSS", d.status_kib("VmRSS") / 1024, 16, "MB")


def start(table, folder, quick):
    """From exec to the first 200 of /ready."""
    took = []
    with Daemon(folder / "start") as d:
        Setup(d, "one")
        d.run_backup("one")
        request = (f"GET /ready HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {d.read_token}\r\n"
                   f"X-From-NodeRed: {HEADER}\r\nConnection: close\r\n\r\n").encode()
        for _ in range(5 if quick else 20):
            d.stop()
            started = time.monotonic()
            d.launch()
            while not is_ready(d.port, request):
                time.sleep(0.0005)
            took.append((time.monotonic() - started) * 1000)
    table.row("ready after exec, median", statistics.median(took), 50, "ms")
    table.row("  worst", max(took), unit="ms")


def is_ready(port, request):
    try:
        with connect(port, timeout=1) as sock:
            sock.sendall(request)
            return read_reply(sock)[0].status == 200
    except OSError:
        return False


def backup(table, folder, quick):
    """The same backup through the daemon and by hand, in turn."""
    seconds = float(os.environ.get("BENCH_SECONDS", "6" if quick else "30"))
    pairs = int(os.environ.get("BENCH_PAIRS", "1" if quick else "5"))
    with Daemon(folder / "backup") as d:
        one = Setup(d, "one", files=1, compression="lzma,6")
        rate = calibrate(d, one)
        fill(one, int(rate * seconds * 1.15))
        ratios, proof = [], []
        for n in range(pairs):
            order = [by_hand, by_api] if n % 2 == 0 else [by_api, by_hand]
            took = {way.__name__: way(d, one) for way in order}
            (api, verified), hand = took["by_api"], took["by_hand"]
            proof.append(verified)
            ratios.append(api / hand)
            print(f"  pair {n + 1}: by hand {hand:.2f} s, through the daemon {api:.2f} s")
        table.row("backup through the daemon / by hand, spawn to exit",
                  statistics.median(ratios), 1.05)
        table.row("  its verification", statistics.median(proof), 1.5, "s")


def fill(one, size):
    """Sources of that many bytes that compress hardly at all."""
    shutil.rmtree(one.source)
    one.source.mkdir()
    for n in range(max(1, size // 500_000)):
        (one.source / f"file{n:04}").write_bytes(os.urandom(500_000))


def fresh(one):
    """An empty repository at the same place: nothing is known of earlier runs' files."""
    shutil.rmtree(one.repository)
    make_repository(one.home, one.repository)


def by_hand(daemon, one):
    fresh(one)
    env = {"PATH": PATH, "HOME": str(daemon.home), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    started = time.monotonic()
    subprocess.run(["borgmatic", "create", "-c", str(one.path), "--syslog-verbosity", "-1"],
                   env=env, check=True, stdin=subprocess.DEVNULL, capture_output=True, cwd="/")
    return time.monotonic() - started


def by_api(daemon, one):
    fresh(one)
    record = daemon.run_backup("one", 600)
    assert record["state"] == "succeeded", record
    stages = {s["stage"]: s["ended"] - s["started"] for s in record["stages"]}
    return stages["backing_up"], stages["verifying"]


def calibrate(daemon, one):
    """Bytes a second that borg takes in here."""
    fill(one, 6_000_000)
    return 6_000_000 / max(by_hand(daemon, one) - 1.2, 0.2)


PARTS = [requests, streams, latency, flood, memory, start, backup]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", type=float, metavar="FACTOR")
    options.add_argument("parts", nargs="*", metavar="part",
                         help=", ".join(p.__name__ for p in PARTS))
    chosen = options.parse_args()
    factor = chosen.check or 1.0
    table = Table(factor)
    folder = Path(tempfile.mkdtemp(prefix="bab."))
    try:
        for part in PARTS:
            if not chosen.parts or part.__name__ in chosen.parts:
                part(table, folder, factor > 1)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{table.over} over" + (f" {factor:g} × the bound" if factor != 1 else ""))
    return 1 if chosen.check and table.over else 0


if __name__ == "__main__":
    sys.exit(main())

"""Clients that are slow, or never read: they are cut off in time and cost no memory."""

import selectors
import socket
import threading
import time

from fixtures.borg import Setup
from fixtures.client import connect, read_all, slow_bodies, status_of
from fixtures.harness import HEADER, MEMORY, wait_for


def test_a_stream_reader_that_never_reads_does_not_grow_the_daemon(daemon):
    one = Setup(daemon, before_backup=["/usr/bin/seq -f 'a line of some length %012.0f' 200000"])
    job = daemon.backup(one.label)["job_id"]
    lazy = []
    for _ in range(20):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.bind(("127.0.0.5", 0))
        sock.connect(("127.0.0.1", daemon.port))
        sock.sendall(f"GET /events/stream?job_id={job} HTTP/1.1\r\nHost: a\r\n"
                     f"Authorization: Bearer {daemon.read_token}\r\n"
                     f"X-From-NodeRed: {HEADER}\r\n\r\n".encode())
        lazy.append(sock)
    assert daemon.wait_job(job, 120)["state"] == "succeeded"
    assert daemon.status_kib("VmHWM") < 48 * 1024 * MEMORY
    for sock in lazy:
        sock.close()


def dribble(port, took):
    """A head that never ends, a byte at a time; how long until the daemon has had enough."""
    started = time.monotonic()
    with connect(port, "127.0.0.4") as sock:
        try:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: ")
            sock.settimeout(0.2)
            while time.monotonic() - started < 40:
                sock.sendall(b"a")
                try:
                    sock.recv(4096)  # an answer (408) or the end
                    break
                except TimeoutError:
                    continue
        except OSError:
            pass
    took.append(time.monotonic() - started)


def test_slow_heads_and_bodies_are_closed_in_time(shared):
    head_took, ended = [], []
    dribbler = threading.Thread(target=dribble, args=(shared.port, head_took))
    dribbler.start()
    chooser = selectors.DefaultSelector()
    for sock in slow_bodies(shared.port, shared.token, HEADER):
        chooser.register(sock, selectors.EVENT_READ)

    def collect():
        for key, _ in chooser.select(0.1):
            ended.append(status_of(read_all(key.fileobj)))
            chooser.unregister(key.fileobj)
            key.fileobj.close()
        return len(ended) == 100

    wait_for(collect, 45, "slow bodies are closed")
    assert set(ended) <= {0, 408}
    dribbler.join()
    assert 9 < head_took[0] < 13, f"{head_took[0]:.1f} s"

"""SSH keys: made, shown, tried against a real sshd, rotated, put back, taken away."""

import os
import signal
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, free_port, marked_processes, wait_for
from fixtures.leaks import found_in
from fixtures.sshd import Sshd

PASS = "staple: \"of\" the 'key' %41 \\ é"
OTHER = "another passphrase"
STEPS = ["name", "port", "host_key", "authentication", "borg_serve", "repository"]


@pytest.fixture(scope="module")
def server(module_folder):
    """A server that knows no key of ours yet."""
    with Sshd(module_folder / "sshd") as one:
        (one.folder / "authorized_keys").write_text("")
        yield one


def trust(daemon, server):
    (daemon.ssh / "known_hosts").write_text(server.known_hosts.read_text())


def authorize(server, *lines):
    (server.folder / "authorized_keys").write_text("".join(f"{one}\n" for one in lines))


def make(daemon, label, **body):
    reply = daemon.write.post(f"/ssh-keys/{label}", body)
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return reply.json


def status(daemon, label):
    reply = daemon.read.get(f"/ssh-keys/{label}/status")
    assert reply.status == 200, reply
    return reply.json


def attempt(daemon, label, server, **body):
    reply = daemon.write.post(f"/ssh-keys/{label}/test",
                              {"host": "127.0.0.1", "port": server.port, "user": "root", **body})
    assert reply.status == 200 and reply.json["ok"] is True, reply
    return reply.json


def refused(reply, status, error, field=None):
    assert reply.status == status and reply.json["error"] == error, reply
    if field:
        assert reply.json["errors"][0]["field"] == field, reply
    return reply.json


def content(folder):
    """Every file's bytes below a folder, and every mode."""
    return {str(p.relative_to(folder)): (p.lstat().st_mode, p.read_bytes() if p.is_file() else b"")
            for p in sorted(folder.rglob("*"))}


# ---- making ----

def test_a_key_is_made_shown_and_listed(shared):
    made = make(shared, "k1", comment="nas key")
    private, public = Path(made["private"]), Path(made["public"])
    assert made["created"] is True and private == shared.ssh / "id_k1"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(public.stat().st_mode) == 0o644
    assert public.read_text().strip() == made["public_key"]
    seen = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True)
    assert seen.stdout.split()[1] == made["fingerprint"] and "nas key" in seen.stdout
    now = status(shared, "k1")
    assert now["exists"] is True and now["private"] == str(private)
    assert (now["type"], now["bits"], now["has_passphrase"], now["mode"], now["problem"]) == (
        "ssh-ed25519", 256, False, "0600", None)
    reply = shared.read.get("/ssh-keys").json
    assert "id_k1" in reply["keys"]
    item = next(i for i in reply["items"] if i["file"] == "id_k1")
    assert item["label"] == "k1" and item["comment"] == "nas key"
    assert item["fingerprint"] == made["fingerprint"]
    assert [p for p in (shared.ssh / ".borgmatic-api").iterdir()] == []


def test_a_passphrase_protects_the_key(shared):
    make(shared, "locked", ssh_passphrase=PASS)
    assert status(shared, "locked")["has_passphrase"] is True
    path = shared.ssh / "id_locked"
    opened = subprocess.run(["ssh-keygen", "-y", "-P", PASS, "-f", path], capture_output=True)
    assert opened.returncode == 0
    closed = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True)
    assert closed.returncode != 0

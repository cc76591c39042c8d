"""Who may only read changes nothing: not a byte of any repository, configuration, key, source or
job, whichever route is asked and however borg answers."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import PATH, Daemon, wait_for
from fixtures.routes import fill, operations
from fixtures.sshd import Sshd, keygen

PASSPHRASE = "reading-Passphrase"
# What each read route is asked: its query and its body. A route that is missing here fails the test.
BODIES = {
    "archives-tree": {"archive": "latest", "path": "", "depth": 3},
    "archives-find": {"pattern": "*"},
    "archives-diff": {"archive": "a", "other": "b"},
    "exec-whitelist-validate": {"container": "c", "command": "/daily-backup.sh"},
    "nextcloud-ports-probe": {"ports": [80], "timeout": 0.2},
}
LEFT_OUT = {"events-stream"}  # it never ends; what it reads is the store alone


def without_docker(reply):
    """There is none here; test_docker asks these routes."""
    return reply.status == 503 and b'"error":"docker_connection_refused"' in reply.body


def picture(*roots):
    """Every name below the roots with its kind, mode and contents. Access times do not count, and
    nor do those of folders: borg makes and removes its lock in them."""
    found = {}
    for root in roots:
        for path in sorted(Path(root).rglob("*")):
            info = path.lstat()
            text = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(info.st_mode) \
                else os.readlink(path) if path.is_symlink() else ""
            found[str(path)] = (stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode), text,
                                info.st_mtime_ns if stat.S_ISREG(info.st_mode) else 0)
    return found


def make_place(folder, **options):
    """Two configurations with backups, one of them over ssh, and a key."""
    daemon = Daemon(folder / "d", **options)
    sshd = Sshd(folder / "sshd")
    local = Setup(daemon, "local", PASSPHRASE)
    keygen(daemon.ssh / "id_reader")
    (daemon.ssh / "known_hosts").write_text(sshd.known_hosts.read_text())
    return daemon, sshd, local


def add_remote(daemon, sshd):
    location = sshd.location(daemon.folder / "repo-remote")
    borg.make_repository(daemon.home, location, PASSPHRASE, sshd.rsh)
    remote = Setup(daemon, "remote", PASSPHRASE, count=0, ssh_command=sshd.rsh)
    remote.repositories = [location]
    remote.write()


def ask_everything(daemon, job):
    """Each read route for each configuration, with the read token; → {(operation, label): status}."""
    said = {}
    for name, (method, pattern, who) in sorted(operations().items()):
        if who == "write" or name in LEFT_OUT:
            continue
        for label in ("local", "remote") if "{label}" in pattern else ("local",):
            values = {"label": "reader" if pattern.startswith("/ssh-keys") else label, "id": job,
                      "job_id": job, "archive": "latest"}
            query = f"?host=127.0.0.1&port={daemon.port}" if name == "tcp-check" else ""
            body = BODIES.get(name, {}) if method == "POST" else None
            reply = daemon.read.request(method, fill(pattern, values) + query, body)
            if not without_docker(reply):
                said[name, label] = reply.status
    wait_for(lambda: daemon.read.get("/jobs?state=running").json["jobs"] == [], 60, "all is over")
    return said


def watched(daemon):
    return (daemon.folder / "repo-remote", daemon.folder / "repo-local-0", daemon.configs,
            daemon.ssh, daemon.folder / "source-local")


@pytest.mark.seconds(300)
def test_no_read_route_changes_a_byte(folder):
    daemon, sshd, local = make_place(folder)
    with sshd, daemon:
        add_remote(daemon, sshd)
        job = daemon.run_backup("local")["id"]
        daemon.run_backup("remote")
        before = picture(*watched(daemon))
        said = ask_everything(daemon, job)
        assert picture(*watched(daemon)) == before
        assert {k: s for k, s in said.items() if s >= 500} == {}
        archives = local.archives(), borg.archives(daemon.home, sshd.location(
            daemon.folder / "repo-remote"), PASSPHRASE, sshd.rsh)
        assert list(map(len, archives)) == [1, 1]


@pytest.mark.seconds(300)
def test_no_read_route_changes_a_byte_when_borg_fails(folder):
    daemon, sshd, _ = make_place(folder)
    with sshd, daemon:
        add_remote(daemon, sshd)
        job = daemon.run_backup("local")["id"]
        daemon.run_backup("remote")
    programs = folder / "programs"
    programs.mkdir()
    broken = programs / "borg"
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exec /usr/bin/borg --version\nexit 2\n')
    broken.chmod(0o755)
    daemon.env["PATH"] = f"{programs}:{PATH}"
    with sshd, daemon:
        before = picture(*watched(daemon))
        said = ask_everything(daemon, job)
        assert picture(*watched(daemon)) == before
        assert any(status == 502 for status in said.values()), said

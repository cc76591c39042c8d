"""SSH keys: made, shown, held to a path, and tried."""

import stat
import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import Daemon, free_port, marked_processes, wait_for
from fixtures.ssh_keys import (OTHER, PASS, attempt, authorize, content, make, refused, server, status,
                               trust)

STEPS = ["name", "port", "host_key", "authentication", "borg_serve", "repository"]


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


def test_a_label_that_is_taken_is_never_overwritten(shared):
    make(shared, "taken")
    before = content(shared.ssh)
    refused(shared.write.post("/ssh-keys/taken", {}), 409, "already_exists")
    assert content(shared.ssh) == before
    (shared.ssh / "id_half.pub").write_text("mine\n")
    refused(shared.write.post("/ssh-keys/half", {}), 409, "already_exists")
    assert (shared.ssh / "id_half.pub").read_text() == "mine\n"
    (shared.ssh / "id_half.pub").unlink()


@pytest.mark.parametrize("body, field, error", [
    ({"ssh_passphrase": "short"}, "ssh_passphrase", "invalid_secrets"),
    ({"ssh_passphrase": 12345}, "ssh_passphrase", "invalid_secrets"),
    ({"ssh_passphrase": "two\nlines of it"}, "ssh_passphrase", "invalid_secrets"),
    ({"comment": "two\nlines"}, "comment", "bad_request"),
    ({"comment": 5}, "comment", "bad_request"),
])
def test_what_is_wrong_with_a_new_key_is_named(shared, body, field, error):
    before = content(shared.ssh)
    refused(shared.write.post("/ssh-keys/never", body), 400, error, field)
    assert content(shared.ssh) == before


def test_the_list_of_hosts_is_no_key_and_a_reader_makes_none(shared):
    refused(shared.write.post("/ssh-keys/known-hosts/replace", {}), 400, "bad_request", "label")
    refused(shared.read.get("/ssh-keys/known-hosts/status"), 400, "bad_request", "label")
    for body in ("/ssh-keys/k1.pub", "/ssh-keys/k1.pub/test", "/ssh-keys/k1.pub/rollback"):
        refused(shared.write.post(body, {}), 400, "bad_request", "label")
    refused(shared.write.request("DELETE", "/ssh-keys/k1.pub"), 400, "bad_request", "label")
    refused(shared.read.post("/ssh-keys/never", {}), 403, "insufficient_role")
    refused(shared.read.get("/ssh-keys/never/pub"), 404, "not_found")
    assert status(shared, "never")["exists"] is False


def test_other_keys_are_listed_and_what_is_wrong_with_them_is_told(shared):
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f",
                    shared.ssh / "backup_rsa"], check=True)
    make(shared, "open")
    (shared.ssh / "id_open").chmod(0o644)
    (shared.ssh / "id_link").symlink_to(shared.ssh / "id_open")
    items = {i["file"]: i for i in shared.read.get("/ssh-keys").json["items"]}
    assert items["backup_rsa"]["label"] is None and items["backup_rsa"]["bits"] == 2048
    assert items["backup_rsa"]["type"] == "ssh-rsa"
    assert "chmod 600" in items["id_open"]["problem"]
    assert "symbolic link" in items["id_link"]["problem"]
    assert "symbolic link" in status(shared, "link")["problem"]


def test_links_are_followed_by_nothing(shared, folder):
    precious = folder / "precious"
    precious.write_text("precious\n")
    (shared.ssh / "id_linked").symlink_to(precious)
    for method, path in (("POST", "/ssh-keys/linked"), ("POST", "/ssh-keys/linked/replace"),
                         ("DELETE", "/ssh-keys/linked")):
        reply = shared.write.request(method, path, {})
        assert reply.status == 503 and "symbolic link" in reply.json["message"], reply
    refused(shared.write.post("/ssh-keys/linked/test", {"host": "localhost"}), 503, "unavailable")
    assert precious.read_text() == "precious\n" and (shared.ssh / "id_linked").is_symlink()
    (shared.ssh / "id_linked").unlink()


def test_a_folder_in_which_others_may_write_is_refused_and_one_that_is_missing_is_made(folder):
    with Daemon(folder / "d") as d:
        d.ssh.chmod(0o777)
        reply = d.write.post("/ssh-keys/k1", {})
        assert reply.status == 503 and "chmod 700" in reply.json["message"], reply
        assert list(d.ssh.iterdir()) == []
        d.ssh.rmdir()
        assert d.read.get("/ssh-keys").json["keys"] == []
        make(d, "k1")
        assert stat.S_IMODE(d.ssh.stat().st_mode) == 0o700
        elsewhere = folder / "elsewhere"
        d.ssh.rename(elsewhere)
        d.ssh.symlink_to(elsewhere)
        assert d.read.get("/ssh-keys").status == 503
        assert d.write.post("/ssh-keys/k2", {}).status == 503


# ---- the line for the server ----

@pytest.mark.parametrize("path", ["/srv/backup", "./below", "/srv/with space/ä", "/srv/a;id #&|*?(x)"])
def test_the_line_holds_borg_to_the_path_as_a_real_sshd_reads_it(shared, server, path):
    make_once(shared, "line")
    reply = shared.read.get("/ssh-keys/line/pub?restrict_to_path=" + quote(path)
                            + "&comment=" + quote("it's \"me\" $(id)"))
    line = reply.json["authorized_keys"]
    assert "\n" not in line and ",restrict ssh-ed25519 " in line
    seen = server.folder / "seen"
    # the server runs the same words with another program in borg's place
    authorize(server, line.replace("borg serve", f"/usr/bin/printf '%s\\n' >{seen}", 1))
    ssh_as(shared, server, "line")
    assert seen.read_text().split("\n")[:2] == ["--restrict-to-path", path]
    seen.unlink()


def quote(text):
    from urllib.parse import quote as q
    return q(text, safe="")


def make_once(daemon, label, **body):
    if not (daemon.ssh / f"id_{label}").exists():
        make(daemon, label, **body)


def ssh_as(daemon, server, label):
    return subprocess.run(["ssh", "-F", "none", "-i", daemon.ssh / f"id_{label}", "-p",
                           str(server.port), "-o", "BatchMode=yes", "-o",
                           f"UserKnownHostsFile={server.known_hosts}", "root@127.0.0.1", "id"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("path", ["relative", "-x", "/a\"b", "/a'b", "/a$HOME", "/a`id`", "/a\\b",
                                  "/a\nssh-ed25519 AAAA", "/a\tb", "/a!b", ""])
def test_a_path_that_could_be_read_otherwise_is_refused(shared, path):
    make_once(shared, "line")
    refused(shared.read.get("/ssh-keys/line/pub?restrict_to_path=" + quote(path)), 400,
            "bad_request", "restrict_to_path")


def test_a_comment_with_a_line_end_is_refused(shared):
    make_once(shared, "line")
    refused(shared.read.get("/ssh-keys/line/pub?comment=a%0Ab"), 400, "bad_request", "comment")


# ---- trying it ----

def test_a_restricted_key_with_a_passphrase_works(shared, server):
    make_once(shared, "k2", ssh_passphrase=PASS)
    line = shared.read.get("/ssh-keys/k2/pub?restrict_to_path=" + quote(str(shared.folder))).json
    authorize(server, line["authorized_keys"])
    trust(shared, server)
    found = attempt(shared, "k2", server, ssh_passphrase=PASS)
    assert found["reachable"] is True and found["word"] == "ok", found
    assert [s["ok"] for s in found["steps"]] == [True] * 5 and found["returncode"] == 0
    assert marked_processes(found["job_id"]) == []


def failed_at(found, step, word):
    assert found["reachable"] is False, found
    assert (found["step"], found["word"]) == (step, word), found
    at = STEPS.index(step)
    assert [s["ok"] for s in found["steps"]][:at + 1] == [True] * at + [False]
    assert all(s["ok"] is None for s in found["steps"][at + 1:])
    assert found["sentence"] and "stdout" in found and "stderr" in found


def test_each_step_that_fails_is_named(shared, server):
    make_once(shared, "k3", ssh_passphrase=PASS)
    line = shared.read.get("/ssh-keys/k3/pub").json
    trust(shared, server)
    both = {"ssh_passphrase": PASS}
    failed_at(attempt(shared, "k3", server, host="no-such-host.invalid", **both), "name",
              "name_unresolved")
    failed_at(attempt(shared, "k3", server, port=free_port(), **both), "port",
              "connection_refused")
    authorize(server, line["authorized_keys"])
    (shared.ssh / "known_hosts").write_text("")
    failed_at(attempt(shared, "k3", server, **both), "host_key", "host_key_unknown")
    (shared.ssh / "known_hosts").write_text(
        f"[127.0.0.1]:{server.port} " + line["public"] + "\n")
    failed_at(attempt(shared, "k3", server, **both), "host_key", "host_key_changed")
    trust(shared, server)
    found = attempt(shared, "k3", server, ssh_passphrase=OTHER)
    failed_at(found, "authentication", "ssh_auth_failed")
    assert "passphrase" in found["sentence"]
    failed_at(attempt(shared, "k3", server), "authentication", "ssh_auth_failed")
    authorize(server)
    failed_at(attempt(shared, "k3", server, **both), "authentication", "ssh_auth_failed")
    authorize(server, line["authorized_keys"].replace("borg serve", "/bin/false"))
    failed_at(attempt(shared, "k3", server, **both), "borg_serve", "connection_closed")
    authorize(server, line["authorized_keys"])
    assert attempt(shared, "k3", server, **both)["reachable"] is True


@pytest.mark.parametrize("body, field", [
    ({"host": "a", "repository": "b"}, "repository"), ({}, "host"), ({"port": 22}, "host"),
    ({"host": "-oProxyCommand=id"}, "host"), ({"host": "a b"}, "host"),
    ({"host": "a", "user": "-l"}, "user"), ({"host": "a", "port": 0}, "port"),
    ({"host": "a@b"}, "host"), ({"host": "a", "port": "22"}, "port"),
])
def test_a_place_that_cannot_be_tried_is_refused(shared, body, field):
    make_once(shared, "k4")
    refused(shared.write.post("/ssh-keys/k4/test", body), 400, "bad_request", field)


def test_a_missing_key_cannot_be_tried(shared):
    refused(shared.write.post("/ssh-keys/nosuch/test", {"host": "localhost"}), 404, "not_found")
    refused(shared.write.post("/ssh-keys/nosuch/test", {}), 404, "not_found")


def test_a_configuration_is_tried_with_the_key_alone(shared, server):
    make_once(shared, "k5")
    one = Setup(shared, "remote", "the borg passphrase", in_config=False, count=0)
    place = shared.folder / "repo-remote"
    one.repositories = [server.location(place)]
    authorize(server, (server.folder / "id_ed25519.pub").read_text().strip())
    borg.make_repository(one.home, one.repositories[0], "the borg passphrase", server.rsh)
    one.write(ssh_command=server.rsh)
    authorize(server, shared.read.get("/ssh-keys/k5/pub").json["authorized_keys"])

    def tried(**body):
        reply = shared.write.post("/ssh-keys/k5/test", {"repository": "remote", **body})
        assert reply.status == 200, reply
        return reply.json

    found = tried(borg_passphrase="the borg passphrase")
    assert found["reachable"] is True and found["repositories"][0]["reachable"] is True, found
    assert [s["ok"] for s in found["steps"]] == [True] * 6
    failed_at(tried(borg_passphrase="not the right one"), "repository", "wrong_passphrase")
    place.rename(shared.folder / "away")
    failed_at(tried(borg_passphrase="the borg passphrase"), "repository", "repository_not_found")
    (shared.folder / "away").rename(place)
    # the configuration's own key is not the one in question
    authorize(server, (server.folder / "id_ed25519.pub").read_text().strip())
    failed_at(tried(borg_passphrase="the borg passphrase"), "authentication", "ssh_auth_failed")
    # the reference API gives the configuration's label in the path
    reply = shared.write.post("/ssh-keys/remote/test", {"borg_passphrase": "the borg passphrase"})
    assert reply.status == 200 and reply.json["reachable"] is True, reply
    refused(shared.write.post("/ssh-keys/k5/test", {"repository": "nosuch"}), 404, "not_found")


def test_a_server_that_hangs_is_given_up_within_ten_seconds_of_the_limit(shared, server):
    make_once(shared, "k6")
    authorize(server, shared.read.get("/ssh-keys/k6/pub").json["authorized_keys"].replace(
        "borg serve", "sleep 600"))
    trust(shared, server)
    reply = shared.write.post("/ssh-keys/k6/test", {"host": "127.0.0.1", "port": server.port,
                                                    "user": "root", "timeout": 2})
    found = refused(reply, 408, "timeout")
    wait_for(lambda: marked_processes(found["job_id"]) == [], 10, "nobody is left")
    make_once(shared, "k6")

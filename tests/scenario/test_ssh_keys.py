"""SSH keys: made, shown, tried against a real sshd, rotated, put back, taken away."""

import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import PATH, Daemon, free_port, marked_processes, wait_for
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
    failed_at(attempt(shared, "k3", server, ssh_passphrase=OTHER), "authentication",
              "ssh_auth_failed")
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


# ---- rotation ----

def test_a_key_is_replaced_and_put_back(shared):
    first = make(shared, "r1", comment="of old")
    reply = shared.write.post("/ssh-keys/r1/replace", {})
    assert reply.status == 200 and reply.json["replaced"] is True, reply
    second = reply.json["fingerprint"]
    assert second != first["fingerprint"] == status(shared, "r1")["former"][0]["fingerprint"]
    assert 0 < status(shared, "r1")["former"][0]["left_s"] <= 7 * 86400
    reply = shared.write.post("/ssh-keys/r1/rollback", {})
    assert reply.status == 200 and reply.json["fingerprint"] == first["fingerprint"], reply
    now = status(shared, "r1")
    assert now["fingerprint"] == first["fingerprint"] and now["problem"] is None
    assert [f["fingerprint"] for f in now["former"]] == [second]
    renewed = shared.write.post("/ssh-keys/r1/renew", {}).json
    assert renewed["public_key"].endswith(" of old")
    assert [k for k in shared.read.get("/ssh-keys").json["keys"] if "r1" in k] == ["id_r1"]


def test_nothing_happens_to_the_old_key_when_the_request_is_wrong(shared):
    make(shared, "r2")
    before = content(shared.ssh)
    for route in ("replace", "renew"):
        refused(shared.write.post(f"/ssh-keys/r2/{route}", {"ssh_passphrase": 12345}), 400,
                "invalid_secrets", "ssh_passphrase")
        refused(shared.write.post(f"/ssh-keys/r2/{route}", {"user": "root"}), 400, "bad_request",
                "host")
        refused(shared.write.post(f"/ssh-keys/nosuch/{route}", {}), 404, "not_found")
    refused(shared.write.post("/ssh-keys/r2/rollback", {}), 404, "not_found")
    refused(shared.write.post("/ssh-keys/r2/rollback", {"x": 1}), 400, "bad_request", "x")
    assert content(shared.ssh) == before


def test_a_new_key_is_proven_before_the_old_one_goes(shared, server):
    old = make(shared, "r3", ssh_passphrase=PASS)
    trust(shared, server)
    authorize(server, old["authorized_keys"])
    ask = {"host": "127.0.0.1", "port": server.port, "user": "root", "ssh_passphrase": OTHER}
    reply = shared.write.post("/ssh-keys/r3/replace", ask)
    said = refused(reply, 409, "key_not_proven")
    new = said["new_key"]
    assert said["test"]["step"] == "authentication"
    now = status(shared, "r3")
    assert now["fingerprint"] == old["fingerprint"] and now["former"] == []
    assert now["next"]["fingerprint"] == new["fingerprint"]
    assert shared.read.get("/ssh-keys/r3/pub?next=true").json["public"] == new["public"]
    assert attempt(shared, "r3", server, ssh_passphrase=PASS)["reachable"] is True
    authorize(server, old["authorized_keys"], new["authorized_keys"])
    refused(shared.write.post("/ssh-keys/r3/replace", {**ask, "ssh_passphrase": "a wrong one"}),
            409, "key_not_proven")
    del ask["ssh_passphrase"]
    said = refused(shared.write.post("/ssh-keys/r3/replace", ask), 400, "bad_request")
    assert "fresh" in said["message"]
    reply = shared.write.post("/ssh-keys/r3/replace", {**ask, "ssh_passphrase": OTHER})
    assert reply.status == 200 and reply.json["fingerprint"] == new["fingerprint"], reply
    assert attempt(shared, "r3", server, ssh_passphrase=OTHER)["reachable"] is True
    assert status(shared, "r3")["next"] is None
    assert shared.write.post("/ssh-keys/r3/rollback", {}).status == 200
    assert attempt(shared, "r3", server, ssh_passphrase=PASS)["reachable"] is True


def test_a_key_is_taken_away_and_put_back(shared):
    made = make(shared, "d1")
    reply = shared.write.request("DELETE", "/ssh-keys/d1")
    assert reply.status == 200 and reply.json["deleted"] is True, reply
    assert status(shared, "d1")["exists"] is False
    assert not (shared.ssh / "id_d1.pub").exists()
    refused(shared.write.request("DELETE", "/ssh-keys/d1"), 404, "not_found")
    assert shared.write.post("/ssh-keys/d1/rollback", {}).status == 200
    assert status(shared, "d1")["fingerprint"] == made["fingerprint"]


def test_a_former_key_is_kept_seven_days(shared):
    make(shared, "d2")
    shared.write.request("DELETE", "/ssh-keys/d2")
    work = shared.ssh / ".borgmatic-api"
    for one in work.glob("id_d2.old-*"):
        name, _, rest = one.name.partition(".old-")
        at, dot, pub = rest.partition(".")
        one.rename(work / f"{name}.old-{int(at) - 8 * 86400}{dot}{pub}")
    refused(shared.write.post("/ssh-keys/d2/rollback", {}), 404, "not_found")
    assert list(work.glob("id_d2.*")) == []


# ---- known hosts ----

def known(daemon):
    return daemon.read.get("/ssh-keys/known-hosts").json["hosts"]


def pin(daemon, server, **body):
    return daemon.write.post("/ssh-keys/known-hosts",
                             {"host": "127.0.0.1", "port": server.port, **body})


def test_a_host_is_shown_pinned_by_its_fingerprint_and_forgotten(shared, server):
    path = shared.ssh / "known_hosts"
    others = b"# a comment\n\nother.example ssh-rsa not-a-key\nlast line without end"
    path.write_bytes(others)
    said = refused(pin(shared, server), 428, "confirmation_needed")
    assert path.read_bytes() == others
    found = {k["type"]: k for k in said["found"]}["ssh-ed25519"]
    own = subprocess.run(["ssh-keygen", "-lf", server.folder / "host.pub"], capture_output=True,
                         text=True, check=True).stdout.split()[1]
    assert found["fingerprint"] == own
    wrong = "SHA256:" + "A" * 43
    refused(pin(shared, server, fingerprint=wrong), 409, "fingerprint_mismatch")
    assert path.read_bytes() == others
    reply = pin(shared, server, fingerprint=own)
    assert reply.status == 200 and reply.json["pinned"] is True and reply.json["changed"] is True
    assert path.read_bytes() == others + b"\n" + server.known_hosts.read_bytes()
    assert [k["fingerprint"] for k in known(shared)] == [own]
    assert pin(shared, server, fingerprint=own).json["changed"] is False
    asked = f"/ssh-keys/known-hosts?host=127.0.0.1&port={server.port}"
    reply = shared.write.request("DELETE", asked)
    assert reply.status == 200 and reply.json["deleted"] is True, reply
    assert path.read_bytes() == others + b"\n"
    refused(shared.write.request("DELETE", asked), 404, "not_found")


def test_another_key_of_the_same_type_is_an_error_of_its_own(shared, server, folder):
    path = shared.ssh / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "old"], check=True)
    old = (folder / "old.pub").read_text().split()[:2]
    own = (server.folder / "host.pub").read_text().strip()
    for hashed in (False, True):
        path.write_text(f"[127.0.0.1]:{server.port},twin {' '.join(old)}\n" if not hashed
                        else f"[127.0.0.1]:{server.port} {' '.join(old)}\n")
        if hashed:
            subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
            assert known(shared)[0]["hashed"] is True and known(shared)[0]["hosts"] is None
        path.chmod(0o644)
        before = path.read_bytes()
        said = refused(pin(shared, server, key=own), 409, "host_key_changed")
        assert "replace" in said["message"] and path.read_bytes() == before
        reply = pin(shared, server, key=own, replace=True)
        assert reply.status == 200 and reply.json["changed"] is True, reply
        kept = "" if hashed else f"twin {' '.join(old)}\n"
        assert path.read_text() == kept + server.known_hosts.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o644  # as it was


@pytest.mark.parametrize("body, field", [
    ({"host": None}, "host"), ({"host": "-x"}, "host"), ({"host": "a b"}, "host"),
    ({"host": "a,b"}, "host"), ({"port": 0}, "port"), ({"key": "ssh-ed25519 AAAA"}, "key"),
    ({"key": "command=\"x\" ssh-ed25519 AAAA"}, "key"), ({"fingerprint": "MD5:00"}, "fingerprint"),
    ({"replace": "true", "fingerprint": "SHA256:" + "A" * 43}, "replace"), ({"colour": 1}, "colour"),
])
def test_a_host_that_cannot_be_pinned_is_refused(shared, server, body, field):
    sent = {"host": "127.0.0.1", "port": server.port, **body}
    sent = {k: v for k, v in sent.items() if v is not None}
    before = content(shared.ssh)
    refused(shared.write.post("/ssh-keys/known-hosts", sent), 400, "bad_request", field)
    assert content(shared.ssh) == before


def test_a_host_that_is_no_ssh_server_says_so(shared):
    reply = shared.write.post("/ssh-keys/known-hosts", {"host": "127.0.0.1", "port": free_port()})
    refused(reply, 502, "command_failed")
    assert marked_processes(reply.json["job_id"]) == []


def test_a_known_hosts_that_is_a_link_is_left_alone(shared, server, folder):
    path = shared.ssh / "known_hosts"
    path.unlink(missing_ok=True)
    path.symlink_to(folder / "elsewhere")
    own = (server.folder / "host.pub").read_text().strip()
    assert pin(shared, server, key=own).status == 503
    assert not (folder / "elsewhere").exists()
    path.unlink()


# ---- programs that fail ----

@pytest.fixture
def faked(folder):
    """A daemon that finds our ssh-keygen and ssh-keyscan before the real ones."""
    programs = folder / "bin"
    programs.mkdir()
    with Daemon(folder / "d", path=f"{programs}:{PATH}") as d:
        d.programs = programs
        yield d


def fake(daemon, name, script):
    path = daemon.programs / name
    path.write_text("#!/bin/sh\n" + script + "\n")
    path.chmod(0o755)


def test_an_ssh_keygen_that_fails_leaves_nothing_and_the_old_key(faked):
    made = make(faked, "k1")
    fake(faked, "ssh-keygen", "echo no more keys >&2; exit 3")
    for path in ("/ssh-keys/k2", "/ssh-keys/k1/replace", "/ssh-keys/k1/renew"):
        said = refused(faked.write.post(path, {}), 502, "command_failed")
        assert "no more keys" in said["message"] and said["returncode"] == 3
    assert status(faked, "k1")["fingerprint"] == made["fingerprint"]
    assert sorted(p.name for p in faked.ssh.iterdir()) == [".borgmatic-api", "id_k1", "id_k1.pub"]
    assert list((faked.ssh / ".borgmatic-api").iterdir()) == []


def test_an_ssh_keygen_that_hangs_is_ended_at_the_limit(faked):
    made = make(faked, "k1")
    fake(faked, "ssh-keygen", "sleep 600")
    for path in ("/ssh-keys/k2", "/ssh-keys/k1/replace"):
        said = refused(faked.write.post(path, {"timeout": 1}), 408, "timeout")
        wait_for(lambda: marked_processes(said["job_id"]) == [], 10, "nobody is left")
    assert status(faked, "k1")["fingerprint"] == made["fingerprint"]
    assert list((faked.ssh / ".borgmatic-api").iterdir()) == []


def test_while_a_key_is_being_made_nobody_else_touches_it(faked):
    make(faked, "k1")
    gate = faked.programs / "gate"
    os.mkfifo(gate)
    fake(faked, "ssh-keygen", f"read x < {gate}; exit 3")
    job = faked.write.post("/ssh-keys/k1/replace", {}, {"Prefer": "respond-async"})
    assert job.status == 202, job
    wait_for(lambda: marked_processes(job.json["job_id"]), 20, "it runs")
    for reply in (faked.write.post("/ssh-keys/k1/replace", {}),
                  faked.write.request("DELETE", "/ssh-keys/k1"),
                  faked.write.post("/ssh-keys/k1/rollback", {})):
        assert refused(reply, 409, "job_running")["job_id"] == job.json["job_id"]
    gate.write_text("go\n")
    assert faked.wait_job(job.json["job_id"])["state"] == "failed"
    assert status(faked, "k1")["exists"] is True


def test_a_host_that_never_answers_is_given_up_at_the_limit(faked):
    fake(faked, "ssh-keyscan", "sleep 600")
    said = refused(faked.write.post("/ssh-keys/known-hosts", {"host": "h", "timeout": 1}), 408,
                   "timeout")
    wait_for(lambda: marked_processes(said["job_id"]) == [], 10, "nobody is left")


# ---- crashes and secrets ----

@pytest.mark.seconds(120)
def test_kill_9_in_the_middle_of_a_replacement_always_leaves_a_working_key(folder):
    """Killed at ever later moments of the exchange, as long as it takes."""
    with Daemon(folder / "d") as d:
        make(d, "k1")
        path, replaced = d.ssh / "id_k1", 0
        for n in range(12):
            gone = threading.Event()
            before = status(d, "k1")["fingerprint"]

            def ask():
                try:
                    d.write.post("/ssh-keys/k1/replace", {})
                except OSError:
                    pass
                gone.set()

            asking = threading.Thread(target=ask)
            asking.start()
            work = d.ssh / ".borgmatic-api"
            known_before = set(os.listdir(work))
            wait_for(lambda: set(os.listdir(work)) != known_before or gone.is_set())
            while n % 4 and not gone.is_set() and not (work / "id_k1.next").exists():
                pass
            for _ in range(n * 40):
                path.exists()
            d.kill()
            asking.join()
            opened = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", path], capture_output=True)
            assert opened.returncode == 0, opened.stderr
            d.start()
            now = status(d, "k1")
            assert now["problem"] is None, now
            replaced += now["fingerprint"] != before
            assert not list(work.glob("new-*"))
        assert replaced < 12


def test_no_passphrase_of_a_key_is_seen_by_any_program(folder):
    trace = folder / "trace"
    prefix = ["strace", "-f", "-v", "-s", "9999", "-e", "trace=execve", "-o", str(trace)]
    with Sshd(folder / "sshd") as server, Daemon(folder / "d", prefix=prefix,
                                                 LOG_LEVEL="debug") as d:
        answers = []
        made = d.write.post("/ssh-keys/k1", {"ssh_passphrase": PASS})
        authorize(server, made.json["authorized_keys"])
        trust(d, server)
        answers += [made.body, repr(attempt(d, "k1", server, ssh_passphrase=PASS)).encode()]
        place = {"host": "127.0.0.1", "port": server.port, "user": "root"}
        replaced = d.write.post("/ssh-keys/k1/replace", {**place, "ssh_passphrase": OTHER})
        assert replaced.json["error"] == "key_not_proven"
        answers += [replaced.body]
        for job in d.read.get("/jobs?limit=100").json["jobs"]:
            answers.append(d.read.get(f"/jobs/{job['id']}/log").body)
            answers.append(d.read.get(f"/jobs/{job['id']}").body)
        audit_free = d.log().encode()
    seen = trace.read_bytes()
    assert seen.count(b"ssh-keygen") >= 2 and seen.count(b"askpass") >= 4
    for piece in (seen, audit_free, *answers):
        assert found_in([PASS, OTHER], piece) == []
    private = (d.ssh / "id_k1").read_text().split("\n")[1]
    assert not any(private.encode() in a for a in answers)
    for file in d.state.rglob("*"):
        if file.is_file():
            assert found_in([PASS, OTHER], file.read_bytes()) == [], file


def test_what_takes_a_key_away_is_audited(folder):
    audit = folder / "audit"
    with Daemon(folder / "d", AUDIT_LOG_PATH=audit) as d:
        make(d, "k1")
        d.write.post("/ssh-keys/k1/replace", {})
        d.write.post("/ssh-keys/k1/rollback", {})
        d.write.request("DELETE", "/ssh-keys/k1")
        text = audit.read_text()
    for action in ("ssh_key_replace", "ssh_key_rollback", "ssh_key_delete"):
        assert f'"{action}"' in text and '"k1"' in text

"""Archives listed, looked into, downloaded from and deleted, on real repositories."""

import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import FULL, wait_for
from scenario.test_failures import held_lock

# One of each kind that ever fooled a program, and more of the same.
HOSTILE = [
    b"plain", b"two words", b" blank in front", b"blank behind ", b"new\nline", b"\nnewline first",
    b"tab\tand\rreturn", b"..", b"..hidden", b"dots..inside", b"...", b"-rf", b"--stdout",
    b"bad\xffname", b"\xfe", b"half\xc3", b"latin \xe9t\xe9", b"re:.*", b"sh:**", b"pp:x", b"pf:x",
    b"fm:*", b"*", b"?", b"[a]", b"{now}", b"{{", b"%41", b"100%", b"a+b&c=d#e", b'"quoted"',
    b"it's", b"back\\slash", b"\\n", b"$HOME", b"`id`", b"\x01\x7f", b"semi;colon|pipe",
    "umläut".encode(), "日本語".encode(), "\U0001f600".encode(), b"n" * 255, b"::x", b"~", b"a" * 100 + b"\xff" * 100,
]

# One of each kind; each costs two starts of borg.
HOSTILE_SHORT = [b"two words", b"new\nline", b"dots..inside", b"-rf", b"bad\xffname", b"n" * 255,
                 b"re:.*", b"sh:**", b"pp:x", b'"quoted"', b"{now}", b"%41", "日本語".encode()]


def hostile_sources(folder):
    """Files of these names, and one folder each; returns path → content."""
    made = {}
    top = os.fsencode(folder)
    for n, name in enumerate(HOSTILE):
        if name == b"..":
            continue
        path = os.path.join(top, name)
        with open(path, "wb") as f:
            f.write(b"content of %d " % n + name)
        made[path] = b"content of %d " % n + name
    return made


def archive(one, name, *paths, cwd=None, n=0):
    borg.borg(one.home, "create", f"{one.repositories[n]}::{name}", *paths, cwd=cwd,
              passphrase=one.passphrase)


@pytest.fixture(scope="module")
def plain(shared):
    """A repository with one archive of hostile names and special files."""
    one = Setup(shared, "plain", files=0)
    source = one.source
    one.hostile = hostile_sources(source)
    (source / "deep" / "er" / "est").mkdir(parents=True)
    (source / "deep" / "er" / "est" / "file").write_text("at the bottom")
    (source / "empty").write_bytes(b"")
    (source / "link").symlink_to("two words")
    os.link(source / "plain", source / "zz-hard")
    os.mkfifo(source / "fifo")
    (source / "deep" / "x").write_text("x")
    archive(one, "first", source)
    archive(one, "of{braces}".replace("{", "{{").replace("}", "}}"), source / "deep")
    archive(one, "implicit", source / "deep" / "er" / "est" / "file")
    archive(one, "second", source / "deep")
    return one


def get_file(daemon, label, name, path, client=None, extra=""):
    path = quote(path, safe="")
    return (client or daemon.write).get(
        f"/repositories/{label}/archives/{quote(name)}/file?path={path}{extra}")


def tree(daemon, label, **body):
    return daemon.read.post(f"/repositories/{label}/archives/tree", body)


# ---- list ----

def test_every_archive_is_listed(shared, plain):
    """Not only those of the configuration's own name format."""
    reply = shared.read.get("/repositories/plain/archives/list")
    assert reply.status == 200 and reply.json["ok"] is True, reply
    data = reply.json["data"]
    assert len(data) == 1 and {"archives", "encryption", "repository"} <= set(data[0])
    names = [a["name"] for a in data[0]["archives"]]
    assert names == ["first", "of{braces}", "implicit", "second"]
    ids = borg.archive_ids(plain.home, plain.repository)
    for one in data[0]["archives"]:
        assert one["id"] == ids[one["name"]] and one["hostname"] and one["username"] == "root"
    record = shared.job(reply.json["job_id"])
    assert record["result"]["repositories"][0]["archives"] == 4
    assert "first" not in str(record["result"])


def test_the_reference_list_has_sizes(shared, plain):
    reply = shared.read.post("/repositories/plain/archives/list")
    assert reply.status == 200 and reply.json["returncode"] == 0 and reply.json["stderr"] == ""
    archives = reply.json["data"][0]["archives"]
    assert len(archives) == 4
    assert {"name", "id", "start", "end", "duration", "hostname", "username", "comment",
            "command_line", "chunker_params", "limits", "stats"} <= set(archives[0])
    assert {"archives", "cache", "encryption", "repository"} <= set(reply.json["data"][0])
    fast = shared.read.post("/repositories/plain/archives/list", {"stats": False})
    assert "stats" not in fast.json["data"][0]["archives"][0]


def test_two_questions_at_once_get_their_own_answers(shared, plain):
    """Equal questions share a job; these differ in what is meant when stats is not given."""
    def waits(kind):
        jobs = shared.read.get("/jobs?state=running&label=plain").json["jobs"]
        return any(j["kind"].startswith(kind) and j["pid"] for j in jobs)

    with ThreadPoolExecutor(2) as pool, held_lock(plain.home, plain.repository):
        whole = pool.submit(shared.read.post, "/repositories/plain/archives/list")
        wait_for(lambda: waits("archives-"), what="borg waits for the lock")
        fast = pool.submit(shared.read.get, "/repositories/plain/archives/list")
        wait_for(lambda: waits("archives-list"), 4, what="a job of its own")
    assert "stats" not in fast.result().json["data"][0]["archives"][0]
    assert "stats" in whole.result().json["data"][0]["archives"][0]


@pytest.mark.parametrize("query,names", [
    ("match=%2Aond", ["second"]), ("match=of%7B%2A", ["of{braces}"]), ("last=2", ["implicit", "second"]),
    ("match=none", []), ("since=99999999999", []), ("since=1", ["first", "of{braces}", "implicit", "second"]),
    ("match=%5Bfs%5D%2A&last=1", ["second"]), ("match=--help", []),
])
def test_a_list_is_narrowed(shared, plain, query, names):
    for stats in ("", "&stats=true"):
        reply = shared.read.get("/repositories/plain/archives/list?" + query + stats)
        assert reply.status == 200, reply
        assert [a["name"] for a in reply.json["data"][0]["archives"]] == names


@pytest.mark.parametrize("query,field", [
    ("last=0", "last"), ("last=x", "last"), ("since=-1", "since"), ("match=", "match"),
    ("stats=maybe", "stats"), ("repository_label=none", "repository_label"), ("surprise=1", "surprise"),
    ("match=%ff", "match"), ("timeout=0", "timeout"),
])
def test_a_bad_list_is_refused(shared, plain, query, field):
    reply = shared.read.get("/repositories/plain/archives/list?" + query)
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply


# ---- tree ----

def relative(one):
    return str(one.source).lstrip("/")


def test_a_folder_is_read_with_all_its_names(shared, plain):
    seen, cursor, pages = {}, None, 0
    while True:
        body = {"archive": "first", "path": str(plain.source), "limit": 20}
        reply = tree(shared, "plain", **body, **({"cursor": cursor} if cursor else {}))
        assert reply.status == 200 and len(reply.json["entries"]) <= 20, reply
        for entry in reply.json["entries"]:
            name = entry["name"]
            if entry.get("lossy"):
                raw = entry["path_encoded"].split("/")[-1]
                name = unquote_to_bytes(raw)
                assert "�" in entry["name"]
            else:
                name = name.encode()
            assert name not in seen
            seen[name] = entry
        pages += 1
        cursor = reply.json["cursor"]
        assert bool(reply.json["data"]) == (pages == 1)
        if cursor is None:
            break
    wanted = {os.path.basename(p) for p in plain.hostile} | {b"deep", b"empty", b"link", b"zz-hard", b"fifo"}
    assert set(seen) == wanted and pages == len(wanted) // 20 + 1
    for path, content in plain.hostile.items():
        entry, at = seen[os.path.basename(path)], os.lstat(path)
        if not entry.get("hard_link"):
            assert entry["type"] == "file" and entry["size"] == len(content)
        assert entry["mode"] == f"{at.st_mode & 0o7777:04o}" and entry["uid"] == at.st_uid
        assert entry["user"] == "root" and entry["mtime"].startswith("20") and entry["mtime"].endswith("Z")
    assert seen[b"link"]["type"] == "symlink" and seen[b"link"]["target"] == "two words"
    assert seen[b"fifo"]["type"] == "fifo" and seen[b"deep"]["type"] == "directory"


def test_folders_that_the_archive_does_not_hold_are_shown(shared, plain):
    top = relative(plain).split("/")[0]
    reply = tree(shared, "plain", archive="implicit")
    assert [(e["path"], e["type"], e["implied"]) for e in reply.json["entries"]] == [
        (top, "directory", True)]
    reply = tree(shared, "plain", archive="implicit", path=relative(plain) + "/deep", depth=2)
    assert [e["path"][len(relative(plain)):] for e in reply.json["entries"]] == ["/deep/er", "/deep/er/est"]
    assert reply.json["entry"] is None
    reply = tree(shared, "plain", archive="first", path=relative(plain) + "/deep", depth=9)
    assert [e["path"][len(relative(plain)):] for e in reply.json["entries"]] == [
        "/deep/er", "/deep/er/est", "/deep/er/est/file", "/deep/x"]
    assert reply.json["entry"]["type"] == "directory"
    assert reply.json["data"][0]["archives"][0]["name"] == "first"


def test_latest_is_the_newest(shared, plain):
    for body in ({}, {"archive": "latest"}):
        assert tree(shared, "plain", **body).json["archive"] == "second"


@pytest.mark.parametrize("body,field", [
    ({"archive": "-x"}, "archive"), ({"archive": "a/b"}, "archive"), ({"archive": ""}, "archive"),
    ({"path": "a/../b"}, "path"), ({"path": 1}, "path"), ({"path": "a" * 4097}, "path"),
    ({"path_encoded": "%zz"}, "path_encoded"), ({"path_encoded": "%2e%2e"}, "path_encoded"),
    ({"path_encoded": "a", "path": "a"}, "path_encoded"), ({"depth": 0}, "depth"),
    ({"limit": 0}, "limit"), ({"limit": 2001}, "limit"), ({"cursor": "%"}, "cursor"),
    ({"depth": "1"}, "depth"), ({"timeout": 0}, "timeout"), ({"repository_label": "no"}, "repository_label"),
])
def test_a_bad_tree_is_refused(shared, plain, body, field):
    before = len(shared.read.get("/jobs?limit=500").json["jobs"])
    reply = tree(shared, "plain", **body)
    assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
    assert len(shared.read.get("/jobs?limit=500").json["jobs"]) == before


def test_what_is_not_there_is_named(shared, plain):
    reply = tree(shared, "plain", archive="first", path="no/such")
    assert (reply.status, reply.json["error"]) == (404, "not_found"), reply
    assert reply.json["errors"][0]["field"] == "path"
    reply = tree(shared, "plain", archive="nope")
    assert (reply.status, reply.json["error"]) == (404, "archive_not_found"), reply
    reply = tree(shared, "plain", archive="of{braces}")
    assert reply.status == 200 and reply.json["archive"] == "of{braces}"


# ---- diff ----

def test_two_archives_are_compared(shared):
    one = Setup(shared, "diff", files=3)
    same, changed, gone = sorted(one.files)
    top = str(one.source).lstrip("/")
    archive(one, "x{{1}}", one.source)
    Path(changed).write_bytes(b"other")
    Path(gone).unlink()
    with open(os.fsencode(one.source) + b"/new\nbad\xff\xf0\x9f\x98\x80", "wb") as f:
        f.write(b"12345")
    archive(one, "y{{2}}", one.source)

    def diff(**body):
        return shared.read.post("/repositories/diff/archives/diff",
                                {"archive": "x{1}", "other": "y{2}", **body})

    reply = diff(content_only=True)
    assert reply.status == 200 and reply.json["total"] == 3 and not reply.json["truncated"], reply
    found = {e["path"]: e for e in reply.json["data"]}
    # borg 1.4 writes a question mark by itself: then nobody can tell which byte it was.
    told = "\ufffd" if "\ufffd" in "".join(found) else "?"
    new = f"{top}/new\nbad{told}\U0001f600"
    assert set(found) == {changed.lstrip("/"), gone.lstrip("/"), new}
    if told != "?":
        assert found[new]["lossy"] is True
        assert found[new]["path_encoded"].endswith("new%0Abad%FF%F0%9F%98%80")
    assert found[new]["changes"][0] == {"type": "added", "size": 5}
    assert found[gone.lstrip("/")]["changes"][0]["type"] == "removed"
    assert diff().json["total"] > 3
    reply = diff(limit=1, content_only=True)
    assert len(reply.json["data"]) == 1 and reply.json["truncated"] and reply.json["total"] == 3
    folder = str(Path(changed).parent)
    assert [e["path"] for e in diff(path=folder, content_only=True).json["data"]] == [changed.lstrip("/")]
    for body, field in (({"other": "-x"}, "other"), ({"other": None}, "other"), ({"archive": "a/b"}, "archive"),
                        ({"limit": 0}, "limit"), ({"path": "../x"}, "path"), ({"content_only": 1}, "content_only"),
                        ({"path_encoded": "%"}, "path_encoded"), ({"surprise": 1}, "surprise")):
        reply = diff(**body)
        assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
    for body in ({"other": "none"}, {"archive": "none"}):
        reply = diff(**body)
        assert (reply.status, reply.json["error"]) == (404, "archive_not_found"), reply


# ---- download ----

def test_hostile_names_come_back_intact(shared, plain):
    short = {os.path.join(os.fsencode(plain.source), name) for name in HOSTILE_SHORT}
    for path, content in plain.hostile.items():
        if not FULL and path not in short:
            continue
        reply = get_file(shared, "plain", "first", path)
        assert reply.status == 200 and reply.body == content, (path, reply)
        assert reply.headers["X-File-Size"] == str(len(content))
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert reply.headers["Transfer-Encoding"] == "chunked"
        shown = reply.headers["Content-Disposition"]
        assert shown.startswith('attachment; filename="') and "filename*=UTF-8''" in shown
        record = shared.wait_job(reply.headers["X-Job-Id"])
        assert record["state"] == "succeeded" and record["verdict"]["word"] == "sent"
        result = record["result"]["repositories"][0]
        assert result["sha256"] == hashlib.sha256(content).hexdigest()
        assert result["bytes"] == len(content)


def test_what_is_small_and_what_is_linked(shared, plain):
    reply = get_file(shared, "plain", "first", os.fsencode(plain.source / "empty"))
    assert reply.status == 200 and reply.body == b"" and reply.headers["X-File-Size"] == "0"
    reply = get_file(shared, "plain", "first", os.fsencode(plain.source / "zz-hard"))
    assert reply.status == 200 and reply.body == (plain.source / "plain").read_bytes()
    reply = get_file(shared, "plain", "of{braces}", os.fsencode(plain.source / "deep" / "x"))
    assert reply.body == b"x"
    reply = get_file(shared, "plain", "latest", os.fsencode(plain.source / "deep" / "x"))
    assert reply.body == b"x"


@pytest.mark.parametrize("name,part", [("first", "deep"), ("implicit", "deep/er"), ("first", "")])
def test_a_folder_comes_as_a_tar(shared, plain, folder, name, part):
    path = plain.source / part if part else Path("/")
    reply = get_file(shared, "plain", name, os.fsencode(path))
    assert reply.status == 200 and reply.headers["Content-Type"] == "application/x-tar"
    assert "X-File-Size" not in reply.headers and '.tar"' in reply.headers["Content-Disposition"]
    subprocess.run(["tar", "x"], input=reply.body, cwd=folder, check=True)
    there = folder / relative(plain) / "deep" / "er" / "est" / "file"
    assert there.read_text() == "at the bottom"
    record = shared.wait_job(reply.headers["X-Job-Id"])
    assert record["result"]["repositories"][0]["sha256"] == hashlib.sha256(reply.body).hexdigest()


@pytest.mark.parametrize("path,status,error", [
    ("no/such", 404, "not_found"), ("a/../b", 400, "bad_request"), ("", 400, "bad_request"),
    ("fifo", 400, "bad_request"), ("link", 400, "bad_request"), ("plai", 404, "not_found"),
])
def test_what_cannot_be_downloaded_is_refused(shared, plain, path, status, error):
    if path in ("fifo", "link", "plai"):
        path = str(plain.source / path)
    reply = get_file(shared, "plain", "first", path)
    assert (reply.status, reply.json["error"]) == (status, error), reply
    assert reply.json["errors"][0]["field"] == "path"


def test_who_only_reads_may_not_download(shared, plain):
    reply = get_file(shared, "plain", "first", "/", client=shared.read)
    assert (reply.status, reply.json["error"]) == (403, "insufficient_role")
    for name, field in (("-x", "archive"), ("a%2fb", "archive")):
        reply = shared.write.get(f"/repositories/plain/archives/{name}/file?path=x")
        assert reply.status == 400 and reply.json["errors"][0]["field"] == field, reply
    reply = shared.write.get("/repositories/plain/archives/first/file")
    assert reply.status == 400 and reply.json["errors"][0]["field"] == "path"
    reply = shared.write.get("/repositories/plain/archives/nope/file?path=x")
    assert (reply.status, reply.json["error"]) == (404, "archive_not_found")
    reply = shared.write.get("/repositories/nolabel/archives/nope/file?path=x")
    assert (reply.status, reply.json["error"]) == (404, "not_found")

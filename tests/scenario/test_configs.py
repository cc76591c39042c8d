"""Configurations: what is shown of them, and what borgmatic says of them."""

import os

import pytest
import yaml

from fixtures.borg import Setup
from fixtures.configs import OLD, coding, config, option, put, refused, state_of, text
from fixtures.harness import Daemon, marked_processes, wait_for
from fixtures.leaks import found_below, found_in

FORMAT = "{now:%Y%m%d_%H%M%S}-nextcloud-aio"


# ---- reading ----

def test_the_list_names_every_file_and_what_is_wrong_with_it(daemon):
    (daemon.configs / "plain.yaml").write_text(text())
    (daemon.configs / "other.yml").write_text(text())
    (daemon.configs / "plain.yml").write_text(text())
    (daemon.configs / "bad.yaml").write_text("a: [secretword")
    (daemon.configs / "empty.yaml").write_text("")
    (daemon.configs / ".hidden.yaml").write_text(text())
    (daemon.configs / "a b.yaml").write_text(text())
    (daemon.configs / "folder.yaml").mkdir()
    (daemon.configs / "dangling.yaml").symlink_to("nowhere")
    (daemon.configs / "loop.yaml").symlink_to("loop.yaml")
    (daemon.configs / "big.yaml").write_text("a" * 300_000)
    os.mkfifo(daemon.configs / "fifo.yaml")
    (daemon.configs / "note.txt").write_text("no configuration")
    with open(os.path.join(os.fsencode(daemon.configs), b"\xff.yaml"), "w") as odd:
        odd.write("a: b")
    before = state_of(daemon.configs)
    reply = daemon.read.get("/configs")
    assert reply.status == 200 and reply.json["ok"] is True
    items = {i["file"]: i for i in reply.json["items"]}
    assert reply.json["configs"] == [i["file"] for i in reply.json["items"]]
    assert reply.json["left_out"] == 0 and len(items) == 13 and "note.txt" not in items
    for good in ("plain", "other"):
        item = items[f"{good}.yaml" if good == "plain" else f"{good}.yml"]
        assert item["label"] == good and item["problem"] is None, item
        assert item["etag"] and item["mtime"] > 0 and item["size"] == len(text())
    for name in (".hidden.yaml", "a b.yaml", "plain.yml", "\ufffd.yaml"):
        assert items[name]["label"] is None and items[name]["problem"], name
    for name in ("bad", "empty", "folder", "dangling", "loop", "big", "fifo"):
        assert items[f"{name}.yaml"]["problem"], name
    assert "secretword" not in reply.text
    assert state_of(daemon.configs) == before
    for name, status in (("bad", 422), ("big", 422), ("folder", 404), ("fifo", 404), ("nope", 404)):
        reply = daemon.read.get(f"/configs/{name}")
        assert reply.status == status, (name, reply)
        assert "secretword" not in reply.text
    assert refused(daemon.read.get("/configs/nope"), 404, "not_found")["message"] == \
        "Config nope not found"
    for bad in ("..", "a%0A", "-x", "a%2Fb"):
        refused(daemon.read.get(f"/configs/{bad}"), 400, "bad_request", "label")
    refused(daemon.read.get("/configs/plain?format=xml"), 400, "bad_request", "format")
    results = daemon.read.get("/config/aio-structure-all").json
    assert results["ok"] is True and len(results["results"]) == 13
    assert all(r["ok"] is False for r in results["results"])


def test_a_missing_folder_is_said(folder):
    with Daemon(folder / "d", BORGMATIC_CONFIG_DIR=folder / "none") as daemon:
        refused(daemon.read.get("/configs"), 503, "unavailable")
        refused(daemon.read.get("/config/validate-all"), 503, "unavailable")
        refused(daemon.read.get("/configs/one"), 404, "not_found")
        assert put(daemon, "one", config=config()).status >= 400


SECRETS = {
    "passphrase": "Pa$$phrase-mit\u00e4\"x'", "urlpass": "urlpass-7781", "token": "tok_0123456789abcdef01",
    "ping": "https://hc-ping.com/11111111-2222-3333-4444-555555555555", "db": "db pass:word#1",
    "passcommand": "secret-tool lookup borg repo-name-x", "old": "formerly-used-phrase",
    "include": "included-passphrase-9",
}


def planted(flat):
    """A configuration with every kind of secret, as text with comments."""
    quoted = {k: yaml.dump(v, default_style='"').strip() for k, v in SECRETS.items()}
    location = f"""    source_directories: [/etc]  # what
    repositories:
        - ssh://user:{SECRETS["urlpass"]}@backup.example/./repo
"""
    storage = f"""    encryption_passphrase: {quoted["passphrase"]} # the passphrase
    # encryption_passphrase: {SECRETS["old"]}
    encryption_passcommand: {quoted["passcommand"]}
    ssh_command: ssh -o "ProxyCommand=x {SECRETS["token"]}"
"""
    hooks = f"""    before_backup:
        - /usr/local/bin/stop.sh
        - 'curl -H "Authorization: Bearer {SECRETS["token"]}" http://x'
    healthchecks: {SECRETS["ping"]}
    postgresql_databases:
        - name: users
          hostname: db.example
          password: {quoted["db"]}
"""
    retention = "retention: !include keep.yaml\n"
    if flat:
        def left(block):
            return "\n".join(line[4:] if line.startswith("    ") else line
                             for line in block.split("\n"))
        return "# mine\n" + left(location + storage + hooks) + "<<: !include keep.yaml\n"
    return f"# mine\nlocation:\n{location}storage:\n{storage}hooks:\n{hooks}{retention}"


class Tagged(yaml.SafeLoader):
    pass


Tagged.add_constructor("!include", lambda _loader, node: {"included": node.value})


def read_tagged(content):
    return yaml.load(content.replace("<<", "merged"), Tagged)


@pytest.mark.parametrize("flat", (False, True))
def test_no_secret_of_a_configuration_leaves(folder, flat):
    with Daemon(folder / "d", ENABLE_CONFIG_CODE="true", LOG_LEVEL="debug",
                AUDIT_LOG_PATH=folder / "audit") as daemon:
        (daemon.configs / "keep.yaml").write_text(
            f"# x\nencryption_passphrase: {SECRETS['include']}\nkeep_daily: seven\n")
        path = daemon.configs / "one.yaml"
        path.write_text(planted(flat))
        stored = path.read_text()
        before = state_of(daemon.configs)
        replies = [client.request(method, target)
                   for client in (daemon.read, daemon.write)
                   for method, target in (
                       ("GET", "/configs"), ("GET", "/configs/one"),
                       ("GET", "/configs/one?format=yaml"), ("GET", "/config/one/redacted"),
                       ("GET", "/configs/one/sources"), ("GET", "/config/aio-structure/one"),
                       ("GET", "/config/aio-structure-all"), ("GET", "/config/validate-all"),
                       ("POST", "/config/validate/one"))]
        assert all(r.status == 200 for r in replies), replies
        assert state_of(daemon.configs) == before
        masked = replies[2].text
        for kept in ("# mine", "# what", "# the passphrase", "!include keep.yaml", "curl ***",
                     "/usr/local/bin/stop.sh", "ssh://user:***@backup.example/./repo"):
            assert kept in masked, (kept, masked)
        assert masked.count("\n") == stored.count("\n")
        shown = replies[1].json["config"]
        assert (shown["<<"] if flat else shown["retention"]) == {"!include": "keep.yaml"}
        # What was shown, sent back with one change, keeps every secret; comments stay as shown.
        changed = masked.replace("[/etc]", "[/etc, /home]")
        back = put(daemon, "one", yaml=changed, overwrite=True, validate=False)
        assert back.status == 200, back
        written = path.read_text()
        expected = stored.replace("[/etc]", "[/etc, /home]").replace(SECRETS["old"], "***")

        assert read_tagged(written) == read_tagged(expected)
        again = put(daemon, "one", config=shown, overwrite=True, validate=False)
        assert again.status == 200, again
        assert read_tagged(path.read_text()) == read_tagged(stored)
        # borgmatic refuses both, and quotes values when it does.
        wrong = put(daemon, "one", yaml=changed.replace("[/etc, /home]", "7"), overwrite=True)
        refused(wrong, 400, "validate_error")
        replies += [back, again, wrong, daemon.read.get("/jobs?limit=100")]
        jobs = [j["id"] for j in replies[-1].json["jobs"]]
        replies += [daemon.read.get(f"/jobs/{j}") for j in jobs]
        replies += [daemon.read.get(f"/events/poll/{j}") for j in jobs]
        for reply in replies:
            assert found_in(SECRETS.values(), reply.body) == [], reply
        daemon.stop()
        assert found_below(SECRETS.values(), folder, (daemon.configs,)) == []


def test_what_borgmatic_quotes_is_masked(coding):
    """It writes out a value of the wrong type, also one that stands in an included file."""
    wrong = yaml.safe_dump({"encryption_passphrase": [SECRETS["include"]]})
    (coding.configs / "wrong.inc").write_text(wrong)
    included = text() + f"{'storage' if OLD else '<<'}: !include wrong.inc\n"
    database = config(postgresql_databases={"name": "x", "password": SECRETS["db"]})
    for body in ({"yaml": included}, {"config": database}):
        got = refused(put(coding, "quoted", **body), 400, "validate_error")
        assert "***" in got["validation"]["stderr"] + got["validation"]["stdout"], got
        events = coding.events(got["job_id"])
        assert any("***" in e["line"] for e in events)
        assert found_in(SECRETS.values(), repr((got, events)).encode()) == []
        path = coding.configs / "quoted.yaml"
        path.write_text(body.get("yaml") or yaml.safe_dump(body["config"]))
        asked = coding.read.post("/config/validate/quoted")
        assert asked.json["valid"] is False, asked
        assert "***" in asked.json["stderr"] + asked.json["stdout"], asked
        assert found_in(SECRETS.values(), asked.body) == []
        path.unlink()
    assert found_below(SECRETS.values(), coding.state) == []


def test_json_has_what_pyyaml_reads(shared):
    samples = ["~", "yes", "No", "0o17", "017", "0x1F", "1_000", "1:30", "12e03", "1e+3", "1.5",
               "-.5", "6.8523015e+5", "0b11", "08", "+7", "null", "'null'", "True", "on", "y",
               "1.0", "9" * 15, "a: b", "[1, [2, {c: d}]]", "&x [1]", "text # no", "'it''s'"]
    one = {"list": "\n".join(f"  - {s}" for s in samples)}
    (shared.configs / "types.yaml").write_text("source_directories:\n" + one["list"]
                                               + "\nkeep_daily: 2024-01-01\n")
    got = shared.read.get("/configs/types").json["config"]
    assert got["keep_daily"] == "2024-01-01"
    expected = yaml.safe_load("x:\n" + one["list"])["x"]
    assert list(map(repr, got["source_directories"])) == list(map(repr, expected))
    (shared.configs / "types.yaml").unlink()


def test_sources_in_both_layouts(shared):
    (shared.configs / "s.yaml").write_text(
        "location:\n  source_directories: [/a]\n  patterns: ['R /b', '- /b/c', 'R  /d e']\n")
    reply = shared.read.get("/configs/s/sources")
    assert reply.json["sources"] == ["/a", "/b", "/d e"] and reply.headers["ETag"]
    (shared.configs / "s.yaml").write_text("source_directories:\n- /x\n")
    assert shared.read.get("/configs/s/sources").json["sources"] == ["/x"]
    refused(shared.read.get("/configs/s2/sources"), 404, "not_found")
    (shared.configs / "s.yaml").unlink()


def test_aios_name_format_in_both_layouts(daemon):
    (daemon.configs / "flat.yaml").write_text(f'archive_name_format: "{FORMAT}"\n')
    (daemon.configs / "old.yaml").write_text(f'storage:\n  archive_name_format: "{FORMAT}"\n')
    (daemon.configs / "not.yaml").write_text("archive_name_format: x-{now}\n")
    (daemon.configs / "bad.yaml").write_text("[")
    for label, matches in (("flat", True), ("old", True), ("not", False)):
        got = daemon.read.get(f"/config/aio-structure/{label}").json
        assert got["ok"] is True and got["matches"] is matches and got["required"] == FORMAT
        assert (got["archive_name_format"] == FORMAT) is matches
    refused(daemon.read.get("/config/aio-structure/bad"), 422, "invalid_config")
    got = daemon.read.get("/config/aio-structure-all").json
    assert got["ok"] is True
    assert {r["file"]: r["ok"] for r in got["results"]} == {
        "flat.yaml": True, "old.yaml": True, "not.yaml": False, "bad.yaml": False}
    assert [r["file"] for r in got["results"] if r["problem"]] == ["bad.yaml"]


# ---- asking borgmatic ----

def test_validating_is_a_question(daemon):
    ran = daemon.folder / "ran"
    one = Setup(daemon, "good", before_backup=[f"touch {ran}"], before_everything=[f"touch {ran}"])
    (daemon.configs / "bad.yaml").write_text(text(keep_daily="many"))
    (daemon.configs / "broken.yaml").write_text("a: [")
    before = state_of(daemon.configs), state_of(one.repository)
    reply = daemon.read.post("/config/validate/good")
    assert reply.status == 200 and reply.json["ok"] is True and reply.json["valid"] is True
    assert reply.json["returncode"] == 0
    reply = daemon.read.post("/config/validate/bad")
    assert reply.status == 200 and reply.json["ok"] is True and reply.json["valid"] is False
    assert reply.json["returncode"] == 1
    assert "keep_daily" in reply.json["stderr"] + reply.json["stdout"]
    assert daemon.read.post("/config/validate/broken").json["valid"] is False
    refused(daemon.read.post("/config/validate/none"), 404, "not_found")
    got = daemon.read.get("/config/validate-all").json
    assert got["ok"] is True
    assert [(r["file"], r["returncode"], r["valid"]) for r in got["results"]] == [
        ("bad.yaml", 1, False), ("broken.yaml", 1, False), ("good.yaml", 0, True)]
    assert all(set(r) >= {"stdout", "stderr"} for r in got["results"])
    assert (state_of(daemon.configs), state_of(one.repository)) == before
    assert not ran.exists() and one.archives() == []


@pytest.mark.parametrize("way", ("put", "validate", "all"))
def test_a_validation_that_hangs_is_ended(folder, way):
    with Daemon(folder / "d", ENABLE_CONFIG_CODE="true") as daemon:
        os.mkfifo(daemon.configs / "hang.inc")  # whoever reads it waits for a writer
        hangs = f"{'retention' if OLD else '<<'}: !include hang.inc\n"
        if way == "put":
            reply = put(daemon, "slow", yaml=text() + hangs, process_timeout=1)
        else:
            (daemon.configs / "slow.yaml").write_text(text() + hangs)
            reply = (daemon.read.post("/config/validate/slow", {"process_timeout": 1})
                     if way == "validate" else daemon.read.get("/config/validate-all?timeout=1"))
        got = refused(reply, 408, "timeout")
        assert daemon.job(got["job_id"])["state"] == "timed_out"
        wait_for(lambda: not marked_processes(got["job_id"]), 10, "its processes end")
        left = daemon.state / "config-check"
        assert not left.exists() or list(left.iterdir()) == []
        assert (daemon.configs / "slow.yaml").exists() is (way != "put")
        (daemon.configs / "slow.yaml").unlink(missing_ok=True)
        assert put(daemon, "slow", config=config()).status == 200


def test_generated_text_is_what_the_installed_borgmatic_takes(daemon):
    body = {"label": "gen", "sources": ["/etc", "/a \"b\""], "repository": "ssh://u@h/./r",
            "keep_daily": 3, "keep_hourly": 2}
    reply = daemon.write.post("/config/generate", body)
    assert reply.status == 200 and not (daemon.configs / "gen.yaml").exists()
    content = yaml.safe_load(reply.json["yaml"])
    assert option(content, "source_directories") == body["sources"]
    assert (content["retention"] if OLD else content)["keep_hourly"] == 2
    assert put(daemon, "gen", yaml=reply.json["yaml"]).status == 200
    for field, value in (("sources", ["-x"]), ("sources", []), ("repository", "ssh://-x/r"),
                         ("label", "/"), ("keep_daily", -1)):
        refused(daemon.write.post("/config/generate", {**body, field: value}), 400, "bad_request",
                field)
    refused(daemon.write.post("/config/generate", {**body, "x": 1}), 400, "bad_request", "x")
    refused(daemon.read.post("/config/generate", body), 403, "insufficient_role")

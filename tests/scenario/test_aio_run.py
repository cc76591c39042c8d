"""AIO's workflow in each scenario of the stand-in (tests/fixtures/aio/scenarios): what the daemon
makes of it, and what the containers did."""

import pytest

from fixtures.aio import scenarios
from fixtures.aio.contract import CONTRACT
from fixtures.aio.installation import BORG, FLAGS, MASTER
from fixtures.harness import Daemon

BACKUP = {"DAILY_BACKUP": "1", "START_CONTAINERS": "1"}


def repository_is_copied(aio):
    aio.run(**BACKUP)
    aio.forget()
    (aio.target / "borg/aio-lockfile").touch()


def an_older_container(aio):
    """An earlier backup's container, with exit code 0."""
    aio.run(**BACKUP)
    assert aio.state(BORG)["ExitCode"] == 0
    aio.forget()


def no_mastercontainer(aio):
    aio.docker.cli("rm", "-f", MASTER)


GIVEN = {"aio_lockfile": repository_is_copied, "stale_container": an_older_container,
         "no_container": no_mastercontainer}


def wanted():
    return [name for name in scenarios.names() if "run" in scenarios.load(name)]


def assert_execs(aio, seen):
    """Each call of the script had all five flags, as literal 0 or 1, and nothing of ours beside."""
    calls = aio.execs()
    if "execs" in seen:
        assert len(calls) == seen["execs"], [c["argv"] for c in calls]
    for call in calls:
        assert all(call["env"].get(name) in ("0", "1") for name in FLAGS), call["env"].keys()
        assert not set(CONTRACT["SHADOWED"].split()) & set(call["env"])
    if seen.get("equal_execs"):
        assert all(call["env"] == calls[0]["env"] for call in calls)


@pytest.mark.seconds(300)
@pytest.mark.parametrize("name", wanted())
def test_a_run(aio, folder, name):
    scenario = scenarios.load(name)
    seen = scenario["run"]
    scenarios.prepare(aio, scenario, GIVEN.get(name))
    before = len(aio.archives())
    settings = {k: v and str(v) for k, v in seen.get("settings", {}).items()}
    with Daemon(folder / "d", **aio.settings(**settings)) as daemon:
        reply = daemon.write.post(seen.get("path", "/nextcloud/daily-backup/run"),
                                  seen.get("body", {}))
        assert reply.status == seen["status"], reply
        assert reply.json["ok"] is (seen["status"] == 200)
        if "error" in seen:
            assert reply.json["error"] == seen["error"], reply
        if "field" in seen:
            assert seen["field"] in reply.text, reply
        if "state" in seen:
            record = daemon.job(reply.json["job_id"])
            assert (record["state"], record["verdict"]["word"]) == (seen["state"], seen["word"]), (
                record["verdict"])
            assert set(seen.get("notices", ())) <= set(daemon.notices(record["id"]))
            if "restored" not in seen:
                assert not list(daemon.state.glob("aio/*journal*")), "a journal stands"
        scenarios.assert_seen(aio, seen, before)
        assert_execs(aio, seen)
        if seen.get("stack") == "up":
            assert aio.status()["installed"] is True
        shown = reply.text + daemon.log()
        assert not [s for s in aio.secrets.values() if s in shown]

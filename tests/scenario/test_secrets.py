"""No secret leaves: not in any program's arguments or environment, not in the log, the database,
the state folder, a response or a stream."""

import subprocess
from pathlib import Path

import pytest

from fixtures import borg
from fixtures.borg import Setup
from fixtures.harness import SANITIZED, Daemon, marked_processes, wait_for
from fixtures.hooks import Gate
from fixtures.leaks import execve_trace, found_below, found_in, promised
from fixtures.sshd import Sshd

REQUEST, SSH, CONFIG = "Req/pass \"word\" é%7", "ssh'Pass\\phrase+1", "configured-Passphrase"
WRONG = "wr0ng-passphrase-X"


class Watched:
    """A daemon under strace, with every byte that it ever answered us."""

    def __init__(self, folder):
        self.trace = folder / "trace"
        prefix = [] if SANITIZED else execve_trace(self.trace)
        self.daemon = Daemon(folder / "d", prefix=prefix, LOG_LEVEL="debug")
        self.answers = []
        for client in (self.daemon.write, self.daemon.read, self.daemon.anyone):
            self._keep(client)

    def _keep(self, client):
        ask = client.request

        def kept(*args, **kwargs):
            reply = ask(*args, **kwargs)
            self.answers.append(str(reply.headers).encode() + reply.body)
            return reply

        client.request = kept


@pytest.fixture(scope="module")
def watched(module_folder):
    """Runs of every sort with passphrases; then the daemon has ended and all can be searched."""
    folder = module_folder
    w = Watched(folder)
    d = w.daemon
    with d, Sshd(folder / "sshd") as sshd:
        jobs = []
        gate = Gate(folder)
        # The hooks do what they should not: print the secrets, and their environment.
        noisy = [gate.command, "env", f"cat {folder / 'spill'}"]
        (folder / "spill").write_text("\n".join(
            [REQUEST, d.token, d.read_token, f"half {REQUEST[:10]}", *promised(REQUEST)]) + "\n")
        one = Setup(d, "one", REQUEST, in_config=False, before_backup=noisy)
        jobs.append(d.backup("one", borg_passphrase=REQUEST, progress=True)["job_id"])
        wait_for(gate.is_reached, 40, "the hook runs")
        w.environments = [(pid, Path(f"/proc/{pid}/environ").read_bytes(),
                           Path(f"/proc/{pid}/cmdline").read_bytes())
                          for pid in marked_processes(jobs[0])]
        gate.open()
        d.wait_job(jobs[0])
        two = Setup(d, "two", CONFIG)
        jobs.append(d.run_backup("two")["id"])
        jobs.append(d.run_backup("two", borg_passphrase=WRONG)["id"])
        location = sshd.location(d.folder / "repo-three")
        borg.make_repository(d.home, location, REQUEST, sshd.rsh)
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SSH, "-f", str(sshd.key)],
                       check=True, capture_output=True)
        three = Setup(d, "three", REQUEST, in_config=False, count=0, ssh_command=sshd.rsh)
        three.repositories = [location]
        three.write()
        both = {"borg_passphrase": REQUEST, "ssh_passphrase": SSH}
        jobs.append(d.run_backup("three", **both)["id"])
        jobs.append(d.run_backup("three", borg_passphrase=WRONG, ssh_passphrase=SSH)["id"])
        d.write.post("/create-backup/dry-run", {"repository": "three", **both})
        d.write.post("/create-backup", {"repository": "one", "borg_passphrase": REQUEST,
                                        "ssh_passphrase": REQUEST})
        d.write.post("/create-backup", '{"repository":"one","borg_passphrase":"' + CONFIG + '"')
        d.write.post("/create-backup", {"repository": "one", "borg_passphrase": [REQUEST]})
        d.write.post("/create-backup", {"repository": "one", "borg_pasphrase": REQUEST})
        d.write.get(f"/status?borg_passphrase={CONFIG}")
        w.states = [d.job(j)["state"] for j in jobs]
        for job in jobs:
            d.read.get(f"/jobs/{job}/log")
            d.events(job)
            with d.stream(job) as stream:
                w.answers.append(repr([e.data for e in stream.events(30)]).encode())
        for path in ("/", "/status", "/health", "/jobs?limit=500", "/metrics",
                     "/metrics?format=prometheus"):
            d.read.get(path)
        w.repositories = [Path(r) for s in (one, two) for r in s.repositories]
        w.tokens = [d.token, d.read_token]
    return w


def test_the_runs_ended_as_they_should(watched):
    assert watched.states == ["succeeded", "succeeded", "failed", "succeeded", "failed"]


def test_no_executed_program_had_a_secret_in_its_arguments_or_environment(watched):
    if not SANITIZED:  # there it is the next test alone: a sanitizer may not be traced
        trace = watched.trace.read_bytes()
        assert trace.count(b"execve(") > 20 and b"borgmatic" in trace
        # What callers gave. A passphrase inside a configuration is borgmatic's own affair: up to
        # 1.9.10 it hands it to borg in the environment.
        assert found_in([REQUEST, SSH, WRONG], trace) == []
        started, _, rest = trace.partition(b"\n")  # the daemon itself gets its tokens this way
        assert watched.tokens[0].encode() in started
        assert found_in(watched.tokens, rest) == []


def test_no_process_of_a_job_had_a_secret_where_others_can_read_it(watched):
    assert watched.environments
    for pid, environment, argv in watched.environments:
        assert found_in([REQUEST, SSH, CONFIG, *watched.tokens], environment + argv) == [], pid


def test_the_log_has_no_secret_and_each_line_is_json(watched):
    text = watched.daemon.log_path.read_bytes()
    assert found_in([REQUEST, SSH, CONFIG, WRONG, *watched.tokens], text) == []
    assert b"ticket=" not in text or b"ticket=***" in text
    assert all("msg" in e or "message" in e or "event" in e for e in watched.daemon.log_entries())


def test_the_database_and_the_state_folder_have_no_secret(watched):
    secrets = [REQUEST, SSH, CONFIG, WRONG, *watched.tokens]
    assert list(watched.daemon.state.rglob("*.db*")) or list(watched.daemon.state.rglob("*.sqlite*"))
    assert found_below(secrets, watched.daemon.state) == []


def test_no_answer_and_no_stream_had_a_secret(watched):
    for answer in watched.answers:
        assert found_in([REQUEST, SSH, CONFIG, WRONG, *watched.tokens], answer) == [], answer[:400]


def test_what_the_hooks_spilled_was_masked_not_dropped(watched):
    joined = b"\n".join(watched.answers)
    assert b"***" in joined and b"half " in joined

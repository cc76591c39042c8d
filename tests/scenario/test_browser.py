"""The browser example of the reference README in a real Chromium: the page comes from another port,
gets nothing but the `sse` address as it was returned, and no header can be set."""

import http.server
import json
import os
import shutil
import signal
import subprocess
import threading

import pytest

from fixtures.borg import Setup
from fixtures.harness import wait_for
from fixtures.hooks import Gate

PAGE = """<!doctype html><meta charset="utf-8"><title>stream</title><script>
const got = [];
const evtSource = new EventSource(%s);
const tell = () => fetch('/report', {method: 'POST', body: JSON.stringify(got)});
for (const kind of ['stdout', 'stderr', 'progress', 'stage', 'status'])
  evtSource.addEventListener(kind, (e) => {
    got.push({kind, id: e.lastEventId, data: JSON.parse(e.data)});
    if (kind === 'status') tell();
  });
evtSource.onopen = () => { got.push({kind: 'open'}); tell(); };
evtSource.onerror = () => { got.push({kind: 'error', state: evtSource.readyState}); tell(); };
</script>"""


class Site(http.server.ThreadingHTTPServer):
    """Serves the page and keeps what it reports."""

    def __init__(self, sse):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.page, self.got = (PAGE % json.dumps(sse)).encode(), []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(self.server.page) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(self.server.page)

        def do_POST(self):
            got = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if len(got) >= len(self.server.got):
                self.server.got = got
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass


@pytest.fixture
def browse(folder):
    """Opens a page in a new Chromium; ends it, and all it started, after the test."""
    opened = []

    def start(url):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "chromium is not installed (make deps)"
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8",
               "XDG_RUNTIME_DIR": str(folder)}
        opened.append(subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-dev-shm-usage",
             "--remote-debugging-port=0",  # else a headless browser prints the page and ends
             f"--user-data-dir={folder / 'profile'}", url],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True))

    yield start
    for one in opened:
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()


def test_the_browser_example_receives_stdout_and_the_terminal_status(shared, folder, browse):
    gate = Gate(folder)
    Setup(shared, "watched", before_backup=[gate.command, "echo a line of the hook"])
    answer = shared.backup("watched", stats=True)
    assert shared.token not in answer["sse"] and shared.read_token not in answer["sse"]
    site = Site(answer["sse"])
    browse(f"http://127.0.0.1:{site.server_port}/")
    wait_for(lambda: any(g["kind"] == "open" for g in site.got), 40, "the stream is open")
    gate.open()

    def ended():
        return [json.loads(g["data"]["line"]) for g in site.got if g["kind"] == "status"
                and json.loads(g["data"]["line"])["event"] in ("success", "fail")]

    last = wait_for(ended, 60, "the terminal status")[-1]
    assert last["event"] == "success" and last["state"] == "succeeded"
    lines = [g["data"]["line"] for g in site.got if g["kind"] in ("stdout", "stderr")]
    assert "a line of the hook" in lines
    assert [g for g in site.got if g["kind"] == "stdout"], "lines of stdout were received"
    # The browser comes back by itself, is told 204, and stays away: readyState CLOSED.
    wait_for(lambda: any(g["kind"] == "error" and g["state"] == 2 for g in site.got), 30,
             "the reconnect got 204")
    kinds = [g["kind"] for g in site.got]
    assert kinds.count("status") == 3 and kinds.count("open") == 1
    site.shutdown()


def test_a_page_with_a_wrong_ticket_receives_nothing(shared, browse):
    jobs = shared.read.get("/jobs?label=watched").json["jobs"]
    job = jobs[0]["id"]
    site = Site(f"http://127.0.0.1:{shared.port}/events/stream?job_id={job}&ticket=AAAAAAAA")
    browse(f"http://127.0.0.1:{site.server_port}/")
    wait_for(lambda: any(g["kind"] == "error" for g in site.got), 40, "the stream is refused")
    assert all(g["kind"] == "error" and g["state"] == 2 for g in site.got)
    site.shutdown()

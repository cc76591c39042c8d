"""Rate limits by identity and route."""

from fixtures.client import Client
from fixtures.harness import HEADER, Daemon

BODY = {"repository": "none-such"}


def test_create_backup_passes_five_times_in_sixty_seconds(folder):
    with Daemon(folder / "d", RATE_LIMIT_SCALE=None) as d:
        replies = [d.write.post("/create-backup", BODY) for _ in range(7)]
        assert [r.status for r in replies] == [404] * 5 + [429] * 2
        last = replies[-1]
        assert last.json["error"] == "rate_limited" and last.json["message"]
        assert 0 < int(last.headers["Retry-After"]) <= 60
        assert "q=5" in last.headers["RateLimit-Policy"] and "w=60" in last.headers["RateLimit-Policy"]
        assert "r=0" in last.headers["RateLimit"]
        assert "r=4" in replies[0].headers["RateLimit"]
        # Another route has a bucket of its own, and reading has none.
        assert d.write.post("/create-backup/dry-run", BODY).status == 404
        assert d.write.get("/jobs").status == 200
        blocked = d.read.get("/metrics").json["metrics"]["rate_limit_blocked"]
        assert blocked == 2


def test_the_bucket_is_the_identitys_however_the_token_is_sent(folder):
    with Daemon(folder / "d", RATE_LIMIT_SCALE="1") as d:
        for _ in range(5):
            assert d.write.post("/create-backup", BODY).status == 404
        for source in ("127.0.0.7", "127.0.0.8"):
            again = Client(d.port, d.token, HEADER, source)
            assert again.post("/create-backup", BODY).status == 429
        spaced = Client(d.port, header=HEADER)
        spaced.headers["Authorization"] = f"Bearer  {d.token}"
        assert spaced.post("/create-backup", BODY).status in (401, 429)


def test_a_refused_identity_spends_nothing(folder):
    with Daemon(folder / "d", RATE_LIMIT_SCALE="1") as d:
        for _ in range(8):
            assert d.read.post("/create-backup", BODY).status == 403
        assert d.write.post("/create-backup", BODY).status == 404


def test_the_scale_multiplies_the_limit(folder):
    with Daemon(folder / "d", RATE_LIMIT_SCALE="2") as d:
        replies = [d.write.post("/create-backup", BODY).status for _ in range(11)]
        assert replies == [404] * 10 + [429]

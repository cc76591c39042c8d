"""Requests that no sound client sends: each is refused, the connection is closed, and neither a
second request hidden in it nor anybody else's is touched."""

import re
import socket

import pytest

from fixtures.client import connect, read_all, read_reply, status_of
from fixtures.harness import HEADER

HOST = b"Host: 127.0.0.1\r\n"
GET = b"GET /health/public HTTP/1.1\r\n"
# With a right token: else a body would not be looked at.
POST = (b"POST /create-backup HTTP/1.1\r\n" + HOST + b"Authorization: Bearer @TOKEN@\r\n"
        b"X-From-NodeRed: " + HEADER.encode() + b"\r\n")
SMUGGLED = GET + HOST + b"X-Smuggled: yes\r\n\r\n"

# name: (bytes, the statuses that are right)
TABLE = {
    "two different Content-Length": (
        POST + b"Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}" + SMUGGLED, {400}),
    "two equal Content-Length": (
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED, {400}),
    "a list in Content-Length": (POST + b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED, {400}),
    "Content-Length and chunked": (
        POST + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        {400}),
    "chunked and Content-Length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n0\r\n\r\n" + SMUGGLED,
        {400}),
    "Transfer-Encoding gzip": (POST + b"Transfer-Encoding: gzip\r\n\r\n" + SMUGGLED, {400, 501}),
    "Transfer-Encoding chunked, gzip": (
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + SMUGGLED, {400, 501}),
    "Transfer-Encoding xchunked": (
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, {400, 501}),
    "two Transfer-Encoding": (
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        + SMUGGLED, {400, 501}),
    "Transfer-Encoding in 1.0": (
        b"POST /create-backup HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n" + SMUGGLED, {400, 501}),
    "Content-Length +3": (POST + b"Content-Length: +3\r\n\r\n{} " + SMUGGLED, {400}),
    "Content-Length -1": (POST + b"Content-Length: -1\r\n\r\n" + SMUGGLED, {400}),
    "Content-Length 0x2": (POST + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED, {400}),
    "empty Content-Length": (POST + b"Content-Length: \r\n\r\n" + SMUGGLED, {400}),
    "Content-Length past 64 bits": (
        POST + b"Content-Length: 18446744073709551618\r\n\r\n{}" + SMUGGLED, {400, 413}),
    "bare CR in a value": (GET + HOST + b"X-A: b\rX-B: c\r\n\r\n", {400}),
    "bare CR before a header": (GET + HOST + b"X-A: b\r\rTransfer-Encoding: chunked\r\n\r\n", {400}),
    "bare CR as line end": (b"GET /health/public HTTP/1.1\rHost: a\r\r", {400}),
    "bare LF line ends": (b"GET /health/public HTTP/1.1\nHost: 127.0.0.1\n\n", {400}),
    "bare LF after one header": (GET + HOST + b"X-A: b\nX-B: c\r\n\r\n", {400}),
    "bare LF ends the head": (GET + HOST + b"\n", {400}),
    "NUL in a value": (GET + HOST + b"X-A: b\0c\r\n\r\n", {400}),
    "NUL in a name": (GET + HOST + b"X\0A: b\r\n\r\n", {400}),
    "control character in a value": (GET + HOST + b"X-A: b\x01c\r\n\r\n", {400}),
    "space before the colon": (GET + b"Host : 127.0.0.1\r\n\r\n", {400}),
    "space inside a name": (GET + HOST + b"X A: b\r\n\r\n", {400}),
    "no Host": (GET + b"\r\n", {400}),
    "two Host": (GET + HOST + HOST + b"\r\n", {400}),
    "bad Host": (GET + b"Host: a b\r\n\r\n", {400}),
    "Host with a path": (GET + b"Host: a/b\r\n\r\n", {400}),
    "empty header name": (GET + HOST + b": value\r\n\r\n", {400}),
    "header without a colon": (GET + HOST + b"value\r\n\r\n", {400}),
    "obs-fold": (GET + HOST + b"X-A: b\r\n c\r\n\r\n", {400}),
    "fold before the first header": (GET + b" X-A: b\r\n" + HOST + b"\r\n", {400}),
    "header of 100 kB": (GET + HOST + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n", {431}),
    "5 000 headers": (
        GET + HOST + b"".join(b"X-%d: a\r\n" % n for n in range(5000)) + b"\r\n", {431}),
    "101 short headers": (
        GET + HOST + b"".join(b"X-%d: a\r\n" % n for n in range(100)) + b"\r\n", {431}),
    "target of 10 kB": (b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414}),
    "chunk extension of 200 kB": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 200_000 + b"\r\n{}\r\n0\r\n\r\n",
        {400, 413}),
    "trailers of 200 kB": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
        + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n", {400, 413, 431}),
    "chunk size not hexadecimal": (
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", {400}),
    "chunk size past 64 bits": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
        {400, 413}),
    "negative chunk size": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", {400}),
    "chunk ends with a bare LF": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", {400}),
    "chunk longer than its size": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", {400}),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", {505}),
    "HTTP/0.9": (b"GET /\r\n\r\n", {400, 505}),
    "HTTP/0.9 written out": (b"GET / HTTP/0.9\r\n" + HOST + b"\r\n", {505}),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", {505}),
    "HTTP/1.10": (b"GET / HTTP/1.10\r\n" + HOST + b"\r\n", {400, 505}),
    "HTTP/11.1": (b"GET / HTTP/11.1\r\n" + HOST + b"\r\n", {400, 505}),
    "http in small letters": (b"GET / http/1.1\r\n" + HOST + b"\r\n", {400}),
    "another protocol": (b"GET / RTSP/1.0\r\n" + HOST + b"\r\n", {400, 505}),
    "two spaces before the target": (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "two spaces after the target": (b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "tab in the request line": (b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "control character in the target": (b"GET /\x01 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "NUL in the target": (b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "raw bytes in the target": (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "fragment in the target": (b"GET /#a HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "absolute form": (b"GET http://other/ HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "authority form": (b"CONNECT other:80 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "a star for GET": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "a target without a slash": (b"GET health HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "unknown method": (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "method with odd characters": (b"GE(T / HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "very long method": (b"G" * 5000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n", {400, 431, 501}),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, {400}),
    "upgrade to h2c with a body": (
        POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: -2\r\n\r\n", {400}),
}


def row(daemon, name):
    data, right = TABLE[name]
    return data.replace(b"@TOKEN@", daemon.token.encode()), right


def send_all(port, data, pieces=0):
    """Sends, in single bytes when asked, and reads to the end; the reply must end by itself."""
    with connect(port) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if pieces:
                for at in range(0, len(data), pieces):
                    sock.sendall(data[at:at + pieces])
            else:
                sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was all sent
        return read_all(sock)


def assert_refused(reply, right):
    status = status_of(reply)
    assert status in right, reply[:500]
    assert len(re.findall(rb"HTTP/1\.1 \d\d\d ", reply)) == 1, f"more than one answer: {reply[:1000]!r}"
    head, _, body = reply.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert body.startswith(b'{"ok":false,"error":"'), body[:200]
    assert b'"request_id":"' in body


@pytest.mark.parametrize("name", TABLE)
def test_a_malformed_request_is_refused_and_the_connection_closed(shared, name):
    data, right = row(shared, name)
    assert_refused(send_all(shared.port, data), right)
    assert shared.anyone.get("/health/public").status == 200


@pytest.mark.parametrize("name", [n for n, (data, _) in TABLE.items() if len(data) < 400])
def test_it_is_refused_just_the_same_when_it_comes_byte_by_byte(shared, name):
    data, right = row(shared, name)
    assert_refused(send_all(shared.port, data, 1), right)


def test_a_sound_request_cut_at_every_place_gets_the_same_answer(shared):
    request = (b"POST /create-backup HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
               + shared.token.encode() + b"\r\nX-From-NodeRed: " + HEADER.encode()
               + b"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
               b"Connection: close\r\n\r\n5\r\n{\"a\":\r\n4;x=\"y\"\r\n\"b\"}\r\n0\r\nT: u\r\n\r\n")
    whole = status_of(send_all(shared.port, request))
    assert whole == 400  # a body that lacks the repository: understood, and refused by the route
    for cut in range(1, len(request)):
        with connect(shared.port) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(request[:cut])
            sock.sendall(request[cut:])
            assert status_of(read_all(sock)) == whole, f"cut at {cut}"


def test_spaces_and_tabs_around_a_value_and_an_empty_value_are_sound(shared):
    with connect(shared.port) as sock:
        sock.sendall(GET + b"Host:\t 127.0.0.1 \t\r\nX-Empty:\r\nX-Tab: a\tb\r\n\r\n")
        reply, _ = read_reply(sock)
        assert reply.status == 200


def test_an_empty_line_before_a_request_is_skipped(shared):
    with connect(shared.port) as sock:
        sock.sendall(b"\r\n" + GET + HOST + b"\r\n")
        reply, _ = read_reply(sock)
        assert reply.status == 200

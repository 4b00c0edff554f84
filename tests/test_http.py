"""The border to the network: whatever a server sends, it comes out as an answer or as an error of ours."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from pictory_archiver.addresses import Guard
from pictory_archiver.errors import Forbidden, HttpStatus, Unacceptable, Unreachable, WebError
from pictory_archiver.http import Limits, Web, retry_after_seconds, tls_buffers, trust_store

LIMITS = Limits(connect=10, stall=0.4, min_speed=0)
TLS = trust_store(None)
HEAD = b"HTTP/1.1 200 OK\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nConnection: close\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS_HEAD = HEAD + b"X-Bomb: bang\r\n" * 500_000


@contextlib.asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Answers the first request of each connection and hangs up. → its URL"""
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await answer(writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*conversations)


@contextlib.asynccontextmanager
async def server(*pieces: bytes) -> AsyncIterator[str]:
    """Answers with these pieces, a moment between them. → its URL"""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01 if len(pieces) > 1 else 0)

    async with listening(answer) as url:
        yield url


async def ask(
    url: str, *, limit: int = 1 << 20, limits: Limits = LIMITS, headers: dict[str, str] | None = None
) -> bytes:
    """The body that the server at this URL gives. Raises `WebError`s, those of a status included."""
    web = Web(user_agent="test", tls=TLS, limits=limits, guard=Guard(frozenset({url})), max_redirects=5)
    try:
        async with web.get(f"{url}/file", headers or {}) as answer:
            if answer.status != 200:
                raise await answer.refusal()
            return await answer.read(limit)
    finally:
        await web.close()


async def result(*pieces: bytes) -> bytes | WebError:
    async with server(*pieces) as url:
        try:
            return await ask(url)
        except WebError as error:
            return error


@pytest.mark.parametrize(
    "pieces",
    [
        (b"",),
        (b"garbage\r\n\r\n",),
        (b"a body without any head",),
        (b"HTTP/1.1 0 Zero\r\n\r\n",),
        (HEAD,),
        (HEAD + b"X: a\0b\r\n\r\n",),
        (HEAD + b"Content-Length: 5\r\n\r\nab",),
        (HEAD + b"Content-Length: -5\r\n\r\nabcde",),
        (HEAD + b"Content-Length: 99999999999999999999\r\n\r\nabcde",),
        (HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",),
        (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",),
        (CHUNKED,),
        (CHUNKED + b"5\r\nab",),
        (CHUNKED + b"3\r\nabc\r\n",),
        (CHUNKED + b"zz\r\nabc",),
        (CHUNKED, b"3\r\nabc\r\n", b"zz\r\nabc"),
        (CHUNKED, b"3\r\nabcX", b"YZ"),
        (CHUNKED, b"3\r\nabc\r\n0\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
        (HEAD + b"X-Bomb: " + b"x" * 2**20 + b"\r\n\r\n",),
        (ENDLESS_HEAD,),
    ],
    ids=lambda pieces: repr(b"|".join(pieces)[-50:]),
)
async def test_what_is_no_http_or_ends_too_early_is_unreachable(pieces: tuple[bytes, ...]) -> None:
    assert isinstance(await result(*pieces), Unreachable)


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (HEAD + b"Content-Encoding: gzip\r\n", Unacceptable("the answer is encoded (gzip), which was not asked for")),
        (
            HEAD + b"Content-Encoding: \x1b[2J\r\n",
            Unacceptable(r"the answer is encoded (\x1b[2j), which was not asked for"),
        ),
        (FOUND + b"Location: http://a:99999999/\r\n", Unacceptable("the URL is malformed")),
        (FOUND + b"Location: http://[::1\r\n", Unacceptable("the URL is malformed")),
        (FOUND + b"Location: \r\n", Unacceptable("more than 5 redirects")),
        (
            FOUND + b"Location: file:///etc/passwd\r\n",
            Forbidden("file:///etc/passwd is refused: not a web address"),
        ),
        (
            b"HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nLocation: http://example.com/?Signature=s\r\n",
            Forbidden("http://example.com/ is refused: not HTTPS"),
        ),
        (
            FOUND + b"Location: https://169.254.169.254/latest/meta-data\r\n",
            Forbidden("https://169.254.169.254/latest/meta-data is refused: not a public address"),
        ),
        (FOUND, HttpStatus(302)),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", HttpStatus(101)),
        (b"HTTP/1.1 204 No Content\r\n", HttpStatus(204)),
        (b"HTTP/1.1 304 Not Modified\r\n", HttpStatus(304)),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Encoding: gzip\r\n", HttpStatus(503)),
    ],
    ids=lambda value: repr(value)[-40:],
)
async def test_an_answer_that_must_not_be_taken_says_why(head: bytes, error: WebError) -> None:
    found = await result(head + b"Content-Length: 0\r\n\r\n")
    assert (type(found), str(found)) == (type(error), str(error))


async def test_a_body_comes_whole() -> None:
    assert await result(HEAD + b"Content-Length: 5\r\n\r\n", b"ab", b"cde") == b"abcde"
    assert await result(CHUNKED, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n") == b"abcde"
    assert await result(HEAD + b"\r\n", b"abc", b"de") == b"abcde"
    assert await result(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + HEAD + b"Content-Length: 5\r\n\r\nabcde") == b"abcde"


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.sampled_from(
            [
                HEAD,
                CHUNKED,
                b"HTTP/1.1 ",
                b"HTTP/1.1 301 X\r\n",
                b"Location: ",
                b"Content-Length: 7\r\n",
                b"\r\n",
                b"3\r\nabc\r\n",
                b"0\r\n\r\n",
                b"7",
                b"\xff\0",
                b"http://",
                b"[:",
                b"Set-Cookie: =\x01",
                b"\n",
            ]
        )
        | st.binary(max_size=20),
        max_size=8,
    )
)
def test_no_foreign_error_passes_the_border(pieces: list[bytes]) -> None:
    found = asyncio.run(result(*pieces))
    assert isinstance(found, bytes) or (isinstance(found, WebError) and str(found).isprintable())


async def test_a_connection_hands_over_no_more_at_once_than_it_may_hold() -> None:
    body = bytes(5_000_000)
    authority, served, trusting = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.configure_trust(trusting)

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 5000000\r\n\r\n" + body)
        await writer.drain()

    async def largest_block() -> int:
        async with listening(send, served) as url:
            limits = Limits(connect=10, stall=10, min_speed=0, read_ahead=1_000_000)
            web = Web(user_agent="test", tls=trusting, limits=limits, guard=Guard(frozenset({url})), max_redirects=0)
            async with web.get(url, {}) as answer:
                sizes = [len(block) async for block in answer.blocks()]
            await web.close()
        assert sum(sizes) == len(body)
        return max(sizes)

    with tls_buffers(64 * 1024):
        assert await largest_block() <= 64 * 1024
    assert await largest_block() > 64 * 1024


async def test_a_drip_is_too_slow_and_silence_too_long() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 50\r\n\r\n")
        for _ in range(50):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with listening(drip) as url:
        with pytest.raises(Unreachable, match="slower than 1000 bytes a second"):
            await ask(url, limits=Limits(connect=10, stall=0.2, min_speed=1000))
        with pytest.raises(Unreachable, match=r"no byte within 0\.01 s"):
            await ask(url, limits=Limits(connect=10, stall=0.01, min_speed=0))
        assert await ask(url, limits=Limits(connect=10, stall=5, min_speed=10)) == b"x" * 50


async def test_more_than_the_limit_is_not_read() -> None:
    async with server(HEAD + b"\r\n", b"x" * 1000, b"x" * 1000) as url:
        with pytest.raises(Unacceptable, match="more than 1,500 bytes"):
            await ask(url, limit=1500)


async def test_a_refusal_has_the_beginning_of_its_body_and_the_pause() -> None:
    async with server(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\n\r\n" + b"x" * 10_000) as url:
        with pytest.raises(HttpStatus) as caught:
            await ask(url)
    assert (caught.value.status, caught.value.retry_after, len(caught.value.body)) == (429, 7.0, 2000)


async def test_a_name_that_leads_home_is_not_connected_to() -> None:
    async with server(HEAD + b"Content-Length: 1\r\n\r\nx") as url:
        port = url.rpartition(":")[2]
        web = Web(user_agent="test", tls=TLS, limits=LIMITS, guard=Guard(), max_redirects=5)
        try:
            for home in (
                f"https://127.0.0.1:{port}",
                f"https://[::ffff:127.0.0.1]:{port}",
                f"https://localhost:{port}",
            ):
                with pytest.raises(Forbidden):
                    async with web.get(home, {}):
                        pass
        finally:
            await web.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 2 ", 2.0),
        ("-1", None),
        ("1.5", None),
        ("9" * 400, 999_999_999_999.0),
        ("Thu, 01 Jan 1970 00:16:50 GMT", 10.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
        ("soon", None),
        ("", None),
        ("²", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=1000.0) == seconds

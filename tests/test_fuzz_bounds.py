"""The largest and worst that a parser can be handed: it answers or refuses, within a stated amount of memory.

Each runs in a process that may take so many MiB beside its input, and some seconds of the processor: far more than it
needs, and far less than what grows with the square of its input.
"""

from __future__ import annotations

import pytest

from .fuzzing import bounded

PAGES = {
    "lists without end": 'b\'{"items":[\' + b"[" * 32_000_000',
    "empty lists": 'b\'{"items":[\' + b"[]," * 10_000_000 + b"0]}"',
    "small numbers": 'b\'{"items":[{"id":"1","x":[\' + b"0," * 15_000_000 + b"0]}]}"',
    "as many values as are read": 'b\'{"items":[\' + b"{}," * 99_000 + b"0]}"',
    "one text": 'b\'{"items":[{"id":"1","prompt":"\' + b"x" * 30_000_000 + b\'"}]}\'',
    "a text of escapes": 'b\'{"items":[{"id":"1","prompt":"\' + b"\\\\u0041" * 5_000_000 + b\'"}]}\'',
    "a text that does not end": 'b\'{"items":["\' + b"\\\\" * 32_000_000',
    "a large number": 'b\'{"items":[{"id":"1","x":\' + b"9" * 5_000_000 + b"}]}"',
    "many parameters": 'b\'{"items":[{"id":"1","url":"https://a.example/x?\' + b"a=1&" * 7_000_000 + b\'"}]}\'',
    "many ids": "b'{\"items\":[' + b'{\"id\":1},' * 90_000 + b'{\"id\":2}]}'",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_32_mb_takes_384_mib_at_most(page: str) -> None:
    said = bounded(
        f"""
        from pictory_archiver.errors import BrokenBody
        from pictory_archiver.listing_page import parse_page
        data = {PAGES[page]}
        begin()
        try:
            page = parse_page(data)
            print(len(page.videos) + len(page.odd) >= 1)
        except BrokenBody as error:
            print(bool(str(error)))
        """,
        mebibytes=384,
    )
    assert said == "True\n"


def test_a_listing_of_a_million_videos_takes_48_mib_at_most() -> None:
    said = bounded(
        """
        import asyncio
        from pictory_archiver.events import silent
        from pictory_archiver.listing import walk
        from pictory_archiver.models import Page, Video

        async def page(token):
            number = int(token or 0)
            ids = (f"20260409185104635ec00b33{number:06}{each:04}" for each in range(1000))
            videos = tuple(Video(each, {}, None, "", "", "", ()) for each in ids)
            return Page(videos, (), str(number + 1) if number < 999 else None)

        async def count():
            return sum([len(page.videos) async for page in walk(page, silent)])

        begin()
        print(asyncio.run(count()))
        """,
        mebibytes=48,
        seconds=60,
    )
    assert said == "1000000\n"


SIDECARS = {
    "lists": 'b"[" * 60_000_000',
    "small numbers": 'b\'{"video":{"x":[\' + b"0," * 30_000_000 + b"0]}}"',
    "a text": 'b\'{"id":"\' + b"x" * 60_000_000 + b\'"}\'',
}


@pytest.mark.parametrize("sidecar", SIDECARS)
def test_a_sidecar_of_64_mb_takes_256_mib_at_most(sidecar: str) -> None:
    said = bounded(
        f"""
        from pictory_archiver.sidecar import BrokenSidecar, parse
        data = {SIDECARS[sidecar]}
        begin()
        try:
            parse(data)
        except BrokenSidecar as error:
            print(bool(str(error)))
        """,
        mebibytes=256,
    )
    assert said == "True\n"


MEDIA = {
    "boxes": 'b"\\0\\0\\0\\x10ftypisom\\0\\0\\0\\0" + b"\\0\\0\\0\\x08free" * 600_000',
    "boxes in boxes": 'b"\\0\\0\\0\\x10ftypisom\\0\\0\\0\\0" + b"\\x7f\\xff\\xff\\xffmoov" * 600_000',
    "segments": 'b"\\xff\\xd8" + b"\\xff\\xfe\\0\\x02" * 300_000',
    "a scan": 'b"\\xff\\xd8\\xff\\xda\\0\\x02" + b"\\xff\\0" * 2_000_000',
    "fill bytes": 'b"\\xff\\xd8" + b"\\xff" * 2_000_000',
    "chunks": 'b"\\x89PNG\\r\\n\\x1a\\n" + b"\\0\\0\\0\\0tEXt\\0\\0\\0\\0" * 400_000',
    "nothing": "bytes(8_000_000)",
}


@pytest.mark.parametrize("media", MEDIA)
def test_the_check_of_a_file_takes_8_mib_at_most(media: str) -> None:
    said = bounded(
        f"""
        from pictory_archiver.errors import WebError
        from pictory_archiver.media import AnyMediaCheck, MediaCheck
        from pictory_archiver.media_types import expected
        from pictory_archiver.models import Kind
        data = memoryview({MEDIA[media]})
        begin()
        for make in (AnyMediaCheck, *(lambda kind=kind: MediaCheck(expected(kind)) for kind in list(Kind)[:4])):
            check = make()
            try:
                for start in range(0, len(data), 65536):
                    check.feed(data[start : start + 65536])
                check.finish()
            except WebError as error:
                print(bool(str(error)))
            else:
                print("whole")
        """,
        mebibytes=8,
        seconds=120,
    )
    assert set(said.splitlines()) == {"True"}


JOURNALS = {
    "one line": 'b"{" * 70_000_000',
    "empty lines": 'b"\\n" * 5_000_000',
    "lines that are none": 'b\'"type":"verification"\\n\' * 500_000',
    "deep lines": '(b\'{"type":"verification","x":\' + b"[" * 5000 + b"\\n") * 2000',
}


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_journal_of_any_size_takes_256_mib_at_most(journal: str, tmp_path: object) -> None:
    said = bounded(
        f"""
        from pathlib import Path
        from pictory_archiver.journal import read_checks
        path = Path(sys.argv[1], "journal")
        path.write_bytes({JOURNALS[journal]})
        begin()
        checks = read_checks(path)
        print(checks.last, checks.damage, checks.all_read_since)
        """,
        str(tmp_path),
        mebibytes=256,
        seconds=60,
    )
    assert said == "None None None\n"


SETTINGS = {
    "sexagesimal": 'b"download:\\n  workers: " + b"1:" * 65_000 + b"1\\n"',
    "lists": 'b"a: " + b"[" * 100_000',
    "objects": 'b"{" * 100_000',
    "aliases": 'b"a: &a [x]\\n" + b"".join(b"b%d: &b%d [*a, *a]\\n" % (n, n) for n in range(3000))',
    "a large number": 'b"download:\\n  workers: " + b"9" * 120_000',
    "accounts": 'b"accounts:\\n" + b"".join(b" a%d:\\n  archive: /x%d\\n" % (n, n) for n in range(3000))',
    "keys": 'b"".join(b"k%d: 1\\n" % n for n in range(10_000))',
    "more than is read": 'b"#" * 200_000_000',
}


@pytest.mark.parametrize("text", SETTINGS)
def test_a_settings_file_takes_384_mib_at_most(text: str, tmp_path: object) -> None:
    said = bounded(
        f"""
        from pathlib import Path
        from pictory_archiver.config import load
        from pictory_archiver.errors import ConfigError
        path = Path(sys.argv[1], "settings.yaml")
        path.write_bytes({SETTINGS[text]})
        begin()
        try:
            load({{}}, config_file=path, environ={{}})
        except ConfigError as error:
            print(bool(str(error)))
        """,
        str(tmp_path),
        mebibytes=384,
        seconds=60,
    )
    assert said == "True\n"

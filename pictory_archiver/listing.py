"""The walk over the pages of a listing, and the rules by which one makes sense.

Of duplicate ids the first wins, so an item that moves from one page to the next during the walk is met once. A token
that was met before (the page is asked for once more before that is believed), or 50 pages in a row without a new id,
would go on for ever: the listing makes no sense and ends. An empty page with a token is no end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from .errors import ListingError
from .events import Observer, PageListed
from .models import Page, Video

PAGES_WITHOUT_NEWS = 50


async def walk(fetch: Callable[[str | None], Awaitable[Page]], observer: Observer) -> AsyncIterator[Page]:
    """The pages from the newest on, without duplicates, until the one that has no `next_key`.

    `fetch` gets the page of a token. Raises what it raises, and `ListingError` where the listing makes no sense.
    """
    seen: set[str] = set()
    tokens: set[str] = set()
    token: str | None = None
    number, stale = 0, 0
    while True:
        page = await fetch(token)
        if page.next_key in tokens:
            page = await fetch(token)
        number += 1
        fresh = _not_seen(page.videos, seen)
        stale = 0 if fresh else stale + 1
        token = page.next_key
        observer(PageListed(page=number, videos=len(seen), last=token is None))
        yield Page(videos=fresh, odd=page.odd, next_key=token)
        if token is None:
            return
        if token in tokens:
            raise ListingError(
                f"the listing makes no sense: page {number} leads back to a page that was read before",
                hint="run it again later; what was listed so far is kept",
            )
        if stale >= PAGES_WITHOUT_NEWS:
            raise ListingError(
                f"the listing makes no sense: {stale} pages in a row brought no new video",
                hint="run it again later; what was listed so far is kept",
            )
        tokens.add(token)


def _not_seen(videos: tuple[Video, ...], seen: set[str]) -> tuple[Video, ...]:
    fresh = []
    for video in videos:
        if video.id not in seen:
            seen.add(video.id)
            fresh.append(video)
    return tuple(fresh)

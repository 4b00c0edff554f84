"""The walk over the pages of a listing, and the rules by which one makes sense.

Of duplicate ids the first wins, so an item that moves from one page to the next during the walk is met once. A token
that was met before (the page is asked for once more before that is believed), or 50 pages in a row without a new id,
would go on for ever: the listing makes no sense and ends. An empty page with a token is no end.

Of a video that was met nothing but a mark is kept, so that a listing of a million videos takes some megabytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from .errors import ListingError
from .events import Observer, PageListed
from .marks import Marks
from .models import Page, Video

PAGES_WITHOUT_NEWS = 50

Fetch = Callable[[str | None], Awaitable[Page]]


async def walk(fetch: Fetch, observer: Observer, token: str | None = None) -> AsyncIterator[Page]:
    """The pages from the newest on (or from the one that a token leads to), until the one that has no `next_key`.

    A video that an earlier page had is among the `repeated` ones of its page. `fetch` gets the page of a token. Raises
    what it raises, and `ListingError` where the listing makes no sense.
    """
    seen, tokens = Marks(), Marks()
    if token is not None:
        tokens.add(token)
    number, stale = 0, 0
    while True:
        page = await fetch(token)
        if page.next_key is not None and page.next_key in tokens:
            page = await fetch(token)
        number += 1
        fresh, repeated = _sorted(page.videos, seen)
        stale = 0 if fresh else stale + 1
        token = page.next_key
        observer(PageListed(page=number, videos=len(seen), last=token is None))
        yield Page(videos=fresh, odd=page.odd, next_key=token, repeated=repeated)
        if token is None:
            return
        if not tokens.add(token):
            raise ListingError(
                f"the listing makes no sense: page {number} leads back to a page that was read before",
                hint="run it again later; what was listed so far is kept",
            )
        if stale >= PAGES_WITHOUT_NEWS:
            raise ListingError(
                f"the listing makes no sense: {stale} pages in a row brought no new video",
                hint="run it again later; what was listed so far is kept",
            )


def _sorted(videos: tuple[Video, ...], seen: Marks) -> tuple[tuple[Video, ...], tuple[Video, ...]]:
    """The videos that were not seen before, and those that were."""
    fresh: list[Video] = []
    repeated: list[Video] = []
    for video in videos:
        (fresh if seen.add(video.id) else repeated).append(video)
    return tuple(fresh), tuple(repeated)

"""The course of a listing: where it starts, when it may stop, and what it proves. docs/listing.md has the rule.

An incremental listing goes from the newest video down to what is known. A full one goes to the last page; where it did
not get there, the next run within a week resumes it: from the page that was not settled to the end, and then from the
newest video down to what the first part had, and to what waits for fresh links. One with a filter proves nothing, and
moves nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from msgspec import Struct

from . import listing_rule
from .catalogue import Catalogue
from .errors import ListingError
from .events import Observer, PageListed, silent
from .listing import Fetch, walk
from .listing_rule import Past, Sight
from .logbook import ListingKind, Unfinished
from .models import Page
from .planner import Planned, Policy
from .shelf import Shelf
from .sidecar import timestamp


class Bearings(Struct, frozen=True):
    """What is known before a listing: what was proved, what is to be resumed, which videos wait for a listing."""

    past: Past
    unfinished: Unfinished | None
    due: tuple[str, ...]


class Leg(Struct):
    """A page of a full listing: the token that led to it, and how many of its videos are not settled yet."""

    token: str | None
    unsettled: int = 0


def take_bearings(catalogue: Catalogue, policy: Policy) -> Bearings:
    """The bearings for a run."""
    log = catalogue.logbook
    last, last_full = log.last_listing(sound=True), log.last_listing(sound=True, full=True)
    due = catalogue.ids_due_by_listing(
        policy.wanted, timestamp(policy.now), keep_deleted=policy.keep_deleted, limit=listing_rule.MOST_DUE + 1
    )
    past = Past(
        last=datetime.fromisoformat(last.started) if last else None,
        last_full=datetime.fromisoformat(log.began(last_full)) if last_full else None,
        odd_items=bool(last_full and log.count_odd_items(last_full.first_run)),
    )
    return Bearings(past, log.unfinished(), tuple(due))


async def meet_a_known_video(fetch: Fetch, shelf: Shelf) -> None:
    """Lists until a video of the archive turns up. Raises `ListingError` where none does, `KeyRefused`."""
    async for page in walk(fetch, silent):
        ids = [video.id for video in page.videos]
        met: bool = await shelf.ask(partial(shelf.catalogue.knows_any_of, ids)) if ids else False
        if met:
            return
    raise ListingError(
        "the archive does not know this key, and the account of it lists none of the archive's videos",
        hint="is it the key of another account? If it is meant so: sync --accept-listing",
    )


class Course:
    """One listing. `run` numbers it, `now` (UTC) is when it starts, `clock` says what the server takes the time for."""

    def __init__(
        self,
        fetch: Fetch,
        observer: Observer,
        bearings: Bearings,
        *,
        run: int,
        now: datetime,
        is_filtered: bool,
        full: bool,
        may_resume: bool,
        clock: Callable[[], datetime | None],
    ) -> None:
        self._fetch = fetch
        self._observer = observer
        self._past = bearings.past
        self._due = set(bearings.due)
        self._many_due = len(self._due) > listing_rule.MOST_DUE
        self._clock = clock
        self._run = run
        self._legs: deque[Leg] = deque()
        self._unnoted: list[str] = []
        self._is_over = False
        self._resumes = _to_resume(bearings, now) if may_resume and not (full or is_filtered) else None
        self._in_head = False
        why = listing_rule.why_full(bearings.past, now, asked=full, due=len(self._due))
        self.kind: ListingKind = "filtered" if is_filtered else "full" if why or self._resumes else "incremental"
        self.first_run = self._resumes.first_run if self._resumes else run
        self.began = datetime.fromisoformat(self._resumes.started) if self._resumes else now
        self.started = now
        self.pages = self.listed = 0
        self.reached_end = False

    async def listing(self) -> AsyncGenerator[Page, None]:
        """The pages, as far as they have to be looked at. `saw` is to be told of each before the next is asked for.

        Raises `ListingError`, `KeyRefused`.
        """
        if self._resumes is not None:
            try:
                async for page in self._walk(self._resumes.token):
                    yield page
                self._in_head, self.started = True, datetime.now(UTC)
            except ListingError:
                if self.pages:
                    raise
                self._resumes, self.first_run, self.began = None, self._run, self.started  # the token is worth nothing
        async for page in self._walk(None):
            yield page
            if self._is_over:
                self._observer(PageListed(self.pages, self.listed, last=True))
                return
        self.reached_end = True

    async def _walk(self, token: str | None) -> AsyncGenerator[Page, None]:
        is_first = True
        async for page in walk(self._fetch, silent, token):
            if is_first and (said := self._clock()) is not None:
                self.started = min(self.started, said)
                self.began = min(self.began, said)
            is_first = False
            if not self._in_head:
                self._legs.append(Leg(token))
            self.pages += 1
            self.listed += len(page.videos)
            token = page.next_key
            is_last = token is None and (self._resumes is None or self._in_head)
            self._observer(PageListed(self.pages, self.listed, last=is_last))
            yield page

    def saw(self, page: Page, planned: Sequence[Planned]) -> list[str]:
        """Takes note of a page. The answer are the videos whose listing the catalogue is to remember at once."""
        self._is_over = self._may_stop(page, planned)
        self._due.difference_update(video.id for video in page.videos)
        same = [each for each in planned if each.catalogue_is_true and each.known]
        if self.kind != "incremental":
            return [each.plan.video.id for each in same]
        news = [each.plan.video.id for each in same if each.known and not _is_settled(each)]
        self._unnoted += [each.plan.video.id for each in same if _is_settled(each)]
        return news

    def _may_stop(self, page: Page, planned: Sequence[Planned]) -> bool:
        due = self._due.difference(video.id for video in page.videos)
        odd = bool(page.odd or page.repeated)
        if self._in_head:
            seen = [Sight(_is_of(self.first_run, each), each.plan.video.created) for each in planned]
            return not self._many_due and listing_rule.may_stop(
                seen, listing_rule.horizon(self.began), odd_items=odd, due=due
            )
        if self.kind != "incremental" or self._past.last is None:
            return False
        seen = [Sight(_is_settled(each), each.plan.video.created) for each in planned]
        return listing_rule.may_stop(seen, listing_rule.horizon(self._past.last), odd_items=odd, due=due)

    def leg(self) -> Leg:
        """The page under way, for counting its videos that are not settled."""
        return self._legs[-1] if self._legs else Leg(None)

    @property
    def is_full(self) -> bool:
        """Whether it came to all that the account lists."""
        return (self.reached_end and self.kind != "filtered") or (self._in_head and self._is_over)

    @property
    def left_to_note(self) -> list[str]:
        """For an incremental listing that turned out a full one: what else it held."""
        return self._unnoted

    def abandon(self) -> None:
        """Lets no other run go on with this listing: it was not believed."""
        self._legs.clear()

    def resume_point(self) -> Unfinished | None:
        """Where another run goes on with a full listing; None where it starts anew, or the listing is no full one.

        That is the oldest page with a video that is not settled, else the last one that was listed.
        """
        while len(self._legs) > 1 and not self._legs[0].unsettled:
            self._legs.popleft()
        if self.kind != "full" or not self._legs or (token := self._legs[0].token) is None:
            return None
        return Unfinished(self.first_run, timestamp(self.began), token)


def _to_resume(bearings: Bearings, now: datetime) -> Unfinished | None:
    """The listing to go on with, unless its first part is too old."""
    unfinished = bearings.unfinished
    if unfinished and listing_rule.may_resume(datetime.fromisoformat(unfinished.started), now):
        return unfinished
    return None


def _is_settled(planned: Planned) -> bool:
    """Whether an earlier sound listing held the video, and the catalogue has it as listed."""
    known = planned.known
    return known is not None and known.confirmed is not None and known.absent is None


def _is_of(first_run: int, planned: Planned) -> bool:
    """Whether the part of this listing that an earlier run made, or this one, held the video."""
    return planned.known is not None and planned.known.listed_run >= first_run

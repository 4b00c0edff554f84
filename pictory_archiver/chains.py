"""Continuations: videos that go on from one another, and the films that they make together. Pure.

A video continues another one where it was made by extending that one, or where its first frame is that one's last
frame. One video may be continued by several: its continuations form a tree. The *main line* goes, at each fork, to the
continuation that goes on for the most parts, of equal ones to the last by its id. What data of others may hold besides
(a circle, a video that continues itself) is cut.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from .addresses import locator
from .models import Kind

CONTINUED = {Kind.EXTEND_SOURCE: Kind.VIDEO, Kind.FIRST_FRAME: Kind.LAST_FRAME}
"""Which file of the earlier video an input of the later one is, where it continues it. The first that fits counts."""

ADDRESSES = {
    "url": Kind.VIDEO,
    "lastFrameImageUrl": Kind.LAST_FRAME,
    "extendVideoUrl": Kind.EXTEND_SOURCE,
    "firstFrameImageUrl": Kind.FIRST_FRAME,
}
"""The fields of an item that hold their addresses."""


class File(Struct, frozen=True):
    """What is known of a file for this: of which video, what it is, its address, and what it is linked to."""

    video_id: str
    kind: Kind
    address: str | None
    linked_video: str | None = None
    linked_kind: Kind | None = None


class Chains:
    """The continuations among videos. `parents` names, by the id of a video, the one that it continues."""

    def __init__(self, parents: Mapping[str, str]) -> None:
        self._parents = _without_circles(parents)
        self._children: defaultdict[str, list[str]] = defaultdict(list)
        for child in sorted(self._parents):
            self._children[self._parents[child]].append(child)
        self._next = self._main_lines()

    def __len__(self) -> int:
        """How many videos are part of a chain."""
        return len(self._parents.keys() | self._children.keys())

    def continues(self, video_id: str) -> str | None:
        """The video that this one goes on from."""
        return self._parents.get(video_id)

    def continued_by(self, video_id: str) -> tuple[str, ...]:
        """The videos that go on from this one, by id."""
        return tuple(self._children.get(video_id, ()))

    def through(self, video_id: str) -> tuple[str, ...]:
        """The film that a video is part of: all before it, and the main line behind it. Empty where it is none."""
        before = []
        at = self._parents.get(video_id)
        while at is not None:
            before.append(at)
            at = self._parents.get(at)
        film = (*reversed(before), video_id, *self._line(video_id))
        return film if len(film) > 1 else ()

    def films(self) -> Iterator[tuple[str, ...]]:
        """Every video that is part of a chain, once: the main line of each tree, and behind it its other branches, each
        from where it leaves the line. Trees in the order of the ids of their first videos."""
        for first in sorted(self._children.keys() - self._parents.keys()):
            branches = [first]
            while branches:
                start = branches.pop()
                line = (start, *self._line(start))
                yield line
                taken = {*line}
                branches += [
                    child
                    for part in reversed(line)
                    for child in reversed(self._children.get(part, ()))
                    if child not in taken
                ]

    def _line(self, video_id: str) -> Iterator[str]:
        at = self._next.get(video_id)
        while at is not None:
            yield at
            at = self._next.get(at)

    def _main_lines(self) -> dict[str, str]:
        """By id the continuation that the main line goes on with."""
        depth: dict[str, int] = {}
        lines: dict[str, str] = {}
        waiting = {parent: len(children) for parent, children in self._children.items()}
        ready = [child for child in self._parents if child not in waiting]
        while ready:
            at = ready.pop()
            parent = self._parents.get(at)
            if parent is None:
                continue
            best = lines.get(parent)
            if best is None or (depth.get(at, 0), at) > (depth.get(best, 0), best):
                lines[parent] = at
                depth[parent] = depth.get(at, 0) + 1
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)
        return lines


def find_parents(
    inputs: Iterable[File], outputs: Iterable[File], history: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]
) -> dict[str, str]:
    """Which video each video continues, by id.

    A link in the sidecar tells, and else the address: of what a video was made from, and of the files of all videos, as
    they were had or ever listed (`history`: by id the values that an item has and had). So a chain holds where a file
    is lost. What the files say counts before what the history says, of that the kinds in the order of `CONTINUED`.
    """
    history = [(video_id, list(former)) for video_id, former in history]
    parents: dict[str, str] = {}
    ranks: dict[str, int] = {}
    wanting: dict[bytes, list[str]] = {}
    once_wanting: dict[bytes, list[str]] = {}
    tails: set[int] = set()

    def found(child: str, parent: str, rank: int) -> None:
        if child != parent and (child not in parents or (rank, parent) < (ranks[child], parents[child])):
            parents[child], ranks[child] = parent, rank

    def want(video_id: str, kind: Kind, address: str, *, was: bool) -> None:
        (once_wanting if was else wanting).setdefault(_key(kind, address), []).append(video_id)
        tails.add(hash(_tail(address)))

    def offer(video_id: str, kind: Kind, address: str, *, was: bool) -> None:
        if hash(_tail(address)) in tails:
            for made_from, output in CONTINUED.items():
                if output is kind:
                    key = _key(made_from, address)
                    for child_was, children in ((False, wanting), (True, once_wanting)):
                        rank = _rank(made_from, is_former=child_was, is_linked=False, is_of_former=was)
                        for child in children.get(key, ()):
                            found(child, video_id, rank)

    for file in inputs:
        if file.linked_video is not None and file.linked_kind is CONTINUED[file.kind]:
            rank = _rank(file.kind, is_former=False, is_linked=True, is_of_former=False)
            found(file.video_id, file.linked_video, rank)
        elif file.address:
            want(file.video_id, file.kind, file.address, was=False)
    for video_id, kind, address in _former(history, CONTINUED.keys()):
        want(video_id, kind, address, was=True)
    for file in outputs:
        if file.address:
            offer(file.video_id, file.kind, file.address, was=False)
    for video_id, kind, address in _former(history, CONTINUED.values()):
        offer(video_id, kind, address, was=True)
    return parents


def _rank(made_from: Kind, *, is_former: bool, is_linked: bool, is_of_former: bool) -> int:
    """How well a video is known to be the one that another continues, the best first. An input of the other tells it:
    what the video is made from, or was by a former item; by a link, or by an address that an output has, or had."""
    order = [*CONTINUED].index(made_from)
    return ((is_former * len(CONTINUED) + order) * 2 + (not is_linked)) * 2 + is_of_former


def _key(kind: Kind, address: str) -> bytes:
    """A file that is looked for, in a few bytes: a large archive has very many."""
    return hashlib.blake2b(f"{kind} {locator(address)}".encode(errors="surrogatepass"), digest_size=16).digest()


def _former(
    history: Iterable[tuple[str, Iterable[Mapping[str, Any]]]], kinds: Iterable[Kind]
) -> Iterator[tuple[str, Kind, str]]:
    """The former addresses of files of these kinds: id of the video, kind, address."""
    wanted = {*kinds}
    for video_id, former in history:
        for values in former:
            for name, kind in ADDRESSES.items():
                address = values.get(name)
                if kind in wanted and isinstance(address, str):
                    yield video_id, kind, address


def _tail(address: str) -> str:
    """What two addresses of one file have in common, cheaply: the last part of the path. `locator` decides."""
    return address.partition("?")[0].rpartition("/")[2]


def _without_circles(parents: Mapping[str, str]) -> dict[str, str]:
    """The same without what leads back to itself: of each circle the link of its first video, by id, is left out."""
    kept = {child: parent for child, parent in parents.items() if child != parent}
    settled: set[str] = set()
    for start in sorted(kept):
        path: dict[str, None] = {}
        at: str | None = start
        while at is not None and at not in settled and at not in path:
            path[at] = None
            at = kept.get(at)
        if at is not None and at in path:
            walked = [*path]
            del kept[min(walked[walked.index(at) :])]
        settled.update(path)
    return kept

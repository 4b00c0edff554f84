"""What can go wrong with an answer: the base of all actions.

An action is data that turns the honest reply to a request into another. In JSON it is an object whose `do` names it
in snake_case: `{"do": "cut", "at": 100}`. Sizes and offsets are bytes of the body, times are seconds. An action that
makes no sense for a request leaves the reply as it is. `answers` and `transfers` hold them.
"""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from .origins import Origin
from .wire import Reply, Request


class Scene(Struct, frozen=True):
    """A request at an origin, about to be answered."""

    request: Request
    origin: Origin

    def honest(self, **headers: str | None) -> Reply:
        """The answer when nothing goes wrong, to the request with these headers set or (None) taken away."""
        changed = {**self.request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        kept = {name: value for name, value in changed.items() if value is not None}
        return self.origin.answer(replace(self.request, headers=kept))


def _tag(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Action(Struct, frozen=True, tag_field="do", tag=_tag):
    """Something that goes wrong."""

    def apply(self, scene: Scene, /) -> Reply:
        """What is sent."""
        raise NotImplementedError

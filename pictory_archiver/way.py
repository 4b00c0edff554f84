"""How a run goes about it, beside the settings and the selection. Pure."""

from __future__ import annotations

from msgspec import Struct


class Way(Struct, frozen=True, kw_only=True):
    """What was asked of one run.

    `full`: list to the end, and try again whatever is not held. `accept_listing`: believe a listing that looks wrong.
    `seconds`: the run ends when they are over, with what it has by then.
    """

    full: bool = False
    accept_listing: bool = False
    seconds: float | None = None

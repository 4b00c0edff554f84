"""How a run goes about it, beside the settings and the selection. Pure."""

from __future__ import annotations

from msgspec import Struct


class Way(Struct, frozen=True, kw_only=True):
    """What was asked of one run.

    `full`: list to the end, and try again whatever is not held. `refresh`: list to the end, and fetch anew what is held
    and listed at another address by now. `accept_listing`: believe a listing that looks wrong. `must_exist`: no archive
    is made where there is none. `seconds`: the run ends when they are over, with what it has.
    """

    full: bool = False
    refresh: bool = False
    accept_listing: bool = False
    must_exist: bool = False
    seconds: float | None = None

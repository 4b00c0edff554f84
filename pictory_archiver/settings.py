"""The settings as types with their defaults. A room receives its own slice, never the whole.

`config` fills them from the command line, the environment and the YAML file; `config.example.yaml` documents
each one, and a test holds that file to these defaults. Bounds stand in the types; what a type cannot say
stands in `setting_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct, field

from .models import OUTPUTS

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
PIB = 1024 * 1024 * GIB
DAY_SECONDS = 86_400

INPUTS_WORD = "inputs"
ASSET_WORDS = (*(str(kind) for kind in OUTPUTS), INPUTS_WORD)

CREDITS_PER_SECOND = {"veo3.1": 20.0, "veo3.1_fast": 10.0, "pixverse5.5": 1.6}
"""AI credits that a second of video takes, by model, as Pictory documents them."""

IS_PATH = {"is": "path"}
IS_SIZE = {"is": "size"}

PathText = Annotated[str, Meta(min_length=1, extra=IS_PATH)]
Seconds = Annotated[float, Meta(ge=0, le=DAY_SECONDS)]
Timeout = Annotated[float, Meta(gt=0, le=DAY_SECONDS)]
Size = Annotated[int, Meta(ge=1, le=PIB, extra=IS_SIZE)]
SizeOrZero = Annotated[int, Meta(ge=0, le=PIB, extra=IS_SIZE)]

ModelName = Annotated[str, Meta(min_length=1, max_length=100)]
Rate = Annotated[float, Meta(ge=0, le=100_000)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of settings."""


class Api(Section, frozen=True):
    """The Pictory API and the key to it."""

    base_url: str = "https://api.pictory.ai/pictoryapis"
    key_file: PathText | None = None
    key_command: str | tuple[str, ...] | None = None
    user_agent: str | None = None
    pause_seconds: Seconds = 0.25
    timeout_seconds: Timeout = 60.0
    max_page_bytes: Size = 32 * MIB


class Layout(Section, frozen=True):
    """Where a video's files lie in the archive."""

    template: str = "{created:%Y/%m/%d}/{created:%H%M%S}_{slug}_{id}"
    max_name_bytes: Annotated[int, Meta(ge=100, le=255)] = 120
    time_zone: str = "UTC"


class Download(Section, frozen=True):
    """What is fetched, and within which bounds."""

    assets: tuple[str, ...] = ASSET_WORDS
    workers: Annotated[int, Meta(ge=1, le=64)] = 8
    max_image_bytes: Size = 64 * MIB
    max_video_bytes: Size = 16 * GIB
    min_speed: SizeOrZero = KIB
    stall_seconds: Timeout = 60.0
    limit_rate: SizeOrZero = 0
    reserve: SizeOrZero = 256 * MIB
    respect_local_deletions: bool = False


class Retry(Section, frozen=True):
    """When a request is tried again."""

    tries: Annotated[int, Meta(ge=1, le=20)] = 5
    min_wait_seconds: Seconds = 1.0
    max_wait_seconds: Seconds = 60.0
    max_retry_after_seconds: Seconds = 900.0


class Network(Section, frozen=True):
    """How the internet is reached."""

    connect_timeout_seconds: Timeout = 30.0
    ca_file: PathText | None = None


class Catalogue(Section, frozen=True):
    """Where the index lies. `folder` None: within the archive."""

    folder: PathText | None = None


class Library(Section, frozen=True):
    """The offline library. `update`: every run of `sync` brings it up to date."""

    update: bool = True


class Stats(Section, frozen=True):
    """What `stats` counts with. `credits_per_second`: by model, the documented ones and those that were given."""

    credits_per_second: Mapping[ModelName, Rate] = field(default_factory=CREDITS_PER_SECOND.copy)


class Notify(Section, frozen=True):
    """Who is told how a run ended: an address of pings, and a command."""

    healthcheck: str | None = None
    exec: str | tuple[str, ...] | None = None


class Settings(Section, frozen=True):
    """All settings. `archive` is the folder that commands use when none is named."""

    archive: PathText | None = None
    account: Annotated[str, Meta(min_length=1, max_length=40)] = "default"
    api: Api = Api()
    layout: Layout = Layout()
    download: Download = Download()
    retry: Retry = Retry()
    network: Network = Network()
    catalogue: Catalogue = Catalogue()
    library: Library = Library()
    stats: Stats = Stats()
    notify: Notify = Notify()

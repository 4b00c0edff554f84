"""A video's record → its relative place in the archive. Nothing upstream is trusted with a name.

* Names are made of `[A-Za-z0-9._-]`; no component starts or ends with a dot, starts with a dash, or is a device
  name of Windows (`_` goes before it). A stem has no dots at all: they belong to the suffixes.
* An id of lower-case letters, digits, `_` and `-` is kept as it is. Any other, and one that is too long, gets a short
  digest of the original, so that ids stay apart where a file system folds case or normalises Unicode.
* A name with its longest suffix fits `max_name_bytes`: the slug gives way first, then the other texts, then the id.
* A text that is empty takes the separator after it along (at the end: the one before it).
* Without a date, the dated components become one, `undated`, and come first.
* What is the archive's own at the top level (`library`, `.pictory-archiver` …) is never a video's folder.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from hashlib import sha256
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from .errors import ConfigError
from .models import MAX_INDEX, Kind, Place, Slot
from .text import printable

UNDATED = "undated"
UNKNOWN = "unknown"
MAX_SLUG = 60
MAX_FOLDER_NAME = 60
MAX_DEPTH = 8
MAX_FIXED_TEXT = 40
MIN_NAME_BYTES = 100  # the least that `max_name_bytes` may be
DIGEST_LENGTH = 10
MAX_TEXT = 1000  # characters of an upstream text that are looked at
REMEMBERED = 1024  # names that many videos share, and that are not made anew for each

OUTPUT_SUFFIXES = {
    Kind.VIDEO: ".mp4",
    Kind.THUMBNAIL: ".thumbnail.jpg",
    Kind.PREVIEW: ".preview.jpg",
    Kind.LAST_FRAME: ".last_frame.png",
}
PARTIAL = ".partial"
# Beside a partial file lies its `.json`.
LONGEST_SUFFIX = f".{Slot(Kind.REFERENCE, MAX_INDEX)}{PARTIAL}.json"

DIRECTIVES = frozenset("YmdHMSjy")
GIVING_WAY = ("slug", "aspect_ratio", "model", "account", "id")  # the text fields, the first to be cut first
SEPARATORS = "_-."
HELP = (
    "allowed are letters, digits, `/`, `_`, `-`, `.`, and the fields {id}, {slug}, {model}, {aspect_ratio}, {account} "
    "and {created:…} with %Y %m %d %H %M %S %j %y, as in {created:%Y/%m/%d}/{slug}_{id}"
)

_OTHER = re.compile(r"[^A-Za-z0-9._-]+")
_PLAIN_ID = re.compile(r"[a-z0-9_][a-z0-9_-]*")
_LITERAL = re.compile(r"[A-Za-z0-9._/-]*")
_DATE_TOKEN = re.compile(rf"%([{''.join(DIRECTIVES)}%])|([/_.-]+)")
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10)))
)
_LITTER = frozenset(("thumbs.db", "desktop.ini"))  # names that the archive passes over, on any level
_OWN_NAMES = frozenset(("library", "index.html", "readme.txt", UNDATED))  # on the top level


class Part(Struct, frozen=True):
    """A piece of a component: literal text, a text field, or a directive of `created`."""

    sort: str
    value: str


class _Words(dict[int, str]):
    """For `str.translate`: the characters that words in a slug are made of; any other one stands between words."""

    def __missing__(self, code: int) -> str:
        return " "


_WORDS = _Words({ord(each): each for each in string.ascii_lowercase + string.digits})

Component = tuple[Part, ...]
SLASH = Part("slash", "/")


class Template(Struct, frozen=True, cache_hash=True):
    """A compiled template: the folders and the stem. `in_folders` are the fields and directives in the folders."""

    text: str
    folders: tuple[Component, ...]
    stem: Component
    in_folders: tuple[str, ...]


def compile_template(text: str) -> Template:
    """Raises `ConfigError`, with what is allowed, for a template that could not give safe and distinct names."""
    components: list[list[Part]] = [[]]
    for part in _parse(text):
        if part == SLASH:
            components.append([])
        else:
            components[-1].append(part)
    if text.startswith("/"):
        raise _bad(text, "it must not start with a slash")
    if len(components) > MAX_DEPTH:
        raise _bad(text, f"it has more than {MAX_DEPTH} levels")
    for component in components:
        if not component:
            raise _bad(text, "a level of it is empty")
        if all(part.sort == "literal" and not part.value.strip(".") for part in component):
            raise _bad(text, "a level of it consists of dots")
        fields = [part.value for part in component if part.sort == "field"]
        if len(fields) > len(set(fields)):
            raise _bad(text, "a level of it names a field twice")
    *folders, stem = components
    if Part("field", "id") not in stem:
        raise _bad(text, "its last level must contain {id}, or names could collide")
    if sum(len(part.value) if part.sort == "literal" else 4 for part in stem if part.sort != "field") > MAX_FIXED_TEXT:
        raise _bad(text, f"the fixed text and dates of its last level exceed {MAX_FIXED_TEXT} characters")
    in_folders = dict.fromkeys(part.value for folder in folders for part in folder if part.sort != "literal")
    return Template(text, tuple(tuple(folder) for folder in folders), tuple(stem), tuple(in_folders))


def place(
    template: Template,
    *,
    id: str,  # noqa: A002 - the field's name in the API and in templates
    created: datetime | None,
    prompt: str,
    model: str,
    aspect_ratio: str,
    account: str,
    zone: tzinfo,
    max_name_bytes: int,
) -> Place:
    """Where a video's files go. `max_name_bytes` is at least `MIN_NAME_BYTES`."""
    values = {
        "slug": slug(prompt),
        "model": _plain(model[:MAX_FOLDER_NAME]),
        "aspect_ratio": _plain(aspect_ratio[:MAX_FOLDER_NAME]),
        "account": _plain(account[:MAX_FOLDER_NAME]),
        **_date_values(created, zone),
    }
    if "id" in template.in_folders:
        values["id"] = _id_text(id, MAX_FOLDER_NAME)
    folder = _folder(template, tuple(map(values.get, template.in_folders)), is_dated="Y" in values)
    values["id"] = _id_text(id, max_name_bytes)
    return Place(folder, _fitting_stem(template.stem, values, id, max_name_bytes - len(LONGEST_SUFFIX)))


@lru_cache(REMEMBERED)
def _folder(template: Template, texts: tuple[str | None, ...], *, is_dated: bool) -> str:
    """The folder of the videos that have these texts for what the template has in its folders."""
    values = {name: text for name, text in zip(template.in_folders, texts, strict=True) if text is not None}
    names = [
        _folder_name(_render(component, values))
        for component in template.folders
        if is_dated or not _is_dated(component)
    ]
    if names and names[0].lower() in _OWN_NAMES:
        names[0] = f"_{names[0]}"
    if not is_dated and any(_is_dated(component) for component in template.folders):
        names.insert(0, UNDATED)
    return "/".join(names)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name; UTC also where the computer has no list of time zones. Raises `ValueError`."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone named {printable(name, 40)}") from None


def distinct(taken: Place, id: str) -> Place:  # noqa: A002
    """The same place with a digest of the id in the stem, for when another id has that name (case aside) already."""
    room = max(len(taken.stem), MIN_NAME_BYTES - len(LONGEST_SUFFIX))
    digest = _digest(id)[DIGEST_LENGTH : 2 * DIGEST_LENGTH]  # not the part that the stem may have anyway
    return Place(taken.folder, _with_digest(taken.stem, digest, room))


def file_name(stem: str, slot: Slot, extension: str | None = None, *, revision: int = 1) -> str:
    """The final name of a file. An input's extension (no dot) comes from its content; only outputs have revisions."""
    if slot.kind in OUTPUT_SUFFIXES:
        return stem + _revision_mark(revision) + OUTPUT_SUFFIXES[slot.kind]
    if extension is None:
        raise ValueError(f"the extension of {slot} is not known before its content")
    return f"{stem}.{slot}.{extension}"


def partial_name(stem: str, slot: Slot, *, revision: int = 1) -> str:
    """The name of a file while it is being fetched."""
    return f"{stem}{_revision_mark(revision)}{OUTPUT_SUFFIXES.get(slot.kind, f'.{slot}')}{PARTIAL}"


def _revision_mark(revision: int) -> str:
    """The first revision has none; up to 99,999 it is shorter than what the longest suffix leaves for it."""
    return f".r{revision}" if revision > 1 else ""


def slug(prompt: str, limit: int = MAX_SLUG) -> str:
    """The first words of a prompt, in `[a-z0-9-]`; empty where it has none that ASCII can spell."""
    words = _spelled(prompt[:MAX_TEXT]).casefold().translate(_WORDS).split()
    return _shortened("-".join(words), limit)


def _shortened(words: str, limit: int) -> str:
    """A slug cut to `limit` characters, between two words where that costs less than half of it."""
    if len(words) <= limit:
        return words
    cut = words[:limit]
    whole = cut if words[limit] == "-" else cut.rpartition("-")[0]
    return (whole if len(whole) * 2 >= limit else cut).strip("-")


def _parse(text: str) -> Iterator[Part]:
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError as error:
        raise _bad(text, str(error)) from None
    for literal, name, spec, conversion in pieces:
        if not _LITERAL.fullmatch(literal):
            raise _bad(text, f"{literal!r} has characters that a name must not have")
        yield from _literals(literal)
        if name is None:
            continue
        if conversion:
            raise _bad(text, f"!{conversion} is not allowed")
        if name == "created":
            yield from _parse_dates(text, spec or "")
        elif name not in GIVING_WAY:
            raise _bad(text, f"there is no field {{{name}}}")
        elif spec:
            raise _bad(text, f"{{{name}}} takes no format")
        else:
            yield Part("field", name)


def _parse_dates(text: str, spec: str) -> Iterator[Part]:
    at = 0
    while token := _DATE_TOKEN.match(spec, at):
        at = token.end()
        directive, literal = token.groups()
        if directive in DIRECTIVES:
            yield Part("date", directive)
        else:
            yield from _literals(literal or "-")
    if at < len(spec) or not spec:
        raise _bad(text, f"{{created:{spec}}} is no date format")


def _literals(text: str) -> Iterator[Part]:
    return (SLASH if piece == "/" else Part("literal", piece) for piece in re.findall("/|[^/]+", text))


def _bad(text: str, problem: str) -> ConfigError:
    return ConfigError(f"layout.template {text!r}: {problem}", hint=HELP)


def _date_values(created: datetime | None, zone: tzinfo) -> dict[str, str]:
    """The directives' texts; empty where there is no date, or none that the calendar knows in this zone."""
    if created is None:
        return {}
    try:
        local = created.astimezone(zone)
    except (OverflowError, ValueError):
        return {}
    return {**_day_values(local.date()), "H": f"{local.hour:02}", "M": f"{local.minute:02}", "S": f"{local.second:02}"}


@lru_cache(REMEMBERED)
def _day_values(day: date) -> dict[str, str]:
    return {
        "Y": f"{day.year:04}",
        "m": f"{day.month:02}",
        "d": f"{day.day:02}",
        "j": f"{day.timetuple().tm_yday:03}",
        "y": f"{day.year % 100:02}",
    }


def _is_dated(component: Component) -> bool:
    return any(part.sort == "date" for part in component)


def _render(component: Component, values: Mapping[str, str]) -> str:
    """The component with these values, each of which is made of `[A-Za-z0-9._-]`."""
    texts = [part.value if part.sort == "literal" else values.get(part.value, "") for part in component]
    if not all(texts):
        texts = _without_gaps(component, texts)
    return "".join(texts)


def _without_gaps(component: Component, texts: list[str]) -> list[str]:
    """The texts of a component's parts, of which some are empty, without the separators that these take along."""
    kept: list[str] = []
    after_empty = after_literal = False
    for part, text in zip(component, texts, strict=True):
        literal = part.sort == "literal"
        value = text.lstrip(SEPARATORS) if literal and after_empty else text
        if value:
            kept.append(value)
            after_literal = literal
        after_empty = not literal and not value
    if after_empty and after_literal:
        kept[-1] = kept[-1].rstrip(SEPARATORS)
    return kept


def _fitting_stem(component: Component, values: dict[str, str], original_id: str, room: int) -> str:
    stem = _render_stem(component, values)
    for name in GIVING_WAY:
        excess = len(stem) - room
        if excess <= 0:
            break
        limit = max(len(values[name]) - excess, 0)
        values[name] = _id_text(original_id, limit) if name == "id" else _shortened(values[name], limit)
        stem = _render_stem(component, values)
    return f"_{stem}" if stem.lower() in _DEVICES else stem


def _render_stem(component: Component, values: Mapping[str, str]) -> str:
    return _render(component, values).replace(".", "-").lstrip("-")


def _folder_name(text: str) -> str:
    name = text.lstrip(".-")[:MAX_FOLDER_NAME].rstrip(".") or UNKNOWN
    return f"_{name}" if name.partition(".")[0].lower() in _DEVICES or name.lower() in _LITTER else name


@lru_cache(REMEMBERED)
def _plain(text: str) -> str:
    """A short upstream text as part of a name."""
    return _OTHER.sub("-", _spelled(text)).strip("-.")


def _spelled(text: str) -> str:
    """Compatibility forms and accented letters taken apart, the accents gone."""
    if text.isascii():
        return text
    return "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )


def _id_text(original: str, limit: int) -> str:
    if len(original) <= limit and _PLAIN_ID.fullmatch(original) and original not in _DEVICES:
        return original
    return _with_digest(
        _OTHER.sub("-", original[:MAX_TEXT]).replace(".", "-").strip("-"), _digest(original)[:DIGEST_LENGTH], limit
    )


def _with_digest(text: str, digest: str, limit: int) -> str:
    head = text[: max(limit - len(digest) - 1, 0)].rstrip("-_")
    return f"{head}-{digest}" if head else digest


def _digest(original: str) -> str:
    return sha256(original.encode("utf-8", "surrogatepass")).hexdigest()

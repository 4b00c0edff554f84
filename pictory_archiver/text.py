"""Foreign text, made fit for one line of a terminal or a log; an error as such a line.

What could move the cursor, colour the screen, start a new line or turn the reading direction is written out
visibly (`\\x1b`, `\\u202e`); so are lone surrogates, which no UTF-8 stream can carry. All else stays as it is.
"""

from __future__ import annotations

import re

from .errors import ArchiverError, Stopped

ELLIPSIS = "…"

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f]"  # C0, DEL, C1: ESC and all line breaks of ASCII
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f]"  # marks, embeddings, overrides and isolates of direction
    "|[\u2028\u2029\ufeff\ufff9-\ufffb]"  # line and paragraph separators, invisible marks
    "|[\ud800-\udfff]"
)

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\u2028\u2029\ufeff\ufff9-\ufffb]")


def printable(text: str, limit: int = 200) -> str:
    """`text` as one harmless line of at most `limit` characters; what was cut off shows as `…`."""
    shown = _UNSAFE.sub(_escaped, text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + ELLIPSIS


def harmless(text: str) -> str:
    """`text` in full, with its line feeds and tabs."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] in "\n\t" else _escaped(match), text)


def harmless_json(text: str) -> str:
    """The same JSON with escapes for what a terminal would obey, where it was written without."""
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def error_line(error: ArchiverError) -> str:
    """What ended a command, and what to do next, in one line."""
    if isinstance(error, Stopped):
        return f"{str(error).capitalize()}."
    return f"Error: {what_went_wrong(error)}"


def what_went_wrong(error: ArchiverError) -> str:
    """An error and its hint, as one harmless line."""
    return printable(str(error), 500) + (f"; {error.hint}" if error.hint else "")


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

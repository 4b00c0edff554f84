"""README.txt of an archive: in plain words what the folder is, for whoever finds it."""

from __future__ import annotations

import re

from .layout import zone_of
from .report import NOT_COVERED, SCOPE, size

_TIME = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


def render_readme(*, as_of: str, videos: int, complete: int, stored_bytes: int, time_zone: str) -> bytes:
    """The text, UTF-8. `as_of` is the time of the last change, UTC."""
    return f"""\
What is this?

This folder is an archive of the {SCOPE} of a Pictory account, made by pictory-archiver.
When it last changed, on {as_of}, it held {videos:,} videos ({complete:,} of them complete),
{size(stored_bytes)} in all.
{NOT_COVERED}

How to look at it

Where there is a file index.html, open it in a browser: it shows every video, finds any of them by its prompt, and needs
neither a network nor any other program. Its data are in the folder "library", which can be made anew at any time.

Every video lies in a folder named after the day it was made (year/month/day, time zone {time_zone}); videos without
a readable date are in "undated". All files of a video begin with the same name:

  NAME.mp4              the video
  NAME.thumbnail.jpg    its thumbnail
  NAME.preview.jpg      its preview image
  NAME.last_frame.png   its last frame
  NAME.first_frame.*    the first frame that the video was made from, where there was one
  NAME.reference-1.*    reference images, where there were any
  NAME.extend_source.*  the video that this one extends, where it is not in this archive itself
  NAME.json             the sidecar: prompt, model, date and all else that Pictory said of the video, and for each file
                        its size and its SHA-256 digest

These are ordinary files: they can be played, copied and searched without any special program.

How to check it

  pictory-archiver verify "PATH OF THIS FOLDER"

reads every file and compares it with its sidecar; "repair" in place of "verify" fetches again what is damaged.
Without that program: the digest in a sidecar is the one that `sha256sum FILE` prints (on Windows:
`certutil -hashfile FILE SHA256`). Where there is a file SHA256SUMS, which `pictory-archiver export --to sha256sums`
makes, `sha256sum -c SHA256SUMS` in this folder checks all that it lists (on a Mac: `shasum -a 256 -c SHA256SUMS`).
`"complete": true` in a sidecar says that all files of the video that were asked for are there.
A name that ends in .partial is an unfinished download; the next run deals with it.

How to bring it up to date

  pictory-archiver sync "PATH OF THIS FOLDER"

To know whether everything is here: `pictory-archiver status "PATH OF THIS FOLDER"`.
The folder .pictory-archiver holds an index and the record of past runs. Nothing in it is needed to use the videos.
""".encode()


def zone_in_readme(data: bytes) -> str | None:
    """The time zone of the folders, as the text of an archive names it; None where it names none that there is."""
    found = re.search(rb"time zone ([A-Za-z0-9_+/-]{1,64})\)", data)
    if found is None:
        return None
    name = found[1].decode()
    try:
        zone_of(name)
    except ValueError:
        return None
    return name


def timeless(text: bytes) -> bytes:
    """A README.txt without the time that it bears: two of them are the same where they say the same of an archive."""
    return _TIME.sub(b"", text, count=1)

"""The tables of the catalogue, as the steps that made them: a new one takes all, an older one those it lacks. Pure.

A step that was ever released is not touched again. The views are for people and other programs: docs/catalogue.md.
"""

from __future__ import annotations

_STANDING = (
    "CASE WHEN {0}absent IS NOT NULL THEN CASE WHEN {0}gone_upstream IS NULL THEN 'absent' ELSE 'gone' END "
    "WHEN {0}confirmed IS NULL OR {0}gone_upstream IS NOT NULL THEN 'new' ELSE 'listed' END"
)
"""How a video stands to the account's listings, as far as sound ones tell."""

COUNTED_FILES = "SELECT kind, status, count(*), coalesce(sum(bytes), 0) FROM assets GROUP BY kind, status"
COUNTED_VIDEOS = f"SELECT {_STANDING.format('')}, count(*), sum(complete) FROM videos GROUP BY 1"

_COUNT_FILE = """INSERT INTO file_totals VALUES (NEW.kind, NEW.status, 1, coalesce(NEW.bytes, 0))
        ON CONFLICT (kind, status) DO UPDATE SET files = files + 1, bytes = bytes + excluded.bytes"""
_DISCOUNT_FILE = """UPDATE file_totals SET files = files - 1, bytes = bytes - coalesce(OLD.bytes, 0)
        WHERE kind = OLD.kind AND status = OLD.status"""
_COUNT_VIDEO = f"""INSERT INTO video_totals VALUES ({_STANDING.format("NEW.")}, 1, NEW.complete)
        ON CONFLICT (standing) DO UPDATE SET videos = videos + 1, complete = complete + excluded.complete"""
_DISCOUNT_VIDEO = f"""UPDATE video_totals SET videos = videos - 1, complete = complete - OLD.complete
        WHERE standing = {_STANDING.format("OLD.")}"""
_ANOTHER_STATE = "UPDATE content_state SET state = random()"
# Not a count: a catalogue that comes from a backup could come to the same one by other changes.

_FIRST = """
CREATE TABLE videos (
    id TEXT PRIMARY KEY,
    folder TEXT NOT NULL,
    stem TEXT NOT NULL,
    name_key TEXT NOT NULL,              -- folder and stem as a file system that folds case sees them
    created TEXT,                        -- UTC, ISO 8601; NULL: missing or unreadable
    account TEXT NOT NULL,
    source TEXT NOT NULL,
    item TEXT NOT NULL,                  -- the API's item as JSON, without signatures
    revision INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    history TEXT NOT NULL,
    gone_upstream TEXT,
    accepted TEXT NOT NULL,
    archived_by TEXT NOT NULL,
    archived_at TEXT NOT NULL,
    sidecar_bytes INTEGER,               -- NULL: no sidecar was written yet
    listed_run INTEGER NOT NULL          -- the last run whose listing held the video
);
CREATE TABLE assets (
    video_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    status TEXT NOT NULL,
    path TEXT,
    bytes INTEGER,
    sha256 TEXT,
    content_type TEXT,
    etag TEXT,
    last_modified TEXT,
    linked_video TEXT,
    linked_kind TEXT,
    error TEXT,
    url TEXT,
    stored_at TEXT,
    PRIMARY KEY (video_id, kind, number)
) WITHOUT ROWID;
CREATE INDEX assets_held_by_url ON assets (url) WHERE status = 'stored';
CREATE INDEX assets_unfinished ON assets (status, video_id) WHERE status NOT IN ('stored', 'linked', 'skipped');
CREATE INDEX videos_by_name ON videos (name_key);
CREATE INDEX videos_by_listing ON videos (listed_run, complete);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    ended TEXT,
    exit_status INTEGER,
    verdict TEXT
);
CREATE TABLE listings (
    run INTEGER PRIMARY KEY,
    ended TEXT NOT NULL,
    whole INTEGER NOT NULL,              -- 1: reached the last page, with no filter
    pages INTEGER NOT NULL,
    videos INTEGER NOT NULL,
    odd_items INTEGER NOT NULL,
    error TEXT
);
CREATE TABLE odd_items (raw TEXT PRIMARY KEY, problem TEXT NOT NULL, run INTEGER NOT NULL);
"""

_INCREMENTAL = """
-- the first sound listing (its run) that held it (NULL: none did)
ALTER TABLE videos ADD COLUMN confirmed INTEGER;
-- the first full listing (its run) that lacked it (NULL: it is listed)
ALTER TABLE videos ADD COLUMN absent INTEGER;
-- 1: its loss is known and accepted
ALTER TABLE assets ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
-- counted tries that failed
ALTER TABLE assets ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
-- the last counted one, UTC
ALTER TABLE assets ADD COLUMN tried TEXT;
ALTER TABLE assets ADD COLUMN tried_run INTEGER NOT NULL DEFAULT 0;
-- tried again from then on, UTC, NULL: at once
ALTER TABLE assets ADD COLUMN due TEXT;
-- 1: only a fresh listing gives a URL that works
ALTER TABLE assets ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;
DROP INDEX assets_unfinished;
CREATE INDEX assets_not_held ON assets (status, kind, video_id) WHERE status NOT IN ('stored', 'linked');
CREATE INDEX videos_listed ON videos (complete)
    WHERE confirmed IS NOT NULL AND absent IS NULL AND gone_upstream IS NULL;
CREATE INDEX videos_unconfirmed ON videos (id) WHERE confirmed IS NULL;
CREATE INDEX videos_absent ON videos (absent) WHERE absent IS NOT NULL;
ALTER TABLE listings RENAME TO former_listings;
CREATE TABLE listings (
    run INTEGER PRIMARY KEY,
    first_run INTEGER NOT NULL,          -- the run that began it: an earlier one where it was resumed
    started TEXT NOT NULL,               -- UTC, by the earlier of our clock and the server's
    ended TEXT NOT NULL,
    kind TEXT NOT NULL,                  -- full, incremental, filtered
    sound INTEGER NOT NULL,              -- 1: it proves that all that was listed at its start is known
    pages INTEGER NOT NULL,
    videos INTEGER NOT NULL,
    odd_items INTEGER NOT NULL,
    error TEXT
);
INSERT INTO listings
    SELECT run, run, started, former_listings.ended, 'full', whole, pages, videos, odd_items, error
    FROM former_listings JOIN runs ON id = run;
DROP TABLE former_listings;
UPDATE videos SET confirmed = listed_run WHERE listed_run IN (SELECT run FROM listings WHERE sound);
CREATE TABLE unfinished_listing (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    first_run INTEGER NOT NULL,
    started TEXT NOT NULL,
    token TEXT NOT NULL
);
CREATE VIEW archive_videos AS
    SELECT id, created, json_extract(item, '$.model') AS model, json_extract(item, '$.aspectRatio') AS aspect_ratio,
        json_extract(item, '$.duration') AS duration, json_extract(item, '$.prompt') AS prompt,
        folder || '/' || stem AS path, account, complete, gone_upstream
    FROM videos;
CREATE VIEW archive_files AS
    SELECT video_id, kind, number, status, folder || '/' || path AS path, bytes, sha256, content_type, url, stored_at,
        linked_video, linked_kind, error, assets.accepted AS accepted, tries, tried, due
    FROM assets JOIN videos ON id = video_id;
CREATE VIEW archive_not_held AS
    SELECT * FROM archive_files WHERE status NOT IN ('stored', 'linked', 'skipped');
CREATE VIEW archive_runs AS
    SELECT id AS run, runs.started AS started, runs.ended AS ended, exit_status, verdict, kind AS listing, sound, pages,
        videos, odd_items, error
    FROM runs LEFT JOIN listings ON run = id;
"""

_FIXITY = """
-- of the sidecar's bytes as they were written (NULL: not known)
ALTER TABLE videos ADD COLUMN sidecar_sha256 TEXT;
"""

_TOTALS = f"""
-- all that tells which videos changed, in the order of the library, without a look at what is known of each
CREATE INDEX videos_by_date ON videos (created, id, folder, stem, sidecar_sha256);
-- the files in each state, and their bytes: kept by triggers, so that nobody has to count
CREATE TABLE file_totals (
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (kind, status)
) WITHOUT ROWID;
INSERT INTO file_totals {COUNTED_FILES};
CREATE TRIGGER file_added AFTER INSERT ON assets BEGIN
    {_COUNT_FILE};
END;
CREATE TRIGGER file_removed AFTER DELETE ON assets BEGIN
    {_DISCOUNT_FILE};
END;
CREATE TRIGGER file_changed AFTER UPDATE OF kind, status, bytes ON assets BEGIN
    {_DISCOUNT_FILE};
    {_COUNT_FILE};
END;
-- the videos of each standing (new, listed, absent, gone), and how many of them are complete
CREATE TABLE video_totals (
    standing TEXT PRIMARY KEY,
    videos INTEGER NOT NULL,
    complete INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO video_totals {COUNTED_VIDEOS};
CREATE TRIGGER video_added AFTER INSERT ON videos BEGIN
    {_COUNT_VIDEO};
    {_ANOTHER_STATE};
END;
CREATE TRIGGER video_removed AFTER DELETE ON videos BEGIN
    {_DISCOUNT_VIDEO};
    {_ANOTHER_STATE};
END;
CREATE TRIGGER video_changed AFTER UPDATE OF complete, confirmed, absent, gone_upstream ON videos
    WHEN (OLD.complete, {_STANDING.format("OLD.")}) IS NOT (NEW.complete, {_STANDING.format("NEW.")})
BEGIN
    {_DISCOUNT_VIDEO};
    {_COUNT_VIDEO};
END;
-- another number whenever anything may have changed that a sidecar says, or where one lies
CREATE TABLE content_state (one INTEGER PRIMARY KEY CHECK (one = 1), state INTEGER NOT NULL);
INSERT INTO content_state VALUES (1, random());
CREATE TRIGGER content_changed AFTER UPDATE OF folder, stem, created, sidecar_sha256 ON videos
    WHEN NEW.sidecar_sha256 IS NULL OR (OLD.folder, OLD.stem, OLD.created, OLD.sidecar_sha256)
        IS NOT (NEW.folder, NEW.stem, NEW.created, NEW.sidecar_sha256)
BEGIN
    {_ANOTHER_STATE};
END;
-- prompt and id of each video, folded, to be searched; a number is never given to another text
CREATE TABLE prompts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    video_id TEXT NOT NULL UNIQUE,
    created TEXT,
    folded TEXT NOT NULL
);
CREATE TRIGGER prompt_removed AFTER DELETE ON videos BEGIN
    DELETE FROM prompts WHERE video_id = OLD.id;
END;
CREATE TABLE prompts_state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    filled INTEGER NOT NULL,             -- 1: all videos are among them
    indexed INTEGER NOT NULL             -- up to this number they are in the index, which is made where SQLite has one
);
INSERT INTO prompts_state SELECT 1, count(*) = 0, 0 FROM videos;
"""

STEPS = (_FIRST, _INCREMENTAL, _FIXITY, _TOTALS)
VERSION = len(STEPS)

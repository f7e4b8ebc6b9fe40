-- Short names are compared by their key, which knows no case.
CREATE TABLE quick_replies (
    id uuid PRIMARY KEY,
    shortcut text NOT NULL,
    shortcut_key text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    shared boolean NOT NULL,
    owner_id uuid NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX quick_replies_own ON quick_replies (owner_id, shortcut_key) WHERE NOT shared;
CREATE UNIQUE INDEX quick_replies_shared ON quick_replies (shortcut_key) WHERE shared;

CREATE TABLE saved_views (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    shared boolean NOT NULL,
    owner_id uuid NOT NULL,
    filter bytea NOT NULL,
    position integer NOT NULL
);
CREATE INDEX saved_views_own ON saved_views (owner_id) WHERE NOT shared;
CREATE INDEX saved_views_shared ON saved_views (position) WHERE shared;

-- A file's id is the first field of what the content holds: its tag, its length of 36, its text. Read out of the bytes it is right for
-- every message there is, those that the release before writes during an upgrade too.
CREATE INDEX messages_file ON messages (lower(encode(substring(content FROM position('\x0a24'::bytea IN content) + 2 FOR 36), 'escape')))
    WHERE kind IN ('image', 'file', 'audio', 'video') AND content IS NOT NULL

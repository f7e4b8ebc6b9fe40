-- Numbers of states, kinds and reasons are those of the contract's enums.

CREATE TABLE contacts (
    id uuid PRIMARY KEY,
    name text NOT NULL DEFAULT '',
    email text NOT NULL DEFAULT '',
    phone text NOT NULL DEFAULT '',
    avatar_url text NOT NULL DEFAULT '',
    locale text NOT NULL DEFAULT '',
    attributes jsonb NOT NULL DEFAULT '{}',
    blocked boolean NOT NULL DEFAULT false,
    merged_into uuid REFERENCES contacts (id) ON DELETE CASCADE,
    rev bigint NOT NULL DEFAULT 1,
    -- Pieces of one to three characters of everything a contact is looked up by, made by the service.
    search tsvector NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL
);
CREATE INDEX contacts_seen ON contacts (last_seen_at DESC, id DESC) WHERE merged_into IS NULL;
CREATE INDEX contacts_search ON contacts USING gin (search);
CREATE INDEX contacts_merged ON contacts (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE identities (
    inbox_id uuid NOT NULL,
    external_id text NOT NULL,
    contact_id uuid NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    verified boolean NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (inbox_id, external_id)
);
CREATE INDEX identities_contact ON identities (contact_id);

CREATE TABLE conversations (
    id uuid PRIMARY KEY,
    inbox_id uuid NOT NULL,
    channel text NOT NULL,
    contact_id uuid NOT NULL REFERENCES contacts (id),
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 6),
    queue_id uuid,
    assignee_id uuid,
    assignee_name text NOT NULL DEFAULT '',
    last_assignee_id uuid,
    participant_ids uuid[] NOT NULL DEFAULT '{}',
    mentioned_ids uuid[] NOT NULL DEFAULT '{}',
    priority smallint NOT NULL DEFAULT 3 CHECK (priority BETWEEN 1 AND 4),
    subject text NOT NULL DEFAULT '',
    attributes jsonb NOT NULL DEFAULT '{}',
    label_ids uuid[] NOT NULL DEFAULT '{}',
    required_skills jsonb NOT NULL DEFAULT '{}',
    locale text NOT NULL DEFAULT '',
    rev bigint NOT NULL,
    public_rev bigint NOT NULL,
    epoch integer NOT NULL,
    agent_read_rev bigint NOT NULL DEFAULT 0,
    agent_read_public_rev bigint NOT NULL DEFAULT 0,
    contact_read_rev bigint NOT NULL DEFAULT 0,
    contact_read_public_rev bigint NOT NULL DEFAULT 0,
    unread_count integer NOT NULL DEFAULT 0,
    contact_unread_count integer NOT NULL DEFAULT 0,
    last_message_preview text NOT NULL DEFAULT '',
    last_author_kind smallint NOT NULL DEFAULT 0,
    last_message_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    queued_at timestamptz,
    first_assigned_at timestamptz,
    first_reply_at timestamptz,
    due_at timestamptz,
    due_seq bigint NOT NULL DEFAULT 0,
    snoozed_until timestamptz,
    idle_reminded_at timestamptz,
    resolved_at timestamptz,
    close_reason smallint NOT NULL DEFAULT 0,
    wrap_up_category_id uuid,
    wrap_up_category_name text NOT NULL DEFAULT '',
    summary text NOT NULL DEFAULT '',
    csat_score smallint NOT NULL DEFAULT 0,
    csat_comment text NOT NULL DEFAULT '',
    spam boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
-- The rule that two simultaneous first messages make one conversation.
CREATE UNIQUE INDEX conversations_one_open ON conversations (inbox_id, contact_id) WHERE state <> 6;
CREATE INDEX conversations_active ON conversations (last_message_at DESC, id DESC);
CREATE INDEX conversations_created ON conversations (created_at DESC, id DESC);
CREATE INDEX conversations_waiting ON conversations (queue_id, queued_at, id) WHERE state IN (2, 3);
CREATE INDEX conversations_queued ON conversations (queued_at, id) WHERE queued_at IS NOT NULL;
CREATE INDEX conversations_due ON conversations (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX conversations_priority ON conversations (priority, last_message_at DESC, id DESC);
CREATE INDEX conversations_assignee ON conversations (assignee_id, last_message_at DESC, id DESC) WHERE assignee_id IS NOT NULL;
CREATE INDEX conversations_contact ON conversations (contact_id, created_at DESC, id DESC);
CREATE INDEX conversations_open ON conversations (state, inbox_id, last_message_at) WHERE state <> 6;
CREATE INDEX conversations_resolved ON conversations (inbox_id, contact_id, resolved_at) WHERE state = 6;
CREATE INDEX conversations_snoozed ON conversations (snoozed_until) WHERE state = 5;
CREATE INDEX conversations_participants ON conversations USING gin (participant_ids);
CREATE INDEX conversations_mentioned ON conversations USING gin (mentioned_ids) WHERE mentioned_ids <> '{}';
CREATE INDEX conversations_labels ON conversations USING gin (label_ids) WHERE label_ids <> '{}';

-- No foreign key: a message is only written under the lock of its conversation, and checking each again costs a tenth of an append.
CREATE TABLE messages (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    rev bigint NOT NULL,
    public_rev bigint NOT NULL,
    inbox_id uuid NOT NULL,
    author_kind smallint NOT NULL,
    author_id text NOT NULL,
    author_name text NOT NULL,
    visibility smallint NOT NULL CHECK (visibility IN (1, 2)),
    kind text NOT NULL,
    content bytea,
    client_id text NOT NULL,
    digest bytea NOT NULL,
    reply_to uuid,
    mention_ids uuid[] NOT NULL DEFAULT '{}',
    external_id text NOT NULL DEFAULT '',
    metadata bytea,
    whisper boolean NOT NULL DEFAULT false,
    delivery_state smallint NOT NULL DEFAULT 0,
    delivery_error text NOT NULL DEFAULT '',
    search tsvector,
    created_at timestamptz NOT NULL,
    edited_at timestamptz,
    recalled_at timestamptz
);
CREATE UNIQUE INDEX messages_rev ON messages (conversation_id, rev);
CREATE INDEX messages_public ON messages (conversation_id, public_rev) WHERE public_rev > 0;
CREATE UNIQUE INDEX messages_client ON messages (client_id, author_id, author_kind, conversation_id) WHERE client_id <> '';
CREATE UNIQUE INDEX messages_inbound ON messages (inbox_id, external_id) WHERE author_kind = 1 AND external_id <> '';
CREATE INDEX messages_search ON messages USING gin (search) WITH (fastupdate = on, gin_pending_list_limit = 2048);

-- Marks of staff who read without being the assignee.
CREATE TABLE staff_reads (
    conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    user_id uuid NOT NULL,
    read_rev bigint NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
);

-- Commands of other services that were carried out, with their first answer.
CREATE TABLE commands (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    rev bigint NOT NULL,
    epoch integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX commands_conversation ON commands (conversation_id);
CREATE INDEX commands_created ON commands USING brin (created_at);

CREATE TABLE labels (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    color text NOT NULL
);

CREATE TABLE wrap_up_categories (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    position integer NOT NULL
);

-- What the channel adapter tells of inboxes.
CREATE TABLE inboxes (
    id uuid PRIMARY KEY,
    rev bigint NOT NULL,
    channel text NOT NULL,
    enabled boolean NOT NULL,
    deleted boolean NOT NULL DEFAULT false,
    bot_enabled boolean NOT NULL,
    queue_id uuid,
    reopen_window_s integer NOT NULL,
    idle_reminder_s integer NOT NULL,
    idle_close_s integer NOT NULL,
    required_skills jsonb NOT NULL DEFAULT '{}'
);

-- What the router tells of queues and their members.
CREATE TABLE queues (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    seq bigint NOT NULL,
    deleted boolean NOT NULL DEFAULT false
);

CREATE TABLE queue_members (
    queue_id uuid NOT NULL REFERENCES queues (id) ON DELETE CASCADE,
    agent_id uuid NOT NULL,
    PRIMARY KEY (agent_id, queue_id)
)

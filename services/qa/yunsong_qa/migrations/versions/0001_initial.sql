-- Append-only. `entity_id` is a conversation, or an agent for presence. No words that people wrote.
CREATE TABLE facts (
    entity_id uuid NOT NULL,
    rev bigint NOT NULL,
    event_id uuid NOT NULL,
    kind smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    state smallint NOT NULL,
    from_state smallint NOT NULL,
    author smallint NOT NULL,
    author_id uuid,
    internal boolean NOT NULL,
    message_id uuid,
    content_kind smallint NOT NULL,
    text_length integer NOT NULL,
    queue_id uuid,
    agent_id uuid,
    inbox_id uuid,
    contact_id uuid,
    reason text NOT NULL,
    category text NOT NULL,
    close_reason smallint NOT NULL,
    value double precision,
    PRIMARY KEY (entity_id, rev, event_id)
);
CREATE INDEX facts_occurred_at ON facts (occurred_at);

-- One row per conversation, folded from its facts. Room on the page keeps updates from touching the indexes.
CREATE TABLE conversation_figures (
    conversation_id uuid PRIMARY KEY,
    applied_rev bigint NOT NULL DEFAULT 0,
    created_at timestamptz,
    inbox_id uuid,
    contact_id uuid,
    queue_id uuid,
    agent_id uuid,
    state smallint NOT NULL DEFAULT 0,
    queued_since timestamptz,
    first_queued_at timestamptz,
    first_assigned_at timestamptz,
    first_reply_at timestamptz,
    resolved_at timestamptz,
    close_reason smallint NOT NULL DEFAULT 0,
    wait_s double precision,
    first_wait_s double precision,
    first_response_s double precision,
    handling_s double precision,
    csat_score smallint,
    category text NOT NULL DEFAULT '',
    handed_off boolean NOT NULL DEFAULT false,
    abandoned boolean NOT NULL DEFAULT false,
    bot_resolved boolean NOT NULL DEFAULT false,
    messages integer NOT NULL DEFAULT 0,
    contact_messages integer NOT NULL DEFAULT 0,
    agent_messages integer NOT NULL DEFAULT 0,
    bot_messages integer NOT NULL DEFAULT 0,
    transfers integer NOT NULL DEFAULT 0,
    unanswered_since timestamptz,
    unanswered_rev bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX conversation_figures_created_at ON conversation_figures (created_at, conversation_id);
CREATE INDEX conversation_figures_open ON conversation_figures (conversation_id) WHERE resolved_at IS NULL;

-- Facts of these that come late are dropped.
CREATE TABLE erased_conversations (
    conversation_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What reports call queues, agents and inboxes.
CREATE TABLE names (
    kind text NOT NULL CHECK (kind IN ('queue', 'agent', 'inbox')),
    id uuid NOT NULL,
    name text NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Raised with every change of rules and scorecards, and replicas compare it with what they hold.
CREATE TABLE rulebook (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL
);
INSERT INTO rulebook (version) VALUES (1);

CREATE TABLE rules (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    speaker smallint NOT NULL,
    live_alert boolean NOT NULL,
    kind text NOT NULL,
    settings jsonb NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX rules_name ON rules (name);

CREATE TABLE scorecards (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    items jsonb NOT NULL,
    automatic boolean NOT NULL,
    queue_ids uuid[] NOT NULL,
    pass_score smallint NOT NULL,
    version integer NOT NULL
);
CREATE UNIQUE INDEX scorecards_name ON scorecards (name);

CREATE TABLE inspections (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    scorecard_id uuid NOT NULL,
    scorecard_name text NOT NULL,
    scorecard_version integer NOT NULL,
    agent_id uuid,
    queue_id uuid,
    score smallint NOT NULL,
    passed boolean NOT NULL,
    fatal boolean NOT NULL,
    items jsonb NOT NULL,
    hits jsonb NOT NULL,
    source_rev bigint NOT NULL,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX inspections_conversation ON inspections (conversation_id, scorecard_id);
CREATE INDEX inspections_created_at ON inspections (created_at, id);
CREATE INDEX inspections_agent ON inspections (agent_id, created_at, id);
CREATE INDEX inspections_fatal ON inspections (created_at, id) WHERE fatal;

-- Conversations to inspect, and a row stays until an inspection that saw at least this revision is committed.
CREATE TABLE inspection_jobs (
    conversation_id uuid PRIMARY KEY,
    rev bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    error text NOT NULL DEFAULT ''
);
CREATE INDEX inspection_jobs_due ON inspection_jobs (next_attempt_at);

CREATE TABLE alerts (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL,
    rule_id uuid NOT NULL,
    rule_name text NOT NULL,
    message_id uuid,
    rev bigint NOT NULL,
    matched text NOT NULL,
    agent_id uuid,
    queue_id uuid,
    created_at timestamptz NOT NULL,
    acknowledged_by uuid,
    acknowledged_at timestamptz
);
CREATE UNIQUE INDEX alerts_conversation ON alerts (conversation_id, rule_id, rev);
CREATE INDEX alerts_open ON alerts (id) WHERE acknowledged_at IS NULL

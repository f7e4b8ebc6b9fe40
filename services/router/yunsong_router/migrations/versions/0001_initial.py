"""Queues, agents, work items, leases, promises, and the commands that the conversation service still has to answer.

Revision ID: 0001
"""

# ruff: noqa: S608 - statements are put together from this file's constants alone
from __future__ import annotations

from alembic import op

from yunsong_common.db import create_common_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE queues (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    version integer NOT NULL DEFAULT 1,
    priority smallint NOT NULL,
    strategy text NOT NULL,
    requires_accept boolean NOT NULL,
    offer_timeout_s integer NOT NULL,
    max_wait_s integer NOT NULL,
    overflow_queue_id uuid REFERENCES queues,
    last_agent_s integer NOT NULL,
    time_zone text NOT NULL,
    hours jsonb NOT NULL,
    holidays jsonb NOT NULL,
    relaxation jsonb NOT NULL,
    sla jsonb NOT NULL,
    required_skills jsonb NOT NULL,
    open boolean NOT NULL,
    next_change_at timestamptz,
    group_id uuid NOT NULL,
    last_served_agent_id uuid,
    board_rev bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL
);
CREATE INDEX queues_group ON queues (group_id);

CREATE TABLE skills (
    name text PRIMARY KEY,
    description text NOT NULL
);

CREATE TABLE agents (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    capacity integer NOT NULL,
    skills jsonb NOT NULL,
    enabled boolean NOT NULL,
    presence text NOT NULL DEFAULT 'offline',
    presence_reason text NOT NULL DEFAULT '',
    presence_since timestamptz NOT NULL,
    connected boolean NOT NULL DEFAULT false,
    last_assigned_at timestamptz,
    feed_rev bigint NOT NULL DEFAULT 0,
    -- Kept by triggers on work_items, and by nothing else.
    load integer NOT NULL DEFAULT 0,
    active_count integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX agents_connected ON agents (id) WHERE connected;

CREATE TABLE queue_members (
    queue_id uuid NOT NULL REFERENCES queues ON DELETE CASCADE,
    agent_id uuid NOT NULL REFERENCES agents,
    PRIMARY KEY (queue_id, agent_id)
);
CREATE INDEX queue_members_agent ON queue_members (agent_id);

CREATE TABLE leases (
    gateway_id text NOT NULL,
    agent_id uuid NOT NULL,
    connections integer NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (agent_id, gateway_id)
);

-- One row: when some replica last lived, when renewals last came in, and until when nobody is lost.
CREATE TABLE presence_watch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beat_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    grace_until timestamptz NOT NULL
);

CREATE TABLE channel_weights (
    channel text PRIMARY KEY,
    weight integer NOT NULL CHECK (weight BETWEEN 1 AND 100)
);

-- One row per conversation.
CREATE TABLE work_items (
    id uuid PRIMARY KEY,
    conversation_id uuid NOT NULL UNIQUE,
    queue_id uuid,
    state text NOT NULL,
    epoch integer NOT NULL,
    conversation_rev bigint NOT NULL,
    priority smallint NOT NULL,
    weight integer NOT NULL,
    channel text NOT NULL,
    contact_id text NOT NULL,
    contact_name text NOT NULL,
    skills jsonb NOT NULL,
    waiting_since timestamptz NOT NULL,
    entered_at timestamptz NOT NULL,
    at_head boolean NOT NULL DEFAULT false,
    agent_id uuid,
    next_agent_id uuid,
    assignment_id uuid,
    required_agent_id uuid,
    preferred_agent_id uuid,
    prefer_until timestamptz,
    offer_expires_at timestamptz,
    assigned_at timestamptz,
    due_at timestamptz,
    moving boolean NOT NULL DEFAULT false,
    transferred_by uuid,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70);
CREATE INDEX work_items_waiting ON work_items (queue_id, (NOT at_head), priority, waiting_since, id)
    WHERE state = 'waiting' AND NOT moving;
CREATE INDEX work_items_queue ON work_items (queue_id, state) WHERE state <> 'done';
CREATE INDEX work_items_held ON work_items (agent_id)
    WHERE state IN ('offered', 'assigning', 'assigned');
CREATE INDEX work_items_next_agent ON work_items (next_agent_id) WHERE next_agent_id IS NOT NULL;
CREATE INDEX work_items_required ON work_items (required_agent_id) WHERE state = 'waiting' AND required_agent_id IS NOT NULL;
CREATE INDEX work_items_preferred ON work_items (preferred_agent_id) WHERE state = 'waiting' AND preferred_agent_id IS NOT NULL;
CREATE INDEX work_items_due ON work_items (due_at) WHERE state = 'waiting' AND NOT moving;
CREATE INDEX work_items_offers ON work_items (offer_expires_at) WHERE state = 'offered';
CREATE INDEX work_items_done ON work_items (updated_at) WHERE state = 'done';

CREATE TABLE exclusions (
    work_item_id uuid NOT NULL REFERENCES work_items ON DELETE CASCADE,
    agent_id uuid NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (work_item_id, agent_id)
);
CREATE INDEX exclusions_until ON exclusions (until);

-- Intents: what conversation has to accept or refuse. A row stays until it has.
CREATE TABLE commands (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    work_item_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    epoch integer NOT NULL,
    agent_id uuid,
    queue_id uuid,
    to_state text NOT NULL DEFAULT '',
    reason text NOT NULL,
    actor_id uuid,
    traceparent text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX commands_due ON commands (next_attempt_at);
CREATE INDEX commands_item ON commands (work_item_id);

-- A queue's routing group has something to plan. Rows only come and go, so triggers never wait for each other; the sequence is the
-- group's generation, and what the holder of the group's lock did not see stays.
CREATE TABLE triggers (
    generation bigserial PRIMARY KEY,
    queue_id uuid NOT NULL
);
CREATE INDEX triggers_queue ON triggers (queue_id);

CREATE TABLE promises (
    conversation_id uuid PRIMARY KEY,
    queue_id uuid,
    agent_id uuid,
    running boolean NOT NULL,
    answered boolean NOT NULL,
    answered_rev bigint NOT NULL DEFAULT 0,
    first_status text,
    first_due_at timestamptz,
    first_warn_at timestamptz,
    next_status text,
    next_due_at timestamptz,
    next_warn_at timestamptz,
    timer_at timestamptz
);
CREATE INDEX promises_timer ON promises (timer_at) WHERE timer_at IS NOT NULL;

CREATE TABLE last_agents (
    contact_id text PRIMARY KEY,
    agent_id uuid NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX last_agents_at ON last_agents (at);

CREATE TABLE handlings (
    id bigserial PRIMARY KEY,
    queue_id uuid NOT NULL,
    ended_at timestamptz NOT NULL,
    held_s double precision NOT NULL
);
CREATE INDEX handlings_queue ON handlings (queue_id, ended_at DESC)
"""

# An agent's load is the sum of the weights that the agent is offered, is being given, holds, or has reserved. The database keeps it with
# every statement that changes a work item, so no code can forget to, and nothing can drift.
HELD = "state IN ('offered', 'assigning', 'assigned')"
GAINED = f"""
    SELECT agent_id, weight AS load, 1 AS items FROM new_rows WHERE agent_id IS NOT NULL AND {HELD}
    UNION ALL SELECT next_agent_id, weight, 1 FROM new_rows WHERE next_agent_id IS NOT NULL
"""
LOST = f"""
    UNION ALL SELECT agent_id, -weight, -1 FROM old_rows WHERE agent_id IS NOT NULL AND {HELD}
    UNION ALL SELECT next_agent_id, -weight, -1 FROM old_rows WHERE next_agent_id IS NOT NULL
"""


def _keeper(name: str, changes: str) -> str:
    return f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE agents a SET load = a.load + d.load, active_count = a.active_count + d.items
            FROM (SELECT agent_id, sum(load) AS load, sum(items) AS items FROM ({changes}) changes GROUP BY agent_id
                  HAVING sum(load) <> 0 OR sum(items) <> 0 ORDER BY agent_id) d
            WHERE a.id = d.agent_id;
            RETURN NULL;
        END $$
    """


def upgrade() -> None:
    """Creates everything."""
    create_common_tables_v1("router")
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(_keeper("keep_loads_of_new", GAINED))
    op.execute(_keeper("keep_loads", GAINED + LOST))
    op.execute(
        "CREATE TRIGGER keep_loads_of_new AFTER INSERT ON work_items REFERENCING NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_loads_of_new()"
    )
    op.execute(
        "CREATE TRIGGER keep_loads AFTER UPDATE ON work_items REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
        "FOR EACH STATEMENT EXECUTE FUNCTION keep_loads()"
    )

CREATE TABLE :schema.outbox (
    seq bigserial PRIMARY KEY,
    event_id uuid NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    entity_id text NOT NULL,
    rev bigint NOT NULL,
    public_rev bigint,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz
);
CREATE INDEX outbox_entity_rev ON :schema.outbox (entity_id, rev);
CREATE INDEX outbox_unpublished ON :schema.outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_created_at ON :schema.outbox USING brin (created_at);

CREATE TABLE :schema.processed_events (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    processed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX processed_events_processed_at ON :schema.processed_events USING brin (processed_at);

CREATE TABLE :schema.dead_letters (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    headers jsonb NOT NULL,
    attempts integer NOT NULL,
    error text NOT NULL,
    first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz,
    dead_at timestamptz,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX dead_letters_due ON :schema.dead_letters (consumer, next_attempt_at) WHERE dead_at IS NULL;
CREATE INDEX dead_letters_dead ON :schema.dead_letters (dead_at) WHERE dead_at IS NOT NULL;

CREATE TABLE :schema.consumers (
    consumer text NOT NULL,
    stream text NOT NULL,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, stream)
);

CREATE TABLE :schema.streams (
    stream text PRIMARY KEY,
    created text NOT NULL,
    replayed_seq bigint NOT NULL,
    complete boolean NOT NULL
);

CREATE TABLE :schema.idempotency_keys (
    principal text NOT NULL,
    method text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, method, key)
);
CREATE INDEX idempotency_keys_created_at ON :schema.idempotency_keys (created_at)

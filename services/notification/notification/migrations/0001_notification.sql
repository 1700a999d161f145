-- Intents, their routes, and the dead letters of routes that were given up.
-- E-mail addresses are in none of these tables: users' are asked for at each attempt, administrators' are configuration.

-- The database's clock decides what is due: instances' clocks may differ. STABLE, so that comparisons with it use an index.
CREATE FUNCTION now_ms() RETURNS bigint
    LANGUAGE sql STABLE
    RETURN (extract(epoch FROM statement_timestamp()) * 1000)::bigint;

CREATE TABLE intents (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key   text   NOT NULL UNIQUE,
    content_hash      text   NOT NULL,
    notification_type text   NOT NULL,
    producer          text   NOT NULL,
    audience_kind     text   NOT NULL CHECK (audience_kind IN ('user', 'admin_email')),
    occurred_at_ms    bigint NOT NULL,
    request_id        text   NOT NULL,
    trace_id          text   NOT NULL,
    payload           text   NOT NULL,
    entry_id          text   NOT NULL,
    received_at_ms    bigint NOT NULL DEFAULT now_ms()
);
CREATE INDEX intents_received ON intents (received_at_ms);

CREATE TABLE intent_conflicts (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intent_id         bigint NOT NULL REFERENCES intents ON DELETE CASCADE,
    entry_id          text   NOT NULL,
    content_hash      text   NOT NULL,
    notification_type text   NOT NULL,
    producer          text   NOT NULL,
    occurred_at_ms    bigint NOT NULL,
    request_id        text   NOT NULL,
    received_at_ms    bigint NOT NULL DEFAULT now_ms(),
    UNIQUE (intent_id, entry_id, content_hash)
);

CREATE TABLE routes (
    id                     bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    intent_id              bigint  NOT NULL REFERENCES intents ON DELETE CASCADE,
    channel                text    NOT NULL CHECK (channel IN ('push', 'email')),
    recipient              text    NOT NULL,
    delivery_id            text    NOT NULL,
    state                  text    NOT NULL CHECK (state IN ('pending', 'delivered', 'suppressed', 'dead', 'discarded')),
    attempts               integer NOT NULL DEFAULT 0,
    -- One more with each claim and each replay: what a claimant records counts only while it is the last one.
    claim                  bigint  NOT NULL DEFAULT 0,
    -- Of a pending route: when it is due, or, while somebody has it, when it is taken from him.
    due_at_ms              bigint  NOT NULL DEFAULT now_ms(),
    finished_at_ms         bigint,
    error_code             text    NOT NULL DEFAULT '',
    error_message          text    NOT NULL DEFAULT '',
    locale                 text    NOT NULL DEFAULT '',
    recipient_email_masked text    NOT NULL DEFAULT '',
    -- Delivered, suppressed and discarded routes are finished; pending and dead ones are not, and keep their intent.
    CHECK ((finished_at_ms IS NULL) = (state IN ('pending', 'dead')))
);
CREATE INDEX routes_intent ON routes (intent_id);
CREATE INDEX routes_due ON routes (channel, due_at_ms, id) WHERE state = 'pending';

CREATE TABLE dead_letters (
    id                bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dead_letter_id    text    NOT NULL UNIQUE,
    route             bigint  NOT NULL REFERENCES routes ON DELETE CASCADE,
    channel           text    NOT NULL,
    notification_type text    NOT NULL,
    attempts          integer NOT NULL,
    error_code        text    NOT NULL,
    error_message     text    NOT NULL,
    died_at_ms        bigint  NOT NULL DEFAULT now_ms(),
    status            text    NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'discarded')),
    resolved_at_ms    bigint,
    resolved_by       text,
    resolution_reason text,
    CHECK ((status = 'open') = (resolved_at_ms IS NULL)),
    CHECK ((resolved_at_ms IS NULL) = (resolved_by IS NULL) AND (resolved_at_ms IS NULL) = (resolution_reason IS NULL))
);
CREATE UNIQUE INDEX dead_letters_open ON dead_letters (route) WHERE status = 'open';
CREATE INDEX dead_letters_status ON dead_letters (status, id);
CREATE INDEX dead_letters_route ON dead_letters (route);

-- What user:lifecycle_events last said of a user. An unblocked one stays, so that an older event that comes late does not count.
CREATE TABLE user_states (
    user_id        text   PRIMARY KEY,
    state          text   NOT NULL CHECK (state IN ('active', 'blocked', 'deleted')),
    occurred_at_ms bigint NOT NULL
);

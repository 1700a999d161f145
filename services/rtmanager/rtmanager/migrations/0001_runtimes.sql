-- The record of each game's engine. Times are Unix milliseconds.
CREATE TABLE runtimes (
    game_id text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('running', 'stopped', 'removed')),
    image_ref text NOT NULL,
    container_id text NOT NULL,
    engine_endpoint text NOT NULL,
    -- Docker's StartedAt of the run of the container that the record tells of: a run is told of once.
    run text NOT NULL,
    probe text NOT NULL DEFAULT 'ok' CHECK (probe IN ('ok', 'failed')),
    unhealthy boolean NOT NULL DEFAULT false,
    oom boolean NOT NULL DEFAULT false,
    -- requested_at_ms of the job that the present run comes from; null if it comes from elsewhere.
    job_requested_at_ms bigint,
    created_at_ms bigint NOT NULL,
    started_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL,
    stopped_at_ms bigint,
    removed_at_ms bigint,
    version bigint NOT NULL DEFAULT 1
);
CREATE INDEX runtimes_by_status ON runtimes (status, game_id);

-- The operation log, and the queue of what is to be done.
CREATE TABLE operations (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text NOT NULL UNIQUE,
    game_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('start', 'stop', 'restart', 'patch', 'cleanup')),
    op_source text NOT NULL CHECK (op_source IN ('gm', 'admin', 'lobby_stream', 'retention')),
    status text NOT NULL CHECK (status IN ('queued', 'running', 'success', 'failure')),
    image_ref text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    requested_at_ms bigint NOT NULL,
    queued_at_ms bigint NOT NULL,
    started_at_ms bigint,
    finished_at_ms bigint,
    -- Fencing: the lease that may write. Only a newer one takes over.
    token bigint NOT NULL DEFAULT 0,
    -- The operation has removed, or is about to remove, the container that the record names.
    retired boolean NOT NULL DEFAULT false,
    container_id text NOT NULL DEFAULT '',
    error_code text NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT ''
);
CREATE INDEX operations_unfinished ON operations (game_id, position) WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX operations_one_running ON operations (game_id) WHERE status = 'running';
CREATE INDEX operations_by_game ON operations (game_id, position);

-- Tokens of leases. In Postgres, because Redis may lose its data and must not give a token twice.
CREATE SEQUENCE lease_tokens;

-- servicekit.outbox.MIGRATION
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream text NOT NULL,
    key text NOT NULL,
    fields json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    UNIQUE (key, stream)
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

-- servicekit.inbox.MIGRATION
CREATE TABLE inbox (
    stream text NOT NULL,
    entry_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, entry_id)
);
CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);

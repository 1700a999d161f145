-- Messages that leave with the transaction that they belong to (servicekit.outbox), and what of the streams was handled
-- (servicekit.inbox).

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

CREATE TABLE inbox (
    stream text NOT NULL,
    entry_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, entry_id)
);
CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);

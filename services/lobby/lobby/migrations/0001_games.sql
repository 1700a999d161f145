-- Games, their members, applications and invites. Times are Unix milliseconds of this server: one clock for all instances.

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

CREATE TABLE games (
    game_id               text PRIMARY KEY,
    position              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    owner_user_id         text NOT NULL,
    name                  text NOT NULL,
    visibility            text NOT NULL CHECK (visibility IN ('public', 'private')),
    status                text NOT NULL CHECK (status IN ('draft', 'enrollment_open', 'ready_to_start', 'starting',
                              'start_failed', 'running', 'paused', 'finished', 'cancelled')),
    min_players           integer NOT NULL CHECK (min_players >= 2),
    max_players           integer NOT NULL CHECK (max_players BETWEEN min_players AND 64),
    member_count          integer NOT NULL DEFAULT 0 CHECK (member_count BETWEEN 0 AND max_players),
    enrollment_ends_at_ms bigint NOT NULL,
    image_ref             text NOT NULL,
    version               bigint NOT NULL DEFAULT 1,
    start_attempt         integer NOT NULL DEFAULT 0,
    start_requested_at_ms bigint,
    job_requested_at_ms   bigint NOT NULL DEFAULT 0,
    start_error_code      text,
    start_error_message   text,
    container_id          text,
    engine_endpoint       text,
    started_at_ms         bigint,
    ended_at_ms           bigint,
    created_at_ms         bigint NOT NULL DEFAULT now_ms(),
    updated_at_ms         bigint NOT NULL DEFAULT now_ms(),
    CHECK ((status = 'starting') <= (start_requested_at_ms IS NOT NULL)),
    CHECK ((status IN ('finished', 'cancelled')) = (ended_at_ms IS NOT NULL))
);
CREATE INDEX games_owner ON games (owner_user_id, position);
CREATE INDEX games_enrollment_end ON games (enrollment_ends_at_ms) WHERE status = 'enrollment_open';
CREATE INDEX games_start ON games (start_requested_at_ms) WHERE status = 'starting';

-- A race name is taken from the application or the acceptance on, by a user who may have one in each game. This is where it is
-- decided who gets a name, and that nobody is in a game twice.
CREATE TABLE races (
    game_id   text NOT NULL REFERENCES games,
    race_key  text NOT NULL,
    race_name text NOT NULL,
    user_id   text NOT NULL,
    CONSTRAINT races_name PRIMARY KEY (game_id, race_key),
    CONSTRAINT races_user UNIQUE (game_id, user_id)
);
CREATE INDEX races_by_user ON races (user_id);

CREATE TABLE members (
    game_id      text NOT NULL REFERENCES games,
    user_id      text NOT NULL,
    position     bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    race_name    text NOT NULL,
    joined_at_ms bigint NOT NULL DEFAULT now_ms(),
    PRIMARY KEY (game_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);
CREATE INDEX members_page ON members (game_id, position);

CREATE TABLE applications (
    application_id text PRIMARY KEY,
    position       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    game_id        text NOT NULL REFERENCES games,
    user_id        text NOT NULL,
    race_name      text NOT NULL,
    status         text NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'withdrawn')),
    created_at_ms  bigint NOT NULL DEFAULT now_ms(),
    decided_at_ms  bigint,
    CHECK ((status = 'pending') = (decided_at_ms IS NULL))
);
CREATE INDEX applications_page ON applications (game_id, position);
CREATE UNIQUE INDEX applications_pending ON applications (user_id, game_id) WHERE status = 'pending';

CREATE TABLE invites (
    invite_id       text PRIMARY KEY,
    position        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    game_id         text NOT NULL REFERENCES games,
    inviter_user_id text NOT NULL,
    invitee_user_id text NOT NULL,
    status          text NOT NULL CHECK (status IN ('pending', 'accepted', 'declined', 'revoked', 'expired')),
    created_at_ms   bigint NOT NULL DEFAULT now_ms(),
    expires_at_ms   bigint NOT NULL,
    decided_at_ms   bigint,
    CHECK ((status = 'pending') = (decided_at_ms IS NULL))
);
CREATE INDEX invites_page ON invites (game_id, position);
CREATE INDEX invites_expiry ON invites (expires_at_ms) WHERE status = 'pending';
CREATE UNIQUE INDEX invites_pending ON invites (invitee_user_id, game_id) WHERE status = 'pending';

-- Jobs, their stories, and the signed events that answer them.

CREATE TABLE owner (
    pubkey BLOB PRIMARY KEY CHECK (length(pubkey) = 32)          -- the one node that signs these answers
) STRICT;

CREATE TABLE jobs (
    id        BLOB    PRIMARY KEY CHECK (length(id) = 32),       -- id of the request event
    customer  BLOB    NOT NULL CHECK (length(customer) = 32),
    component BLOB    CHECK (length(component) = 32),            -- NULL: declined before it was understood
    request   TEXT    NOT NULL,                                  -- the request event as JSON
    seen_on   TEXT    NOT NULL,                                  -- URL of the relay that brought it first
    born_at   INTEGER NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN
              ('fetching', 'queued', 'running', 'delivering', 'done', 'failed', 'declined')),
    attempt   INTEGER NOT NULL DEFAULT 0,                        -- runs granted so far
    told      INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)), -- whether `processing` was said
    code      TEXT    NOT NULL DEFAULT '',                       -- wire code of a bad end
    ended_at  INTEGER,                                           -- NULL: live
    price     INTEGER NOT NULL DEFAULT 0,                        -- msat
    limits    TEXT,                                              -- the grant as JSON; NULL: declined
    deadline  INTEGER
) STRICT;

CREATE INDEX jobs_live ON jobs (born_at) WHERE ended_at IS NULL;
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_born ON jobs (born_at);

CREATE TABLE story (
    job    BLOB    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    fact   TEXT    NOT NULL,
    detail TEXT    NOT NULL,
    before TEXT    NOT NULL,
    after  TEXT    NOT NULL,
    orders TEXT    NOT NULL
) STRICT;

CREATE INDEX story_of ON story (job);

CREATE TABLE outbox (
    event_id   BLOB    PRIMARY KEY CHECK (length(event_id) = 32),
    job        BLOB    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    purpose    TEXT    NOT NULL CHECK (purpose IN ('result', 'error', 'processing')),
    event      TEXT    NOT NULL,                                 -- the signed event; these bytes are sent, and no others
    relays     TEXT    NOT NULL,                                 -- JSON list of URLs where the customer listens
    settled_at INTEGER,                                          -- NULL: still to be sent
    UNIQUE (job, purpose)                                        -- never two answers of one kind
) STRICT;

CREATE INDEX outbox_open ON outbox (settled_at) WHERE settled_at IS NULL;

CREATE TABLE cursors (
    relay TEXT    PRIMARY KEY,
    upto  INTEGER NOT NULL                                       -- unix time up to which all was handled
) STRICT;

-- name: known
-- Which of these requests (a JSON list of hex ids) were seen before.
SELECT lower(hex(id)) FROM jobs WHERE id IN (SELECT from_hex(value) FROM json_each(?));

-- name: insert_job
INSERT INTO jobs (id, customer, component, request, seen_on, born_at, state, attempt, told, code, ended_at,
                  price, limits, deadline)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: update_job
-- The old state is named, so that a change that was computed from another state does nothing and is noticed.
UPDATE jobs SET state = ?, attempt = ?, told = ?, code = ?, ended_at = ? WHERE id = ? AND state = ?;

-- name: insert_story
INSERT INTO story (job, at, fact, detail, before, after, orders) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_outgoing
INSERT INTO outbox (event_id, job, purpose, event, relays) VALUES (?, ?, ?, ?, ?);

-- name: settle
UPDATE outbox SET settled_at = ? WHERE event_id = ? AND settled_at IS NULL;

-- name: move_cursor
INSERT INTO cursors (relay, upto) VALUES (?, ?) ON CONFLICT (relay) DO UPDATE SET upto = max(upto, excluded.upto);

-- name: live_jobs
SELECT * FROM jobs WHERE ended_at IS NULL ORDER BY born_at, rowid;

-- name: unsettled
-- From both ends of what waits: an answer that was never sent is among the newest, behind however many that wait for a
-- relay that is down; the oldest are those that are to be given up.
SELECT job, purpose, event, relays FROM outbox WHERE rowid IN (
    SELECT * FROM (SELECT rowid FROM outbox WHERE settled_at IS NULL ORDER BY rowid LIMIT ?1)
    UNION SELECT * FROM (SELECT rowid FROM outbox WHERE settled_at IS NULL ORDER BY rowid DESC LIMIT ?1)
) ORDER BY rowid;

-- name: cursors
SELECT relay, upto FROM cursors;

-- name: summaries
SELECT * FROM jobs WHERE (?1 IS NULL OR state = ?1) ORDER BY born_at DESC, rowid DESC LIMIT ?2;

-- name: by_prefix
-- Ids are compared as ranges, so that the primary key serves.
SELECT * FROM jobs WHERE id >= ? AND id <= ? LIMIT 2;

-- name: story_of
SELECT at, fact, detail, before, after, orders FROM story WHERE job = ? ORDER BY rowid;

-- name: outgoing_of
SELECT job, purpose, event, relays FROM outbox WHERE job = ? ORDER BY rowid;

-- name: forget
-- An answer that is still being sent keeps its job.
DELETE FROM jobs WHERE rowid IN (
    SELECT rowid FROM jobs WHERE ended_at < ?1
    AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.job = jobs.id AND settled_at IS NULL)
    LIMIT ?2
);

-- name: owner
SELECT lower(hex(pubkey)) FROM owner;

-- name: take_ownership
INSERT INTO owner (pubkey) VALUES (from_hex(?));

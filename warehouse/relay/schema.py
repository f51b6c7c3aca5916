"""The tables of the relay's store, which are SQLite; the module beside this one fills them."""

# What each version added, in order; `user_version` of a file says how many of them it has.
MIGRATIONS = (
    """
CREATE TABLE event (
    position INTEGER PRIMARY KEY,           -- order of arrival; of one customer, the order of its sequence
    event_id TEXT NOT NULL UNIQUE,
    company_code TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    type TEXT NOT NULL,
    time TEXT NOT NULL,                     -- business time, ISO 8601, UTC
    recorded_at TEXT NOT NULL,
    body TEXT NOT NULL                      -- the CloudEvent as sent, byte for byte
);
CREATE TABLE delivery (
    sink TEXT NOT NULL,
    event_id TEXT NOT NULL REFERENCES event (event_id),
    position INTEGER NOT NULL,
    company_code TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead', 'discarded')),
    attempts INTEGER NOT NULL DEFAULT 0,    -- failed ones
    next_attempt_at TEXT,                   -- null: at once
    last_error TEXT,
    settled_at TEXT,                        -- when it became delivered, dead or discarded
    PRIMARY KEY (sink, event_id)
) WITHOUT ROWID;
CREATE INDEX enrolled ON delivery (sink, position);
CREATE INDEX outstanding ON delivery (sink, company_code, customer_id, sequence)
    WHERE state IN ('waiting', 'dead');
""",
    """
ALTER TABLE delivery ADD COLUMN first_failed_at TEXT;
CREATE TABLE sink (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,              -- events up to here were put before it, those of its types
    last_delivered_at TEXT,
    disabled_at TEXT,
    disabled_reason TEXT                    -- the receiver asked never to be called again; null: it did not
) WITHOUT ROWID;
INSERT INTO sink (name, position, last_delivered_at)
    SELECT sink, max(position), max(settled_at) FROM delivery GROUP BY sink;
DROP INDEX enrolled;
""",
    """
CREATE TABLE copied (
    events INTEGER NOT NULL,                -- of the warehouse's outbox, all of them here
    recorded_at TEXT                        -- the latest of them
);
""",
    """
ALTER TABLE event ADD COLUMN sink TEXT;
CREATE TABLE resync (
    sink TEXT NOT NULL,                     -- to be sent all that holds; an event with a sink is meant for it alone
    company_code TEXT,                      -- of one customer; null: of all
    customer_id TEXT
);
""",
    """
ALTER TABLE sink ADD COLUMN paused_until TEXT;  -- the receiver asked to be left alone until then
""",
)

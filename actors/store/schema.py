"""What is in a store's file, and how an older file becomes one of today.

A file's version is its `PRAGMA user_version`: how many of MIGRATIONS it has
been through. To change the schema, append a migration; never change one that
has been released. All of it is STRICT. Money is whole nano-dollars, since
micro-dollars are too coarse for a price of 0.15 $ a million tokens. `at` is
seconds since 1970, as a float: whole milliseconds would put an attempt of the
last moment of a day into the next.

The sums in `budget` say nothing that the rows of `usage_ledger` do not: a row
weighs `weight_nano` in each sum that there is of its scopes and windows. So a
sum may be deleted, and is made again from the rows when it is needed.

A batch's requests are kept as they were given, and its answers as they are
written out; a request is `sent` once its provider has it and `part` says with
which of the provider's batches (below zero: none, it is asked by itself). What
the columns of `batch_part` are for stands in batch/rows.py.

A session's events are numbered from 1 without a gap, up to its `head`; those up
to its snapshot's `seq` are in that. `v` is the version of what an event says,
which the session package knows. `node` is who has claimed it, "" where nobody
has.
"""

from typing import Final

__all__ = ["APPLICATION_ID", "MIGRATIONS", "VERSION"]

APPLICATION_ID: Final = 0x54525052
"""Tells our files from others' ("TRPR"), by SQLite's `PRAGMA application_id`."""

_LEDGER = """
CREATE TABLE usage_ledger (
    op_id            TEXT PRIMARY KEY,
    request_id       TEXT NOT NULL,
    attempt          INTEGER NOT NULL,
    at               REAL NOT NULL,
    provider         TEXT NOT NULL,
    model            TEXT NOT NULL,
    session          TEXT NOT NULL,
    user             TEXT NOT NULL,
    key_id           TEXT NOT NULL,
    price_id         TEXT NOT NULL,
    reserved_nano    INTEGER NOT NULL CHECK (reserved_nano >= 0),
    state            TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'unknown')),
    weight_nano      INTEGER NOT NULL,
    outcome          TEXT,
    cost_nano        INTEGER,
    in_tok           INTEGER,
    out_tok          INTEGER,
    cache_r_tok      INTEGER,
    cache_w_tok      INTEGER,
    cache_w_1h_tok   INTEGER,
    reasoning_tok    INTEGER,
    estimated        INTEGER,
    cost_price_id    TEXT,
    served_model     TEXT,
    service_tier     TEXT,
    first_token_ms   INTEGER,
    duration_ms      INTEGER
) STRICT;
CREATE INDEX usage_ledger_at ON usage_ledger (at);
CREATE INDEX usage_ledger_session ON usage_ledger (session, at) WHERE session <> '';
CREATE INDEX usage_ledger_user ON usage_ledger (user, at) WHERE user <> '';
CREATE INDEX usage_ledger_open ON usage_ledger (at) WHERE state = 'reserved';
CREATE TABLE budget (
    scope            TEXT NOT NULL,
    window           TEXT NOT NULL,
    spent_nano       INTEGER NOT NULL,
    reserved_nano    INTEGER NOT NULL,
    PRIMARY KEY (scope, window)
) STRICT, WITHOUT ROWID;
"""

_BATCHES = """
CREATE TABLE batch (
    id               TEXT PRIMARY KEY,
    at               REAL NOT NULL,
    session          TEXT NOT NULL,
    user             TEXT NOT NULL,
    way              TEXT NOT NULL,
    state            TEXT NOT NULL
                     CHECK (state IN ('loading', 'running', 'cancelling', 'done')),
    note             TEXT NOT NULL
) STRICT;
CREATE INDEX batch_open ON batch (at) WHERE state <> 'done';
CREATE TABLE batch_part (
    batch            TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    part             INTEGER NOT NULL,
    target           TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('planned', 'named', 'running', 'ended')),
    key_id           TEXT NOT NULL,
    remote_id        TEXT NOT NULL,
    named_at         REAL NOT NULL,
    others           TEXT NOT NULL,
    PRIMARY KEY (batch, part)
) STRICT;
CREATE TABLE batch_request (
    batch            TEXT NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    n                INTEGER NOT NULL,
    part             INTEGER NOT NULL,
    custom_id        TEXT NOT NULL,
    state            TEXT NOT NULL
                     CHECK (state IN ('waiting', 'sent', 'done', 'failed', 'cancelled')),
    model            TEXT NOT NULL,
    request          BLOB,
    answer           BLOB,
    PRIMARY KEY (batch, n)
) STRICT;
CREATE INDEX batch_request_state ON batch_request (batch, part, state, n);
"""

_JOURNAL = """
CREATE TABLE session (
    n                INTEGER PRIMARY KEY,
    sid              TEXT NOT NULL UNIQUE,
    owner            TEXT NOT NULL,
    assistant        TEXT NOT NULL,
    title            TEXT NOT NULL,
    node             TEXT NOT NULL,
    fence            INTEGER NOT NULL,
    head             INTEGER NOT NULL,
    created          REAL NOT NULL,
    touched          REAL NOT NULL
) STRICT;
CREATE INDEX session_held ON session (node) WHERE node <> '';
CREATE INDEX session_used ON session (touched);
CREATE TABLE session_event (
    session          INTEGER NOT NULL REFERENCES session (n) ON DELETE CASCADE,
    seq              INTEGER NOT NULL,
    at               REAL NOT NULL,
    kind             TEXT NOT NULL,
    v                INTEGER NOT NULL,
    body             BLOB NOT NULL,
    UNIQUE (session, seq)
) STRICT;
CREATE TABLE session_snapshot (
    session          INTEGER PRIMARY KEY REFERENCES session (n) ON DELETE CASCADE,
    seq              INTEGER NOT NULL,
    v                INTEGER NOT NULL,
    body             BLOB NOT NULL
) STRICT;
"""

_RESPONSES = """
CREATE TABLE response (
    n                INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    owner            TEXT NOT NULL,
    previous         TEXT NOT NULL,
    at               REAL NOT NULL,
    number           INTEGER NOT NULL,
    upto             INTEGER NOT NULL,
    input            BLOB NOT NULL,
    body             BLOB NOT NULL
) STRICT;
CREATE INDEX response_owner ON response (owner, n);
CREATE INDEX response_at ON response (at);
"""

MIGRATIONS: Final = (_LEDGER, _BATCHES, _JOURNAL, _RESPONSES)
"""The scripts that bring a file from each version to the next, without any transaction."""

VERSION: Final = len(MIGRATIONS)
"""The version that this program writes."""

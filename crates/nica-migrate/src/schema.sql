-- Schema `nica`: what delivery remembers about this environment. docs/records.md explains each column.
-- Runs once, in one transaction, from schema.rs. Later formats add columns and never take one away.

CREATE SCHEMA nica;
CREATE SCHEMA nica_attic;

-- Immutable, named by content: plans, rendered objects, SQL. Never a secret.
CREATE TABLE nica.blob (
    sha256 text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    kind   text  NOT NULL,
    bytes  bytea NOT NULL
);

-- One row: what this environment is.
CREATE TABLE nica.control (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    service      text NOT NULL,
    env          text NOT NULL,
    env_id       uuid NOT NULL DEFAULT gen_random_uuid(),
    system_id    text NOT NULL,
    format       integer NOT NULL,
    managed      boolean NOT NULL DEFAULT false,
    open_run     text,
    baseline     text REFERENCES nica.blob,
    compat_floor text,
    policy_hash  text,
    people_hash  text
);

-- One row: who may act. The number rises with every taking and is never given twice.
CREATE TABLE nica.lease (
    singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number        bigint NOT NULL DEFAULT 0,
    holder        text,
    host          text,
    pid           integer,
    backend_start timestamptz,
    beat          timestamptz
);

-- One row: the admitted number. Only admission changes it, only upwards; its row lock is the guard, so nothing
-- else may ever update this row.
CREATE TABLE nica.fence (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number    bigint NOT NULL DEFAULT 0
);

CREATE TABLE nica.run (
    id            text PRIMARY KEY,
    plan          text NOT NULL REFERENCES nica.blob,
    baseline      text REFERENCES nica.blob,
    fence         bigint NOT NULL,
    starter       text NOT NULL,
    direction     text NOT NULL DEFAULT 'forward' CHECK (direction IN ('forward', 'back')),
    verdict       jsonb,
    abort_by      text,
    participants  jsonb NOT NULL DEFAULT '[]',
    retained      jsonb NOT NULL DEFAULT '[]',
    judged        text REFERENCES nica.blob,
    forward_until timestamptz,
    down_until    timestamptz,
    opened_at     timestamptz NOT NULL DEFAULT now(),
    committed_at  timestamptz,
    settled_at    timestamptz,
    ending        text,
    reason        text,
    CHECK ((settled_at IS NULL) = (ending IS NULL))
);

-- At most one run is open.
CREATE UNIQUE INDEX run_open ON nica.run ((true)) WHERE settled_at IS NULL;

CREATE TABLE nica.step (
    run           text NOT NULL REFERENCES nica.run,
    n             integer NOT NULL,
    effect        text NOT NULL,
    "do"          jsonb NOT NULL,
    undo          jsonb,
    status        text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'started', 'done', 'undo_started', 'undone', 'retained')),
    started_at    timestamptz,
    started_fence bigint,
    done_at       timestamptz,
    done_fence    bigint,
    seen          jsonb,
    PRIMARY KEY (run, n)
);

-- `down` is the text itself: going back needs neither the new image nor the workspace that built it.
-- `cursor` is where a step in batches stands; it moves in the transaction of its batch.
CREATE TABLE nica.migration (
    id         text PRIMARY KEY,
    sha256     text NOT NULL,
    phase      text NOT NULL CHECK (phase IN ('expand', 'contract')),
    class      text NOT NULL CHECK (class IN ('lossless', 'parking', 'sticky')),
    park       jsonb NOT NULL DEFAULT '[]',
    down       text,
    state      text NOT NULL CHECK (state IN ('started', 'applied', 'undone', 'retained')),
    cursor     jsonb,
    run        text,
    fence      bigint NOT NULL,
    who        text NOT NULL,
    version    text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_at timestamptz
);

-- `key` is canonical JSON of the key columns; `sum` of the row as written, over `columns`, which are those that the
-- files fill; `retire` is the column that says when the row left the files.
CREATE TABLE nica.seed (
    "table" text NOT NULL,
    key     text NOT NULL,
    sum     text NOT NULL,
    columns text[] NOT NULL DEFAULT '{}',
    retire  text,
    local   boolean NOT NULL DEFAULT false,
    state   text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'retired')),
    run     text,
    PRIMARY KEY ("table", key)
);

-- A proof that a table was as its files say: a digest of the files and a hash of the rows. Gone as soon as anything
-- is written to nica.seed.
CREATE TABLE nica.seed_stamp (
    "table" text PRIMARY KEY,
    files   text NOT NULL,
    columns text[] NOT NULL,
    retire  text,
    rows    text NOT NULL
);

-- `before` is what the run did (insert, update, retire, record), the row's values before it and its line in
-- nica.seed before it.
CREATE TABLE nica.seed_undo (
    run       text NOT NULL,
    "table"   text NOT NULL,
    key       text NOT NULL,
    before    jsonb NOT NULL,
    wrote_sum text NOT NULL,
    PRIMARY KEY (run, "table", key)
);

-- `entry` is canonical JSON, kept as text because its bytes are what is hashed.
CREATE TABLE nica.ledger (
    n     bigint PRIMARY KEY CHECK (n > 0),
    run   text NOT NULL UNIQUE,
    entry text NOT NULL,
    prev  text NOT NULL,
    hash  text NOT NULL
);

CREATE TABLE nica.outbox (
    run     text NOT NULL,
    n       integer NOT NULL,
    kind    text NOT NULL,
    body    jsonb NOT NULL,
    done_at timestamptz,
    PRIMARY KEY (run, n)
);

-- What is parked where: one attic table per parked table of a migration. Its rows carry the epoch in which they were
-- parked; rows of epochs up to `keep_below` hold values that never came back and are not replaced (attic.rs).
CREATE TABLE nica_attic.parcel (
    migration  text NOT NULL,
    source     text NOT NULL,
    attic      text NOT NULL UNIQUE,
    place      integer NOT NULL,
    key        jsonb NOT NULL,
    columns    jsonb NOT NULL,
    whole      boolean NOT NULL,
    state      text NOT NULL CHECK (state IN ('parking', 'parked', 'unparking', 'unparked')),
    epoch      integer NOT NULL,
    keep_below integer NOT NULL,
    since_xid  text NOT NULL,
    cursor     jsonb,
    sequences  jsonb NOT NULL DEFAULT '{}',
    parked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (migration, source)
);

-- Every transaction of NICA begins with this. FOR SHARE on the one row of nica.fence means: as long as this
-- transaction is open, nobody can admit a higher number, and once a higher one is admitted, this raises. Because the
-- lock lives in the very session that runs the statements, a client that died leaves it with its orphaned backend,
-- and admission ends that backend by its session name.
CREATE FUNCTION nica.guard(f bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    admitted bigint;
BEGIN
    SELECT number INTO admitted FROM nica.fence FOR SHARE;
    IF admitted IS DISTINCT FROM f THEN
        RAISE EXCEPTION 'fence % is not admitted: % is', f, coalesce(admitted::text, 'none')
            USING ERRCODE = 'NC001';
    END IF;
END
$$;

-- What services ask, all versions of them: the result only ever gains fields. `floor` is the highest contract that
-- was applied. Runs with its owner's rights, so that a service needs none on the tables.
CREATE FUNCTION nica.serves() RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object(
        'format', c.format,
        'managed', c.managed,
        'floor', c.compat_floor,
        'migrations', coalesce((
            SELECT jsonb_agg(jsonb_build_object('id', m.id, 'phase', m.phase, 'state', m.state) ORDER BY m.id)
            FROM nica.migration m WHERE m.state <> 'undone'), '[]'))
    FROM nica.control c
$$;

GRANT USAGE ON SCHEMA nica TO PUBLIC;

INSERT INTO nica.lease DEFAULT VALUES;
INSERT INTO nica.fence DEFAULT VALUES;

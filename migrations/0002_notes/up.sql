-- What people write for themselves: one text per id that the client draws.
CREATE TABLE note (
    client_id  text PRIMARY KEY,
    body       text NOT NULL,
    rev        integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL
);

ALTER TABLE note ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE note ADD COLUMN tag text;

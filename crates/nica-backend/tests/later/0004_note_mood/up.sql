ALTER TABLE note ADD COLUMN mood text;

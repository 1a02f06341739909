-- How somebody felt when writing it.
ALTER TABLE note ADD COLUMN mood text;

-- One word that a person files a note under.
ALTER TABLE note ADD COLUMN tag text;

-- Says that it only adds, and takes away what the release before it needs: the demo's fifth release is refused for it.
ALTER TABLE note DROP COLUMN updated_at;

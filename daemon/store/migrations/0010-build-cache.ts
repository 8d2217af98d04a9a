/**
 * What builds can use again. A step's layer lives as long as its row; a step that changed no file has none. Its chain id
 * says on which ground it was made. `build_cache_mounts` are the directories of RUN --mount=type=cache.
 */
export const sql = `
CREATE TABLE build_steps (
  key         TEXT PRIMARY KEY,
  parent_key  TEXT NOT NULL,
  ground      TEXT NOT NULL,
  chain_id    TEXT REFERENCES layers (chain_id),
  blob        TEXT REFERENCES blobs (digest),
  description TEXT NOT NULL,
  size        INTEGER NOT NULL,
  created     INTEGER NOT NULL,
  last_used   INTEGER NOT NULL,
  uses        INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX build_steps_parent ON build_steps (parent_key);
CREATE INDEX build_steps_chain ON build_steps (chain_id);
CREATE INDEX build_steps_blob ON build_steps (blob);
CREATE TABLE build_cache_mounts (
  name      TEXT PRIMARY KEY,
  id        TEXT NOT NULL,
  created   INTEGER NOT NULL,
  last_used INTEGER NOT NULL,
  uses      INTEGER NOT NULL DEFAULT 1
) STRICT;
`;

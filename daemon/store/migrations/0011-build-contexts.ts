/**
 * Trees of files that clients have sent, kept for their next build: below `build/contexts/` of the data root, by id. The row
 * comes when a tree is complete, and goes before it is changed. One of another boot may not be whole on the disk.
 */
export const sql = `
CREATE TABLE build_contexts (
  id        TEXT PRIMARY KEY,
  key       TEXT NOT NULL,
  name      TEXT NOT NULL,
  boot      TEXT NOT NULL,
  size      INTEGER NOT NULL,
  created   INTEGER NOT NULL,
  last_used INTEGER NOT NULL,
  uses      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** JSON columns hold documents of the API; nothing inside them is queried. */
export const sql = `
CREATE TABLE containers (
  id          TEXT PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  created     TEXT NOT NULL,
  image_id    TEXT NOT NULL,
  path        TEXT NOT NULL,
  args        TEXT NOT NULL,
  config      TEXT NOT NULL,
  host_config TEXT NOT NULL,
  networks    TEXT NOT NULL,
  mounts      TEXT NOT NULL,
  state       TEXT NOT NULL
) STRICT;
CREATE INDEX containers_image ON containers (image_id);
`;

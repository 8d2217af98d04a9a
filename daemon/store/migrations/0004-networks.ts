/** Addresses are text in presentation form. A lease belongs to a container for as long as it runs. */
export const sql = `
CREATE TABLE networks (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL UNIQUE,
  driver  TEXT NOT NULL,
  created TEXT NOT NULL,
  subnet  TEXT NOT NULL,
  gateway TEXT NOT NULL
) STRICT;
CREATE TABLE leases (
  network_id   TEXT NOT NULL REFERENCES networks (id) ON DELETE CASCADE,
  address      TEXT NOT NULL,
  container_id TEXT NOT NULL,
  PRIMARY KEY (network_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX leases_container ON leases (container_id);
`;

/**
 * `time` is in nanoseconds since 1970. There is no index on it: the newest 100 000 events are scanned in milliseconds, and
 * every event would pay for the index.
 */
export const sql = `
CREATE TABLE events (
  id         INTEGER PRIMARY KEY,
  time       INTEGER NOT NULL,
  type       TEXT NOT NULL,
  action     TEXT NOT NULL,
  actor      TEXT NOT NULL,
  attributes TEXT NOT NULL,
  scope      TEXT NOT NULL
) STRICT;
`;

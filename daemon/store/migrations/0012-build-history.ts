/**
 * Builds that are over, as clients of BuildKit are told of them (JSON), and what belongs to them by digest: what they wrote, and
 * how they came about. Times in milliseconds since the epoch.
 */
export const sql = `
CREATE TABLE build_records (
  ref       TEXT PRIMARY KEY,
  record    TEXT NOT NULL,
  completed INTEGER NOT NULL,
  pinned    INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE build_record_blobs (
  ref    TEXT NOT NULL REFERENCES build_records (ref) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  data   BLOB NOT NULL,
  PRIMARY KEY (ref, digest)
) STRICT;

CREATE INDEX build_record_blobs_by_digest ON build_record_blobs (digest);
`;

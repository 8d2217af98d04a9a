/**
 * Files that ADD has fetched: which version of each the server had, and the digest of that, so that a server that still has it need
 * not send it again. Times in milliseconds since the epoch.
 */
export const sql = `
CREATE TABLE build_downloads (
  url    TEXT PRIMARY KEY,
  name   TEXT NOT NULL,
  digest TEXT NOT NULL,
  etag   TEXT NOT NULL,
  saved  INTEGER NOT NULL
) STRICT;
`;

/**
 * Which blobs repositories of registries were seen to have, each with the layer that it is compressed from: what a push can
 * skip, or have mounted from another repository of the same registry. "repository" is complete, "docker.io/library/busybox".
 */
export const sql = `
CREATE TABLE blob_sources (
  digest     TEXT NOT NULL,
  repository TEXT NOT NULL,
  diff_id    TEXT NOT NULL,
  size       INTEGER NOT NULL,
  media_type TEXT NOT NULL,
  seen       INTEGER NOT NULL,
  PRIMARY KEY (digest, repository)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_sources_diff_id ON blob_sources (diff_id, seen);
`;

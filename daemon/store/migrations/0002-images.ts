/**
 * Digests and chain ids are "sha256:<hex>". A blob lives as long as an image names it in image_blobs, an unpacked layer
 * as long as one names it in image_layers. `removed` marks an image that was deleted by force while stopped containers
 * still stand on its layers: it is hidden, and goes with the last of them.
 */
export const sql = `
CREATE TABLE images (
  id          TEXT PRIMARY KEY,
  parent_id   TEXT NOT NULL DEFAULT '',
  manifest    TEXT NOT NULL,
  document    TEXT NOT NULL,
  created     INTEGER NOT NULL,
  size        INTEGER NOT NULL,
  last_tagged TEXT NOT NULL DEFAULT '',
  removed     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX images_parent ON images (parent_id);
CREATE TABLE blobs (
  digest  TEXT PRIMARY KEY,
  size    INTEGER NOT NULL,
  diff_id TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE image_blobs (
  image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
  digest   TEXT NOT NULL REFERENCES blobs (digest),
  PRIMARY KEY (image_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_blobs_digest ON image_blobs (digest);
CREATE TABLE layers (
  chain_id TEXT PRIMARY KEY,
  diff_id  TEXT NOT NULL,
  size     INTEGER NOT NULL
) STRICT;
CREATE TABLE image_layers (
  image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  chain_id TEXT NOT NULL REFERENCES layers (chain_id),
  blob     TEXT NOT NULL REFERENCES blobs (digest),
  PRIMARY KEY (image_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_layers_chain ON image_layers (chain_id);
CREATE TABLE image_tags (
  repository TEXT NOT NULL,
  tag        TEXT NOT NULL,
  image_id   TEXT NOT NULL REFERENCES images (id),
  PRIMARY KEY (repository, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_tags_image ON image_tags (image_id);
CREATE TABLE image_digests (
  repository TEXT NOT NULL,
  digest     TEXT NOT NULL,
  image_id   TEXT NOT NULL REFERENCES images (id),
  PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_digests_image ON image_digests (image_id);
`;

/**
 * Blobs and layers that the kernel may not have written to the disk yet, with the boot they came in. After a power loss
 * their rows are there and their content perhaps is not.
 */
export const sql = `
CREATE TABLE unsynced_content (
  id   TEXT PRIMARY KEY,
  boot TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

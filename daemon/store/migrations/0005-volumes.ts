export const sql = `
CREATE TABLE volumes (
  name    TEXT PRIMARY KEY,
  created TEXT NOT NULL,
  labels  TEXT NOT NULL,
  options TEXT NOT NULL,
  anonymous INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

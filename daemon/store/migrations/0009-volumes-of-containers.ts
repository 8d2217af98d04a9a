/** Whether a volume had a name tells its label. What has to be known is whether it goes with the container it was made for. */
export const sql = `
ALTER TABLE volumes DROP COLUMN anonymous;
ALTER TABLE volumes ADD COLUMN kept INTEGER NOT NULL DEFAULT 1;
`;

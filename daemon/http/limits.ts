/** How much, and how long, a client may keep the server busy. Times in milliseconds. */
export interface Limits {
  /** Bytes of a JSON body. */
  jsonBytes: number;
  /** For the header of a request to arrive. */
  headerTimeout: number;
  /** For a JSON body to arrive as a whole. */
  jsonTimeout: number;
  /** A binary body in which nothing arrives for this long, although it is being read, is given up. */
  idleTimeout: number;
  /** For requests under way when the server closes. */
  closeGrace: number;
}

export const defaultLimits: Limits = {
  jsonBytes: 4 * 1024 * 1024,
  headerTimeout: 30_000,
  jsonTimeout: 30_000,
  idleTimeout: 120_000,
  closeGrace: 3_000,
};

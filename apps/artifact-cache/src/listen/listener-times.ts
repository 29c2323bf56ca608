/** How long clients may take. */
export interface ListenerTimes {
  /** From the first byte of a connection to the end of a request's header. */
  readonly headerMs: number;
  /** Nothing comes or goes on a connection. */
  readonly idleMs: number;
  /** How often a body under way must have moved on. */
  readonly bodyCheckMs: number;
  /** Bytes that have to come from one check to the next. */
  readonly bodyCheckBytes: number;
}

export const defaultListenerTimes: ListenerTimes = {
  headerMs: 30_000,
  idleMs: 300_000,
  bodyCheckMs: 60_000,
  bodyCheckBytes: 16_384,
};

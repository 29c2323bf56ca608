import type { SessionStore } from '@waybill/contracts';

/** One database, and how to open it (again). */
export interface SessionStoreHarness {
  open(): Promise<SessionStore>;
  remove(): Promise<void>;
}

/** What a test has: an empty database, and a handle on it. */
export interface SuiteContext {
  readonly store: SessionStore;
  readonly harness: SessionStoreHarness;
  /** Closes the handle and opens another one. */
  reopen(): Promise<void>;
  /** Makes another empty database. */
  factory(): Promise<SessionStoreHarness>;
}

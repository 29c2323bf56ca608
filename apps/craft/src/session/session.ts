import type { SessionEvent } from './follow-session.js';

/** Policy of a session. */
export type Policy = 'strict' | 'permissive';

/** A session that a build may use. */
export interface BuildSession {
  readonly kind: 'managed' | 'external';
  readonly id: string;
  /** Unknown in external sessions. */
  readonly policy: Policy | undefined;
  /** `http://id:token@host:port`: only for the relay. */
  readonly proxyUrl: string;
  readonly caPem: string;
  /** Directories that the build must not see. */
  readonly hide: readonly string[];
  /** Tells what the session sees, for the screen. */
  follow(onEvent: (event: SessionEvent) => void): void;
  /**
   * Ends the traffic and reads the report; `undefined` in external sessions. After this no byte moves any more. May be called
   * again.
   * @throws CraftError CRAFT_REPORT_LOST, and nothing of the session has been deleted then
   */
  finish(): Promise<Record<string, unknown> | undefined>;
  /** Leaves session and report to the user: no later run takes them away. Never throws. */
  keep(): Promise<void>;
  /** Removes the session and what the service keeps of it; call it once the report is safe. Never throws; says what failed. */
  discard(): Promise<string | undefined>;
}

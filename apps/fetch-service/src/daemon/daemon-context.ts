import type { Clock, Logger } from '@waybill/contracts';
import type { SecurityLog } from '../logs/security-log.js';
import type { Cleanup } from './cleanup.js';

/** What the daemon is run with, beside its options. */
export interface DaemonContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly logger: Logger;
  readonly security: SecurityLog;
  /** Filled with what must be undone; the caller runs it, also when starting fails. */
  readonly cleanup: Cleanup;
  /** Nobody used the daemon for its idle time. */
  readonly onIdle: () => void;
}

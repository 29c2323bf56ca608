import type { Clock, Logger } from '@waybill/contracts';
import type { SecurityLog } from '../logs/security-log.js';
import type { Cleanup } from './cleanup.js';
import type { Peers } from './peers.js';

/** What the daemon is run with, beside its options. */
export interface DaemonContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly logger: Logger;
  readonly security: SecurityLog;
  /** Filled with what must be undone; the caller runs it, also when starting fails. */
  readonly cleanup: Cleanup;
  /** Called for every use of the daemon. */
  readonly onActivity: () => void;
  /** The other processes of the daemon; undefined when it is alone. */
  readonly peers?: Peers | undefined;
}

import type { Clock, Logger, SessionPolicy, SessionSummary } from '@waybill/contracts';
import type { SecurityLog } from '../logs/security-log.js';
import type { ReportSource } from '../report/session-report.js';
import type { NewSession } from '../sessions/session-manager.js';
import type { ControlCredentials } from './credentials.js';
import type { SessionEvents } from './session-events.js';

/** The part of the session manager that the control API calls. */
export interface ControlledSessions {
  live(): readonly SessionSummary[];
  create(session: NewSession): Promise<{ readonly id: string; readonly token: string }>;
  revoke(id: string, token: string): Promise<SessionSummary>;
  report(id: string): Promise<ReportSource>;
  evidence(id: string): Promise<ReportSource>;
  end(id: string): Promise<void>;
  deleteResources(id: string): Promise<void>;
}

/** The part of the metrics that the control API feeds and shows. */
export interface ControlMetrics {
  request(route: string, method: string, status: number, seconds: number): void;
  text(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** What routes are given. */
export interface ControlContext {
  readonly sessions: ControlledSessions;
  readonly events: SessionEvents;
  /** undefined: anybody may (`--no-control-auth` on a loopback address). */
  readonly credentials: ControlCredentials | undefined;
  readonly spoolRoot: string;
  readonly startedAt: Date;
  /** Sessions created since then. */
  readonly createdCount: () => Promise<number>;
  /** Current root certificate. */
  readonly caPem: () => string;
  /** Throws when a session could not be served now. */
  readonly checkReady: () => Promise<void>;
  /** Whether the service is about to stop: clients are to come back on new connections, which somebody else may take. */
  readonly isRetiring: () => boolean;
  readonly metrics: ControlMetrics;
  /** Called for each request but probes and scrapes, which must not keep an idle daemon alive. */
  readonly onActivity: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly security: SecurityLog;
}

/** Any policy text but `permissive` is strict. specs/fetch-service.md §1 */
export function toPolicy(text: string): SessionPolicy {
  return text === 'permissive' ? 'permissive' : 'strict';
}

import type { ArtifactInspections, Claim, Delivery, RefusalPhase, Result, SessionPolicy } from '@waybill/contracts';
import type { LimitName } from './limits/limit-name.js';
import type { PhaseEnds } from './phases.js';

/** An exchange that is over, for metrics, events and access logs. Text is redacted. */
export interface ExchangeEvent {
  readonly sessionId: string;
  readonly policy: SessionPolicy;
  readonly startedAt: Date;
  readonly durationMs: number;
  readonly method: string;
  readonly url: string;
  readonly address: string;
  /** Sent to the client; 0 when the transfer was broken off. */
  readonly status: number;
  /** Body bytes received from the upstream. */
  readonly upstreamBytes: number;
  /** Body bytes handed to the client's socket. */
  readonly clientBytes: number;
  readonly result?: Result | undefined;
  readonly delivery: Delivery;
  /** Of the artifact, when there is one. */
  readonly sha256?: string | undefined;
  /** Empty for what was refused before; `release` is there when the client got what it was to get. */
  readonly phaseEnds: PhaseEnds;
  /** What inspectors said of the request and, when there was one, of the artifact. Not redacted. */
  readonly claims: readonly Claim[];
  readonly inspections?: ArtifactInspections | undefined;
  /** Why and where it ended early, or what strict would have refused. */
  readonly refusal?:
    | {
        readonly kind: 'refusal' | 'failure';
        readonly phase: RefusalPhase;
        readonly reason: string;
        readonly inspector: string | undefined;
        /** What ran out, when that is why. */
        readonly limit: LimitName | undefined;
        readonly delivered: boolean;
      }
    | undefined;
}

/** Proxy credentials that were not accepted. */
export interface AuthenticationFailureEvent {
  readonly address: string;
  /** Why; `missing` and `malformed` are found before anybody is asked. */
  readonly reason: string;
  /** As sent, bounded; undefined when unreadable. */
  readonly sessionId?: string | undefined;
}

/** Told about what happens. Called synchronously: must be quick and never throw. */
export interface ProxyObserver {
  exchangeFinished?(event: ExchangeEvent): void;
  authenticationFailed?(event: AuthenticationFailureEvent): void;
}

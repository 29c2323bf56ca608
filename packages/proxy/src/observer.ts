import type { Delivery, RefusalPhase, Result, SessionPolicy } from '@waybill/contracts';

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
  /** Why and where it ended early, or what strict would have refused. */
  readonly refusal?:
    | {
        readonly kind: 'refusal' | 'failure';
        readonly phase: RefusalPhase;
        readonly reason: string;
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

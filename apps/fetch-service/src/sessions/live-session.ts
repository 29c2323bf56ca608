import {
  type ActiveSession,
  type ExchangeLimits,
  type InspectorsConfig,
  limitsSchema,
  type SessionInspectors,
  type SessionRecord,
} from '@waybill/contracts';
import type { SessionSecrets } from './secrets.js';

/** A session that has not ended: its record, what the proxy needs of it, and the switch that stops its transfers. */
export class LiveSession {
  readonly active: ActiveSession;
  readonly #stop = new AbortController();
  #record: SessionRecord;
  #isOpen: boolean;

  constructor(
    record: SessionRecord,
    parts: { inspectors: SessionInspectors; config: InspectorsConfig; secrets: SessionSecrets; touch: () => void },
  ) {
    this.#record = record;
    this.#isOpen = record.state === 'open';
    if (!this.#isOpen) this.#stop.abort();
    this.active = {
      id: record.id,
      policy: record.policy,
      signal: this.#stop.signal,
      inspectors: parts.inspectors,
      limits: exchangeLimits(parts.config),
      credentialFor: (url) => parts.secrets.credentialFor(url),
      touch: parts.touch,
    };
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): SessionRecord {
    return this.#record;
  }

  /** Whether the proxy may serve it. False from the moment of {@link stop}, before the store knows. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Ends every transfer at once and lets no new one begin (promise 3). */
  stop(): void {
    this.#isOpen = false;
    this.#stop.abort();
  }

  /** Takes over what the store says after a change of state. */
  update(record: SessionRecord): void {
    this.#record = record;
  }
}

/** Limits in the proxy's spelling. */
export function exchangeLimits(config: InspectorsConfig): ExchangeLimits {
  const limits = config.limits ?? limitsSchema.parse({});
  return {
    inspectedRequestBytes: limits['inspected-request-bytes'],
    artifactBytes: limits['artifact-bytes'],
    inspectionTimeoutMs: limits['inspection-timeout-ms'],
    earlyHeadersAfterMs: limits['early-headers-after-ms'],
    hold: limits.hold,
    upstreamConnectTimeoutMs: limits['upstream-connect-timeout-ms'],
    upstreamIdleTimeoutMs: limits['upstream-idle-timeout-ms'],
  };
}

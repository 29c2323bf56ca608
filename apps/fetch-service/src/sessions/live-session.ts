import type { ActiveSession, SessionState, SessionSummary } from '@waybill/contracts';
import type { BoundConfiguration } from './bound-configurations.js';
import type { SessionSecrets } from './secrets.js';

/** What the proxy needs of a session beside its record. */
export interface SessionParts {
  readonly configuration: BoundConfiguration;
  readonly secrets: SessionSecrets;
  readonly touch: () => void;
}

const rank: Readonly<Record<SessionState, number>> = { open: 0, revoked: 1, expired: 2, ended: 2 };

/**
 * A session that has not ended: its record and the switch that stops its transfers. What exchanges need is made ready when the
 * first one asks: a process of several knows all sessions and may never serve most of them.
 */
export class LiveSession {
  readonly #stop = new AbortController();
  readonly #prepare: () => Promise<SessionParts>;
  #record: SessionSummary;
  #isOpen: boolean;
  #active: Promise<ActiveSession> | undefined;

  constructor(record: SessionSummary, prepare: () => Promise<SessionParts>) {
    this.#record = record;
    this.#prepare = prepare;
    this.#isOpen = record.state === 'open';
    if (!this.#isOpen) this.#stop.abort();
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): SessionSummary {
    return this.#record;
  }

  /** Whether the proxy may serve it. False from the moment of {@link stop}, before the store knows. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What the proxy is given. @throws errors of the store; the next call tries again */
  active(): Promise<ActiveSession> {
    this.#active ??= this.#activate();
    return this.#active;
  }

  /** Ends every transfer at once and lets no new one begin (promise 3). */
  stop(): void {
    this.#isOpen = false;
    this.#stop.abort();
  }

  /** Takes over what the store says after a change of state. What was read before a later change is left out. */
  update(record: SessionSummary): void {
    if (rank[record.state] < rank[this.#record.state]) return;
    this.#record = record;
    if (record.state !== 'open') this.stop();
  }

  async #activate(): Promise<ActiveSession> {
    try {
      const { configuration, secrets, touch } = await this.#prepare();
      const { inspectors, limits, requestPolicy } = configuration;
      return {
        id: this.id,
        policy: this.#record.policy,
        signal: this.#stop.signal,
        inspectors,
        limits,
        requestPolicy,
        credentialFor: (url) => secrets.credentialFor(url),
        touch,
      };
    } catch (cause) {
      this.#active = undefined;
      throw cause;
    }
  }
}

import {
  type ActiveSession,
  type ArtifactInspections,
  type Claim,
  type Delivery,
  type RequestView,
  type Result,
  redactUrl,
  type VouchedDigest,
} from '@waybill/contracts';
import type { Decision } from '@waybill/policy';
import type { UpstreamAnswer } from './answer.js';
import { ClientAnswer } from './client-answer.js';
import type { CompanionDownload } from './companion-download.js';
import type { Incoming } from './incoming.js';
import type { SessionUse } from './limits/session-use.js';
import type { Phase, PhaseEnds } from './phases.js';
import { clientStop, type Stop, type StopFacts } from './stop.js';

/**
 * One request and what becomes of it. Travels down the pipeline; every step adds what it found out, so that whatever ends the
 * exchange, and wherever, the record holds all that was known.
 */
export class Exchange {
  readonly incoming: Incoming;
  readonly client: ClientAnswer;
  readonly startedAt: Date;
  /** Monotonic, milliseconds. */
  readonly startedMs = performance.now();

  session: ActiveSession | undefined;
  /** What the session has used, where its use is bounded. */
  use: SessionUse | undefined;
  request: RequestView | undefined;
  claims: readonly Claim[] = [];
  admission: Decision | undefined;
  answer: UpstreamAnswer | undefined;
  /** What the session vouches for the body, once somebody has asked. */
  vouched: Promise<readonly VouchedDigest[]> | undefined;
  inspections: ArtifactInspections | undefined;
  delivery: Delivery = 'none';
  /** Of the body that was spooled, when one was. */
  body: { readonly sha256: string; readonly size: number } | undefined;
  /** The body is a credential, which is kept nowhere. */
  isSecret = false;
  result: Result | undefined;
  /** Why it ended early, or what strict would have refused. */
  refusal: (StopFacts & { readonly delivered: boolean }) | undefined;
  /** Takes the decision when to send status and fields away from the timer of `armEarlyHeaders`. */
  holdBackHeaders: () => void = () => {};
  /** Kept only when somebody wants to know. */
  readonly phaseEnds: PhaseEnds | undefined;
  /** Fetched for the inspectors; recorded together with the artifact that needed them. */
  readonly companions: CompanionDownload[] = [];
  /** Whether what it came to is recorded, companions included. */
  isRecorded = false;

  #stop: Stop | undefined;
  #redactedUrl: string | undefined;
  #controller: AbortController | undefined;
  readonly #onStop = new Set<(stop: Stop) => void>();
  readonly #onEnd: (() => void)[] = [];

  constructor(
    incoming: Incoming,
    options: { readonly startedAt: Date; readonly stallMs: number; readonly isTimed?: boolean },
  ) {
    this.incoming = incoming;
    this.startedAt = options.startedAt;
    this.phaseEnds = options.isTimed ? {} : undefined;
    const { request, response, connection } = incoming;
    this.client = new ClientAnswer(response, { stallMs: options.stallMs, connection });
    request.on('error', () => {});
    response.once('close', () => {
      if (!response.writableFinished) this.stop(clientStop(this.#departure()));
    });
  }

  /** The session, once the exchange is authenticated. */
  get activeSession(): ActiveSession {
    if (!this.session) throw new Error('the exchange is not authenticated yet');
    return this.session;
  }

  /** Notes that a phase is over. */
  reached(phase: Phase): void {
    if (this.phaseEnds) this.phaseEnds[phase] = performance.now() - this.startedMs;
  }

  /** The URL for records and logs. @param otherwise what to say before the request is described */
  redactedUrl(otherwise: () => string): string {
    if (!this.request) return redactUrl(otherwise());
    this.#redactedUrl ??= redactUrl(this.request.normalizedUrl);
    return this.#redactedUrl;
  }

  /** Aborted when the exchange is broken off. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#stop) this.#controller.abort(this.#stop);
    return this.#controller.signal;
  }

  /** Breaks the exchange off from outside: what waits is woken, what runs is aborted. The first reason stays. */
  stop(stop: Stop): void {
    if (this.#stop) return;
    this.#stop = stop;
    this.#controller?.abort(stop);
    for (const tell of [...this.#onStop]) tell(stop);
    this.#onStop.clear();
  }

  /** Breaks the exchange off at once: not even what is on its way to the client gets there. */
  cutOff(stop: Stop): void {
    this.stop(stop);
    this.client.break('reset');
  }

  /** Why the exchange was broken off. */
  get stopped(): Stop | undefined {
    return this.#stop;
  }

  /** @throws Stop when the exchange was broken off */
  check(): void {
    if (this.#stop) throw this.#stop;
  }

  /** Waits for something, but not beyond the end of the exchange. */
  async unlessStopped<Value>(work: Promise<Value>): Promise<Value> {
    this.check();
    return new Promise((resolve, reject) => {
      const forget = this.whenStopped(reject);
      work.then(
        (value) => {
          forget();
          resolve(value);
        },
        (error: unknown) => {
          forget();
          reject(error);
        },
      );
    });
  }

  /** Calls back when the exchange is broken off, at once when it already was; the result takes that back. */
  whenStopped(tell: (stop: Stop) => void): () => void {
    if (this.#stop) {
      tell(this.#stop);
      return () => {};
    }
    this.#onStop.add(tell);
    return () => this.#onStop.delete(tell);
  }

  /** Runs when the exchange is over, last registered first. */
  atEnd(action: () => void): void {
    this.#onEnd.push(action);
  }

  /** Releases everything that was held for the exchange. */
  finish(): void {
    for (const action of this.#onEnd.reverse()) action();
    this.#onEnd.length = 0;
  }

  #departure(): string {
    if (!this.client.isStarted) return 'the client closed the connection before it got an answer';
    return `the client closed the connection after ${this.client.bytes} bytes of the answer`;
  }
}

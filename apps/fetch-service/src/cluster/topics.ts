import type { Started } from '../daemon/start-text.js';
import type { Fault } from './channel.js';

/** What primary and workers talk about. */
export const topics = {
  /** Worker asks for its {@link Assignment}. */
  hello: 'hello',
  /** Worker tells its {@link StartOutcome}. */
  started: 'started',
  /** Primary tells a {@link StopRequest}. */
  stop: 'stop',
  /** Worker asks the primary to ask the others a {@link Relayed} question. */
  askOthers: 'ask-others',
  /** Worker tells the primary to tell the others something {@link Relayed}. */
  tellOthers: 'tell-others',
  /** Worker tells that the service is being used. */
  touched: 'touched',
  /** Worker tells that it created a session. */
  sessionCreated: 'session-created',
  /** Worker asks how many sessions all of them created. */
  createdCount: 'created-count',
  /** Primary asks for an operation of the control socket to be carried out; the answer is an {@link OperationAnswer}. */
  operate: 'operate',
  /** Primary asks for the next piece of a long answer. */
  nextPiece: 'next-piece',
  /** Primary asks whether there are sessions that are not over. */
  hasSessions: 'has-sessions',
  /** Primary tells to open log files anew. */
  reopenLogs: 'reopen-logs',
  /** Asked of all: read the root certificate again. */
  reloadCertificate: 'reload-certificate',
  /** Asked of all: read the configuration of this type again. */
  reloadConfiguration: 'reload-configuration',
  /** Asked of all: stop and settle a session. */
  stopSession: 'stop-session',
  /** Told to all: a session to read anew. */
  sessionChanged: 'session-changed',
  /** Asked of all: numbers for `/metrics`. */
  metrics: 'metrics',
} as const;

/** What a worker is to be. */
export interface Assignment {
  /** Its number among the processes of the daemon. */
  readonly slot: number;
  /** When the daemon was started, milliseconds. */
  readonly startedAt: number;
  /** Where to listen, found out once for all. */
  readonly controlHost: string;
  readonly proxyHost: string;
  /** Base64; keys that seal secrets as long as the daemon runs. Absent when the operator gives keys. */
  readonly ephemeralKey?: string | undefined;
}

/** What a worker that is ready says. */
export type WorkerFacts = Omit<Started, 'runtimeFile' | 'socketPath'>;

export type StartOutcome = { readonly facts: WorkerFacts } | { readonly fault: Fault };

/** How a process stops. Milliseconds. */
export interface StopRequest {
  /** How long it still takes connections, while it says that it is not ready. */
  readonly listenMs: number;
  /** How long connections without request are kept after that. */
  readonly idleMs: number;
  /** How long exchanges may go on after it stopped listening. */
  readonly graceMs: number;
}

/** A text, or the number under which its pieces are to be had. */
export type OperationAnswer = { readonly text: string } | { readonly pieces: number };

/** What a worker has others asked or told. */
export interface Relayed {
  readonly topic: string;
  readonly body?: unknown;
}

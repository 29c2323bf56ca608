import type { SessionReport } from '@waybill/contracts';

/**
 * What the clients of a daemon saw, told by one process: moments are counted and not timed, and what happened first has the
 * smaller number. Nothing here knows what the daemon believes.
 */
export type Moment = number;

/** Something that took a while: the answer came at some time between the two. */
export interface Span {
  readonly begun: Moment;
  readonly ended: Moment;
}

/** Both ends inclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** One request of a client through the proxy. */
export interface FetchAttempt extends Span {
  /** Sent as `User-Agent`, so that the record of this very exchange can be found. */
  readonly id: string;
  readonly session: string;
  readonly method: 'GET' | 'HEAD';
  /** As reports spell it. */
  readonly url: string;
  readonly range?: Range | undefined;
  /**
   * `answered`: a status and the whole of its body. `broken`: sent, and the connection ended before that. `unauthorized`: 407.
   * `unsent`: no connection, no tunnel or no handshake; the proxy never saw the request.
   */
  readonly outcome: 'answered' | 'broken' | 'unauthorized' | 'unsent';
  readonly status?: number | undefined;
  /** Of the bytes that came, whole or not. */
  readonly size: number;
  readonly sha256: string;
  /** Went through another replica than the calls, which may not have heard of the last one yet. */
  readonly mayLag?: boolean | undefined;
  /** Nothing was broken when it was made: anything but 200 is wrong. */
  readonly mustSucceed?: boolean | undefined;
  /** Why it failed, for people. */
  readonly note?: string | undefined;
}

export type ControlAction = 'revoke' | 'end' | 'delete' | 'report';

/** One call of the control API. */
export interface ControlCall extends Span {
  readonly action: ControlAction;
  /** undefined: no answer came, so it happened or it did not. */
  readonly status: number | undefined;
  readonly note?: string | undefined;
}

/** A report, or the list of artifacts that the control socket gives of a session that is still open. */
export interface Reading extends Span {
  readonly kind: 'report' | 'artifacts';
  /** sha256 of the answer's text. */
  readonly digest: string;
  readonly report: Pick<SessionReport, 'artifacts'> & Partial<SessionReport>;
}

/** What a follower of a session's events was told. */
export interface SeenEvent {
  readonly at: Moment;
  readonly event: string;
  readonly url: string;
  readonly sha256?: string | undefined;
  /** RFC 3339. */
  readonly time: string;
}

/** Files that ending a session left in its directory: name → sha256. */
export interface ExportedFiles {
  readonly at: Moment;
  readonly files: ReadonlyMap<string, string>;
}

/** All of one session. */
export interface SessionHistory {
  readonly id: string;
  readonly policy: 'strict' | 'permissive';
  /** When the answer to its creation came. */
  readonly created: Moment;
  /** It was given a time-out that is shorter than the run. */
  readonly mayExpire: boolean;
  readonly attempts: readonly FetchAttempt[];
  readonly calls: readonly ControlCall[];
  readonly readings: readonly Reading[];
  readonly events: readonly SeenEvent[];
  readonly exports: readonly ExportedFiles[];
}

/** While a store was out of order: refusals may miss in the report, and a commit may have happened although it was not confirmed. */
export type StorageFault = Span;

/** A rule that did not hold. */
export interface Violation {
  readonly rule: string;
  readonly text: string;
}

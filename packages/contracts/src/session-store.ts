import type { ArtifactOpinion, CatalogRef, RequestOpinion, Result, SessionPolicy, VouchLink } from './inspection.js';
import type { JsonObject } from './json.js';
import type { ArtifactMetadata, Delivery, RefusalPhase } from './report.js';

/** `open` → `revoked` → `ended`; or `expired` from open or revoked. Records stay until resources are deleted. */
export type SessionState = 'open' | 'revoked' | 'expired' | 'ended';

/** A session as stored. */
export interface SessionRecord {
  /** 32 lower-case hex characters. */
  readonly id: string;
  /** Lower-case hex sha256 of the token. */
  readonly tokenDigest: string;
  readonly policy: SessionPolicy;
  readonly state: SessionState;
  readonly createdAt: Date;
  /** Absolute end of life. */
  readonly expiresAt: Date;
  /** Moment of revocation, expiry or end, whichever came first; the report's `end-time`. */
  readonly endedAt?: Date | undefined;
  /** Inspector configuration snapshot (JSON of `InspectorsConfig`). */
  readonly configuration: JsonObject;
  /** URL globs of the session's secrets, without credentials: after a restart such requests are refused. */
  readonly secretPatterns: readonly string[];
  /** The session's secrets, encrypted by the app with a key that the store never sees; base64url. */
  readonly sealedSecrets?: string | undefined;
}

/** A session without what is large or secret. */
export type SessionSummary = Omit<SessionRecord, 'configuration' | 'sealedSecrets'>;

/** Inspections as recorded: opinions and words, without `expected`. */
export type RecordedInspections = Readonly<
  Record<
    string,
    {
      readonly opinion: RequestOpinion | ArtifactOpinion;
      readonly reason: string;
      readonly annotations?: JsonObject | undefined;
    }
  >
>;

/** What every record of an exchange says about the request. Credentials are already redacted. */
export interface ExchangeRequestRecord {
  readonly startedAt: Date;
  readonly method: string;
  /** Normalised and redacted URL. */
  readonly url: string;
  /** Client `ip:port`. */
  readonly address: string;
  readonly userAgent: string;
  readonly requestHeader: Readonly<Record<string, readonly string[]>>;
  readonly requestInspection: RecordedInspections;
}

/** What every record of an answered exchange says about the response. */
export interface ExchangeResponseRecord {
  readonly endedAt: Date;
  readonly statusCode: number;
  /** `200 OK`. */
  readonly status: string;
  readonly contentType: string;
  readonly responseHeader: Readonly<Record<string, readonly string[]>>;
  readonly responseTrailer?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** A transfer of an artifact. */
export interface DownloadRecord extends ExchangeRequestRecord, ExchangeResponseRecord {
  readonly kind: 'download';
  readonly sessionId: string;
  readonly metadata: ArtifactMetadata;
  readonly responseInspection: RecordedInspections;
  readonly result: Result;
  readonly delivery: Delivery;
  readonly vouchedBy: readonly VouchLink[];
  /** Catalogs to trust from now on; empty unless `result` is Approved. */
  readonly provides: readonly CatalogRef[];
  /** Why it was refused, when it was; a refusal record is written with it. */
  readonly refusal?: RefusalRecord | undefined;
}

/** An answer without an artifact. */
export interface ResponseRecord extends ExchangeRequestRecord, ExchangeResponseRecord {
  readonly kind: 'response';
  readonly sessionId: string;
  readonly note: string;
  readonly result?: Result | undefined;
  readonly delivery: Delivery;
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
}

/** A request or artifact that was not let through, or failed. */
export interface RefusalRecord extends ExchangeRequestRecord {
  readonly kind: 'refusal' | 'failure';
  readonly sessionId: string;
  readonly phase: RefusalPhase;
  readonly at: Date;
  readonly statusCode: number;
  readonly reason: string;
  readonly hint?: string | undefined;
  readonly inspector?: string | undefined;
  readonly delivered: boolean;
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
  readonly responseInspection: RecordedInspections;
}

/** Anything the pipeline records. */
export type ExchangeRecord = DownloadRecord | ResponseRecord | RefusalRecord;

/** A stored artifact with its downloads, oldest first. */
export interface StoredArtifact {
  /** Metadata of the deciding download: the latest Approved one, else the latest. */
  readonly metadata: ArtifactMetadata;
  readonly requestInspection: RecordedInspections;
  readonly responseInspection: RecordedInspections;
  /** Approved when at least one download was approved and no rejected one was delivered. */
  readonly result: Result;
  readonly vouchedBy: readonly VouchLink[];
  readonly downloads: readonly DownloadRecord[];
}

/** Filter and state change results. */
export interface SessionCounts {
  readonly artifacts: number;
  readonly downloads: number;
  readonly refusals: number;
  /** Sum of artifact sizes in bytes. */
  readonly bytes: number;
}

/** How much is kept over all sessions. */
export interface StoreUsage {
  /** Sessions in each state. */
  readonly sessions: Readonly<Record<SessionState, number>>;
  /**
   * What records and indexes take, in bytes. SQLite: pages in use, so deleting sessions lowers it at once (the file keeps its
   * size, its free pages are used again). PostgreSQL: the size of the tables, which falls or stops growing after its vacuum.
   */
  readonly databaseBytes: number;
}

/** What {@link SessionStore.transition} did. */
export interface SessionTransition {
  /** The session as it is now. */
  readonly session: SessionSummary;
  /** Whether this call changed the state: of any number of racing calls, in any process, one sees true. */
  readonly isMoved: boolean;
}

/** How far {@link SessionStore.recordsSince} has read; to be handed back as it is. */
export interface RecordPosition {
  /** All up to this one were read. */
  readonly settled: number;
  /** Others that were read, with the millisecond in which they were: earlier ones may still become visible. */
  readonly recent: ReadonlyMap<number, number>;
}

/** What {@link SessionStore.recordsSince} found. */
export interface NewRecords {
  readonly records: readonly ExchangeRecord[];
  readonly position: RecordPosition;
}

/** What {@link SessionStore.watch} tells: a session to read anew, or that changes may have been missed. */
export type SessionChange = { readonly kind: 'session'; readonly id: string } | { readonly kind: 'resync' };

/**
 * Sessions and their evidence. Every method that changes something resolves only when the change is durable.
 *
 * Errors are `WaybillError`s with codes `STORE_UNAVAILABLE`, `STORE_FULL`, `STORE_SCHEMA_TOO_NEW`, `STORE_MIGRATION_FAILED`,
 * `STORE_SESSION_EXISTS`, `STORE_SESSION_UNKNOWN`, `STORE_SESSION_OVER`, `STORE_CLOSED`, `STORE_FAILED`.
 */
export interface SessionStore {
  createSession(session: SessionRecord): Promise<void>;
  /**
   * undefined when unknown or its resources were deleted. Sessions with equal configurations have the same object as theirs, as
   * long as somebody holds it: what is made of a configuration can be kept by it.
   */
  getSession(id: string): Promise<SessionRecord | undefined>;
  /**
   * Sessions in the given states, oldest first.
   * @param options.endedBefore only those whose `endedAt` is earlier, for garbage collection
   */
  listSessions(
    states: readonly SessionState[],
    options?: { readonly endedBefore?: Date | undefined },
  ): Promise<SessionSummary[]>;
  /**
   * Moves a session to a later state and returns it; a move backwards or sideways changes nothing except that revoking a
   * revoked session moves `endedAt` (specs §2.3), which is no move. Unknown id: undefined.
   */
  transition(id: string, to: Exclude<SessionState, 'open'>, at: Date): Promise<SessionTransition | undefined>;
  /**
   * Calls `listener` within a second of each time that another handle (of this or another process, on this or another
   * machine) created, moved or deleted a session, once the change can be read. Changes of this handle are not told. After
   * an outage, or when this process was too slow to read on, it is called with `resync`: read all sessions anew.
   * One change may be told twice, several of one session as one. The listener must not throw.
   * @returns how to stop watching; closing the store stops it too
   */
  watch(listener: (change: SessionChange) => void): Promise<() => Promise<void>>;
  /**
   * Removes a session and all its records; absent is fine. It is gone for readers and writers at once; its records go in
   * small steps that let others in between. What a process that was killed left over goes with the next opening.
   */
  deleteSession(id: string): Promise<void>;
  /**
   * Appends records of finished exchanges, any sessions, in one transaction. All or nothing.
   *
   * Downloads and other answers are taken of open sessions only, and a move waits for what is being recorded: whoever reads the
   * answers of a session after it was moved, by any process, reads all that there will ever be. Refusals and failures (that
   * transfers were broken off, say) are taken as long as the session exists.
   * @throws STORE_SESSION_OVER, STORE_SESSION_UNKNOWN
   */
  record(records: readonly ExchangeRecord[]): Promise<void>;
  /**
   * What any process has recorded of a session since `position`, nearly in the order of recording, some hundred at a time.
   * Without a position nothing: it says where to go on from. Each record comes once.
   */
  recordsSince(sessionId: string, position?: RecordPosition): Promise<NewRecords>;
  /** Catalogs that a session trusts under a scope, oldest first. */
  catalogs(sessionId: string, scope: string): Promise<CatalogRef[]>;
  /** Artifacts sorted by sha256, in bounded memory. */
  artifacts(sessionId: string): AsyncIterable<StoredArtifact>;
  /** One artifact. */
  artifact(sessionId: string, sha256: string): Promise<StoredArtifact | undefined>;
  /** Refusals and failures sorted by time, then URL. */
  refusals(sessionId: string): AsyncIterable<RefusalRecord>;
  /** Answers without artifact sorted by time, then URL. */
  responses(sessionId: string): AsyncIterable<ResponseRecord>;
  /**
   * Names of all blobs that a session refers to: artifacts, bodies of answers and refusals, indexes. Without what was recorded,
   * so far cheaper than the lists above; in bounded memory. One may come more than once.
   */
  digests(sessionId: string): AsyncIterable<string>;
  counts(sessionId: string): Promise<SessionCounts>;
  /** Cheap, whatever the number of records: for quotas and gauges. */
  usage(): Promise<StoreUsage>;
  /** Which of these blobs some kept session still refers to. */
  referenced(sha256s: readonly string[]): Promise<ReadonlySet<string>>;
  /** Throws when the store cannot be read and written now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

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
}

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

/**
 * Sessions and their evidence. Every method that changes something resolves only when the change is durable.
 *
 * Errors are `WaybillError`s with codes `STORE_UNAVAILABLE`, `STORE_FULL`, `STORE_SCHEMA_TOO_NEW`, `STORE_MIGRATION_FAILED`,
 * `STORE_SESSION_EXISTS`, `STORE_SESSION_UNKNOWN`, `STORE_CLOSED`, `STORE_FAILED`.
 */
export interface SessionStore {
  createSession(session: SessionRecord): Promise<void>;
  /** undefined when unknown or its resources were deleted. */
  getSession(id: string): Promise<SessionRecord | undefined>;
  /** Sessions in the given states, oldest first. */
  listSessions(states: readonly SessionState[]): Promise<SessionRecord[]>;
  /**
   * Moves a session to a later state and returns it; a move backwards or sideways changes nothing except that revoking a
   * revoked session moves `endedAt` (specs §2.3). Unknown id: undefined.
   */
  transition(id: string, to: Exclude<SessionState, 'open'>, at: Date): Promise<SessionRecord | undefined>;
  /** Removes a session and all its records; absent is fine. */
  deleteSession(id: string): Promise<void>;
  /** Appends records of finished exchanges, any sessions, in one transaction. All or nothing. */
  record(records: readonly ExchangeRecord[]): Promise<void>;
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
  counts(sessionId: string): Promise<SessionCounts>;
  /** Which of these blobs some kept session still refers to. */
  referenced(sha256s: readonly string[]): Promise<ReadonlySet<string>>;
  /** Throws when the store cannot be read and written now. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

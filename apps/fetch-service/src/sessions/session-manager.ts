import type {
  ActiveSession,
  AuthenticationFailure,
  Clock,
  InspectorsConfig,
  Logger,
  SessionAuthority,
  SessionInspectors,
  SessionPolicy,
  SessionRecord,
  SessionStore,
  SessionSummary,
} from '@waybill/contracts';
import { FetchServiceError, messageOf, unknownSession } from '../errors.js';
import type { SecurityLog } from '../logs/security-log.js';
import type { ReportSource } from '../report/session-report.js';
import { type BoundConfigurations, createBoundConfigurations } from './bound-configurations.js';
import { KeyedQueue } from './keyed-queue.js';
import type { LiveSession } from './live-session.js';
import type { SecretSeal } from './secret-seal.js';
import { knownSecrets, parseSecrets } from './secrets.js';
import { bodiesOf } from './session-bodies.js';
import { SessionDirectory } from './session-directory.js';
import { createSessionPreparation, type SessionPreparation } from './session-preparation.js';
import { SessionTimers } from './session-timers.js';
import type { Spool } from './spool.js';
import {
  createSessionId,
  createToken,
  digestToken,
  isSessionId,
  isToken,
  type Randomness,
  systemRandomness,
} from './token.js';

/** What the manager joins. */
export interface SessionManagerOptions {
  readonly store: SessionStore;
  readonly spool: Spool;
  readonly inspectors: { bind(config: InspectorsConfig): SessionInspectors };
  readonly configuration: { forSession(sections?: unknown): Promise<InspectorsConfig> };
  /** Whether permissive sessions may be created (`--permissive-mode`). */
  readonly isPermissiveAllowed: boolean;
  /** Whether other processes or replicas work on the same store. */
  readonly isShared?: boolean | undefined;
  /** Keeps secrets with their sessions; without one they live and die with this process. */
  readonly seal?: SecretSeal | undefined;
  /** Drops bodies that no kept session refers to any more. */
  readonly discardBlobs: (sha256s: readonly string[]) => Promise<void>;
  /** Resolves when the session's exchanges have recorded how they ended; bounded. */
  readonly settle?: ((sessionId: string) => Promise<void>) | undefined;
  /** Stops and settles a session in the other processes of this daemon; bounded. */
  readonly stopElsewhere?: ((sessionId: string) => Promise<void>) | undefined;
  /** Called for each request of a session and each change of state. */
  readonly onActivity?: (() => void) | undefined;
  readonly onCreated?: ((session: SessionSummary) => void) | undefined;
  /** This process moved a session to another state. */
  readonly onOver?: ((how: 'revoked' | 'expired' | 'ended', sessionId: string) => void) | undefined;
  /** A session takes no more downloads, whoever stopped it. May be called again. */
  readonly onStopped?: ((sessionId: string) => void) | undefined;
  readonly clock: Clock;
  readonly random?: Randomness | undefined;
  readonly logger: Logger;
  readonly security: SecurityLog;
}

/** A session to create. */
export interface NewSession {
  readonly policy: SessionPolicy;
  /** Absolute life in seconds; 0 = default. */
  readonly timeoutSeconds: number;
  readonly secrets?: readonly unknown[] | null | undefined;
  /** Sections that replace the service's. */
  readonly sections?: unknown;
  /** Wished for; taken unless it is in use. */
  readonly id?: string | undefined;
  readonly token?: string | undefined;
}

export const defaultTimeoutSeconds = 6 * 60 * 60;
/** Ten years; also what keeps `now + timeout` a date. */
const maxTimeoutSeconds = 10 * 365 * 24 * 60 * 60;
const noToken = digestToken('');

/**
 * The sessions as one process sees them: who may use the proxy, until when, and what becomes of their evidence. State lies in
 * the store, where moves are atomic and tell who made them; what is only here are abort signals, timers, bound inspectors and
 * opened secrets.
 */
export class SessionManager implements SessionAuthority {
  readonly #options: SessionManagerOptions;
  readonly #random: Randomness;
  readonly #configurations: BoundConfigurations;
  readonly #preparation: SessionPreparation;
  readonly #directory: SessionDirectory;
  readonly #timers: SessionTimers;
  readonly #queue = new KeyedQueue();
  #created = 0;

  /** Use {@link loadSessionManager}, which takes over the sessions that the store holds. */
  constructor(options: SessionManagerOptions) {
    const { store, inspectors, clock, logger, isShared = false } = options;
    this.#options = options;
    this.#random = options.random ?? systemRandomness;
    this.#configurations = createBoundConfigurations(inspectors, logger);
    this.#preparation = createSessionPreparation({
      configurations: this.#configurations,
      seal: options.seal,
      touch: () => options.onActivity?.(),
      logger,
    });
    const now = () => clock.now().getTime();
    this.#timers = new SessionTimers(now);
    this.#directory = new SessionDirectory({
      store,
      isShared,
      now,
      prepare: (record) => this.#preparation.ofStored(record),
      onAdded: (session) => this.#timers.arm(session.id, session.record.expiresAt, () => this.#onDue(session)),
      onRemoved: (id) => this.#timers.clear(id),
      onDeleted: (id) => this.#removeFiles(id),
      onStopped: (id) => options.onStopped?.(id),
      onFault: (cause) => logger.warn({ error: messageOf(cause) }, 'a session could not be read; tried again'),
    });
  }

  /** Sessions created by this process since it started. */
  get createdCount(): number {
    return this.#created;
  }

  /** Sessions that are open or revoked but not ended. */
  live(): readonly SessionSummary[] {
    return this.#directory.all().map(({ record }) => record);
  }

  /** Takes over sessions that are open or revoked; those whose time ran out meanwhile expire. */
  async load(): Promise<void> {
    await this.#directory.open();
    // Not for the first session to wait for, but before it as a rule.
    setImmediate(() => void this.#warm());
  }

  async authenticate(id: string, token: string): Promise<ActiveSession | AuthenticationFailure> {
    const session = await this.#directory.find(id);
    if (!session) return this.#failureOf(id, token);
    if (!isToken(token, session.record.tokenDigest)) return 'wrong-token';
    if (session.isOpen) return this.#activate(session);
    this.#reused(id, 'revoked');
    return 'revoked';
  }

  /** @throws FetchServiceError FETCH_POLICY_INVALID, FETCH_SECRET_INVALID, FETCH_REQUEST_INVALID */
  async create(wanted: NewSession): Promise<{ readonly id: string; readonly token: string }> {
    const { store, configuration, seal, clock, logger, security } = this.#options;
    if (wanted.policy === 'permissive' && !this.#options.isPermissiveAllowed) {
      throw new FetchServiceError('FETCH_POLICY_INVALID', 'Invalid session policy');
    }
    const secrets = parseSecrets(wanted.secrets);
    const known = knownSecrets(secrets);
    // Inspectors that cannot be bound must fail the request, not the first download.
    const bound = this.#configurations.bind(await configuration.forSession(wanted.sections));
    const seconds = Math.min(wanted.timeoutSeconds || defaultTimeoutSeconds, maxTimeoutSeconds);
    const token = wanted.token ?? createToken(this.#random);
    const id = await this.#freeId(wanted.id);
    const createdAt = clock.now();
    const record: SessionRecord = {
      id,
      tokenDigest: digestToken(token),
      policy: wanted.policy,
      state: 'open',
      createdAt,
      expiresAt: new Date(createdAt.getTime() + seconds * 1000),
      configuration: bound.json,
      secretPatterns: known.patterns,
      sealedSecrets: seal?.seal(id, secrets),
    };
    await store.createSession(record);
    this.#directory.add(record, this.#preparation.of(bound, known));
    this.#created++;
    this.#options.onCreated?.(record);
    this.#options.onActivity?.();
    logger.info({ session: id, timeoutSeconds: seconds, secrets: secrets.length }, `create ${record.policy} session`);
    security.event('INFO', `authn_token_created:${id}`, 'a session was created', sessionToken);
    return { id, token };
  }

  /** Stops the session's transfers and lets nobody in any more. @throws FetchServiceError FETCH_SESSION_UNKNOWN, FETCH_TOKEN_WRONG */
  async revoke(id: string, token: string): Promise<SessionSummary> {
    const session = await this.#directory.find(id);
    if (!isToken(token, session?.record.tokenDigest ?? noToken) || !session) {
      throw session ? new FetchServiceError('FETCH_TOKEN_WRONG', 'invalid session token') : unknownSession();
    }
    return this.#queue.run(id, () => this.#revokeLive(session));
  }

  /** The report of a session that takes no more downloads. @throws FetchServiceError FETCH_SESSION_UNKNOWN, FETCH_SESSION_OPEN */
  async report(id: string): Promise<ReportSource> {
    const source = await this.evidence(id);
    if (source.session.state === 'ended') throw unknownSession();
    if (source.session.state === 'open') throw new FetchServiceError('FETCH_SESSION_OPEN', 'session token is active');
    return source;
  }

  /** What is recorded of a session in any state. @throws FetchServiceError FETCH_SESSION_UNKNOWN */
  async evidence(id: string): Promise<ReportSource> {
    return this.#sourceOf(await this.#stored(id));
  }

  /** Writes the spool files and ends the session; revoking first is not required. @throws FetchServiceError FETCH_SESSION_UNKNOWN, FETCH_SPOOL_WRITE_FAILED */
  async end(id: string): Promise<void> {
    await this.#queue.run(id, async () => {
      const record = await this.#stored(id);
      if (record.state === 'ended') throw unknownSession();
      // An expired session keeps its state, and its report, until its resources are deleted.
      if (record.state === 'expired') return this.#options.spool.write(this.#sourceOf(record));
      const live = await this.#directory.find(id);
      if (record.state === 'open' && live) await this.#revokeLive(live);
      await this.#finish(await this.#stored(id));
    });
  }

  /**
   * Removes files, records and unshared bodies of a session that is over; absent is fine.
   * @param options.keepsReports leaves the report files in the spool
   * @throws FetchServiceError FETCH_SESSION_LIVE
   */
  async deleteResources(id: string, { keepsReports = false } = {}): Promise<void> {
    if (!isSessionId(id)) return;
    await this.#queue.run(id, async () => {
      const { store, spool, logger, security } = this.#options;
      const record = await store.getSession(id);
      if (record?.state === 'open' || record?.state === 'revoked') {
        throw new FetchServiceError('FETCH_SESSION_LIVE', 'session is not finished');
      }
      const bodies = record ? await bodiesOf(store, id) : [];
      // The record goes last: without it nobody would come back for files that a crash left.
      await (keepsReports ? spool.removeBodies(id) : spool.remove(id));
      await store.deleteSession(id);
      await this.#options.discardBlobs(bodies);
      logger.info({ session: id, bodies: bodies.length }, 'resources deleted');
      if (record) {
        const text = 'a session and its resources were deleted';
        security.event('INFO', `authn_token_delete:${id}`, text, sessionToken);
      }
    });
  }

  /** Ends a session's transfers in this process because another one revokes it; resolves when they are recorded. */
  async stop(id: string): Promise<void> {
    this.#directory.get(id)?.stop();
    this.#options.onStopped?.(id);
    await this.#options.settle?.(id);
  }

  /** Reads a session anew: another process says that it changed. */
  refresh(id: string): Promise<void> {
    return this.#directory.refresh(id);
  }

  /** Stops timers; sessions stay as they are for the next process. */
  async close(): Promise<void> {
    this.#timers.clearAll();
    await this.#directory.close();
    await this.#queue.idle();
  }

  async #revokeLive(session: LiveSession): Promise<SessionSummary> {
    const { store, clock, logger, security, stopElsewhere } = this.#options;
    const { id } = session;
    session.stop();
    await Promise.all([this.stop(id), stopElsewhere?.(id)]);
    const moved = await store.transition(id, 'revoked', clock.now());
    if (moved?.session.state !== 'revoked') {
      await this.#directory.refresh(id);
      throw unknownSession();
    }
    session.update(moved.session);
    this.#options.onActivity?.();
    if (moved.isMoved) {
      this.#options.onOver?.('revoked', id);
      logger.info({ session: id }, 'session token revoked');
    }
    security.event('INFO', `authn_token_revoked:${id}`, 'a session token was revoked', sessionToken);
    return moved.session;
  }

  /** Writes the evidence first: a session whose files cannot be written stays and can be ended again. */
  async #finish(record: SessionRecord): Promise<void> {
    const { store, spool, clock } = this.#options;
    if (record.state === 'ended' || record.state === 'expired') return;
    const at = clock.now();
    await spool.write(this.#sourceOf({ ...record, state: 'ended', endedAt: record.endedAt ?? at }));
    const moved = await store.transition(record.id, 'ended', at);
    this.#over(record, 'ended', moved?.isMoved ?? false);
  }

  /** The clock does not wait for a full disk: the session is over first, and its evidence is in the store in any case. */
  async #expire(session: LiveSession): Promise<void> {
    const { store, spool, logger, settle } = this.#options;
    const { id } = session;
    await settle?.(id);
    if (this.#directory.get(id) !== session) return;
    const moved = await store.transition(id, 'expired', session.record.expiresAt);
    this.#over(session.record, 'expired', moved?.isMoved ?? false);
    if (!moved?.isMoved) return;
    try {
      await spool.write(this.#sourceOf(await this.#stored(id)));
    } catch (cause) {
      logger.error({ session: id, error: messageOf(cause) }, 'files of an expired session were not written');
    }
  }

  /** @param isOurs of all processes that noticed, this one moved the session */
  #over(record: SessionSummary, state: 'ended' | 'expired', isOurs: boolean): void {
    this.#directory.remove(record, state);
    this.#options.onActivity?.();
    if (!isOurs) return;
    this.#options.onOver?.(state, record.id);
    this.#options.logger.info({ session: record.id, state }, 'discarding session');
  }

  #onDue(session: LiveSession): void {
    // Stopped before anything is waited for: the time is over now.
    session.stop();
    this.#options.onStopped?.(session.id);
    this.#queue
      .run(session.id, () => this.#expire(session))
      .catch((cause: unknown) => {
        const fields = { session: session.id, error: messageOf(cause) };
        this.#options.logger.error(fields, 'an expired session was not recorded as such');
      });
  }

  async #warm(): Promise<void> {
    try {
      this.#configurations.bind(await this.#options.configuration.forSession());
    } catch {
      // The first session is told.
    }
  }

  async #activate(session: LiveSession): Promise<ActiveSession | AuthenticationFailure> {
    try {
      return await session.active();
    } catch (cause) {
      if (cause instanceof FetchServiceError && cause.code === 'FETCH_SESSION_UNKNOWN') return 'ended';
      throw cause;
    }
  }

  #removeFiles(id: string): void {
    this.#options.spool.remove(id).catch((cause: unknown) => {
      this.#options.logger.warn({ session: id, error: messageOf(cause) }, 'files of a deleted session are left');
    });
  }

  #failureOf(id: string, token: string): AuthenticationFailure {
    const former = this.#directory.former(id);
    const isRight = isToken(token, former?.tokenDigest ?? noToken);
    if (!former) return 'unknown';
    if (!isRight) return 'wrong-token';
    this.#reused(id, former.failure);
    return former.failure;
  }

  #reused(id: string, failure: AuthenticationFailure): void {
    const text = `the token of a session that is ${failure} was used`;
    this.#options.security.event('CRITICAL', `authn_token_reuse:${id}`, text, { ...sessionToken, reason: failure });
  }

  async #freeId(wanted: string | undefined): Promise<string> {
    if (wanted !== undefined && !(await this.#options.store.getSession(wanted))) return wanted;
    return createSessionId(this.#random);
  }

  /** @throws FetchServiceError FETCH_SESSION_UNKNOWN */
  async #stored(id: string): Promise<SessionRecord> {
    const record = isSessionId(id) ? await this.#options.store.getSession(id) : undefined;
    if (!record) throw unknownSession();
    return record;
  }

  #sourceOf(session: SessionRecord): ReportSource {
    const { store, spool, clock } = this.#options;
    const { inspectors } = this.#configurations.bindStored(session);
    const spoolPath = spool.pathOf(session.id);
    return { session, store, inspectorIds: inspectors.ids, spoolPath, now: clock.now() };
  }
}

/** A manager with the sessions that the store holds. */
export async function loadSessionManager(options: SessionManagerOptions): Promise<SessionManager> {
  const manager = new SessionManager(options);
  await manager.load();
  return manager;
}

const sessionToken = { token_type: 'FETCH_SERVICE_SESSION' } as const;

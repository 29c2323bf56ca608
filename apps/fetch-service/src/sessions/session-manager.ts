import type {
  ActiveSession,
  AuthenticationFailure,
  Clock,
  InspectorsConfig,
  JsonObject,
  Logger,
  SessionAuthority,
  SessionInspectors,
  SessionPolicy,
  SessionRecord,
  SessionStore,
} from '@waybill/contracts';
import { FetchServiceError, messageOf } from '../errors.js';
import type { SecurityLog } from '../logs/security-log.js';
import type { ReportSource } from '../report/session-report.js';
import { FormerSessions } from './former-sessions.js';
import { KeyedQueue } from './keyed-queue.js';
import { LiveSession } from './live-session.js';
import { knownSecrets, lostSecrets, parseSecrets, type SessionSecrets } from './secrets.js';
import { SessionTimers } from './session-timers.js';
import type { Spool } from './spool.js';
import { bindStored } from './stored-inspectors.js';
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
  /** Drops bodies that no kept session refers to any more. */
  readonly discardBlobs: (sha256s: readonly string[]) => Promise<void>;
  /** Resolves when the session's exchanges have recorded how they ended; bounded. */
  readonly settle?: ((sessionId: string) => Promise<void>) | undefined;
  /** Called for each request of a session and each change of state. */
  readonly onActivity?: (() => void) | undefined;
  readonly onCreated?: ((policy: SessionPolicy) => void) | undefined;
  readonly onOver?: ((how: 'revoked' | 'expired' | 'ended', sessionId: string) => void) | undefined;
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
 * Owns the sessions of this process: who may use the proxy, until when, and what becomes of their evidence. State lies in the
 * store; what is only here are abort signals, timers, bound inspectors and secrets.
 */
export class SessionManager implements SessionAuthority {
  readonly #options: SessionManagerOptions;
  readonly #random: Randomness;
  readonly #live = new Map<string, LiveSession>();
  readonly #former = new FormerSessions();
  readonly #timers: SessionTimers;
  readonly #queue = new KeyedQueue();
  #created = 0;

  /** Use {@link loadSessionManager}, which takes over the sessions of an earlier process. */
  constructor(options: SessionManagerOptions) {
    this.#options = options;
    this.#random = options.random ?? systemRandomness;
    this.#timers = new SessionTimers(() => options.clock.now().getTime());
  }

  /** Sessions created since start. */
  get createdCount(): number {
    return this.#created;
  }

  /** Sessions that are open or revoked but not ended, oldest first. */
  live(): readonly SessionRecord[] {
    return [...this.#live.values()].map(({ record }) => record);
  }

  /** Takes over sessions that an earlier process left open or revoked; those whose time ran out meanwhile expire. */
  async load(): Promise<void> {
    const { store, logger } = this.#options;
    for (const record of await store.listSessions(['open', 'revoked'])) {
      const { config, inspectors } = bindStored(record, this.#options.inspectors, logger);
      this.#adopt(record, config, lostSecrets(record.secretPatterns), inspectors);
      const lost = record.secretPatterns.length;
      logger.info({ session: record.id, state: record.state, lostSecrets: lost }, 'session taken over');
    }
  }

  async authenticate(id: string, token: string): Promise<ActiveSession | AuthenticationFailure> {
    const session = this.#live.get(id);
    if (!session) return this.#failureOf(id, token);
    if (!isToken(token, session.record.tokenDigest)) return 'wrong-token';
    if (session.isOpen) return session.active;
    this.#reused(id, 'revoked');
    return 'revoked';
  }

  /** @throws FetchServiceError FETCH_POLICY_INVALID, FETCH_SECRET_INVALID, FETCH_REQUEST_INVALID */
  async create(wanted: NewSession): Promise<{ readonly id: string; readonly token: string }> {
    const { store, configuration, clock, logger, security } = this.#options;
    if (wanted.policy === 'permissive' && !this.#options.isPermissiveAllowed) {
      throw new FetchServiceError('FETCH_POLICY_INVALID', 'Invalid session policy');
    }
    const secrets = knownSecrets(parseSecrets(wanted.secrets));
    const config = await configuration.forSession(wanted.sections);
    const seconds = Math.min(wanted.timeoutSeconds || defaultTimeoutSeconds, maxTimeoutSeconds);
    const token = wanted.token ?? createToken(this.#random);
    const createdAt = clock.now();
    const record: SessionRecord = {
      id: await this.#freeId(wanted.id),
      tokenDigest: digestToken(token),
      policy: wanted.policy,
      state: 'open',
      createdAt,
      expiresAt: new Date(createdAt.getTime() + seconds * 1000),
      configuration: JSON.parse(JSON.stringify(config)) as JsonObject,
      secretPatterns: secrets.patterns,
    };
    // Inspectors that cannot be bound must fail the request, not the first download.
    const inspectors = this.#options.inspectors.bind(config);
    await store.createSession(record);
    this.#adopt(record, config, secrets, inspectors);
    this.#created++;
    this.#options.onCreated?.(record.policy);
    this.#options.onActivity?.();
    logger.info(
      { session: record.id, timeoutSeconds: seconds, secrets: secrets.patterns.length },
      `create ${record.policy} session`,
    );
    security.event('INFO', `authn_token_created:${record.id}`, 'a session was created', {
      token_type: 'FETCH_SERVICE_SESSION',
    });
    return { id: record.id, token };
  }

  /** Stops the session's transfers and lets nobody in any more. @throws FetchServiceError FETCH_SESSION_UNKNOWN, FETCH_TOKEN_WRONG */
  async revoke(id: string, token: string): Promise<SessionRecord> {
    const session = this.#live.get(id);
    if (!isToken(token, session?.record.tokenDigest ?? noToken) || !session) {
      throw session ? new FetchServiceError('FETCH_TOKEN_WRONG', 'invalid session token') : unknownSession();
    }
    return this.#queue.run(id, async () => {
      if (this.#live.get(id) !== session) throw unknownSession();
      return this.#revokeLive(session);
    });
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
    const live = this.#live.get(id);
    const record = live?.record ?? (isSessionId(id) ? await this.#options.store.getSession(id) : undefined);
    if (!record) throw unknownSession();
    return this.#sourceOf(record, live);
  }

  /** Writes the spool files and ends the session; revoking first is not required. @throws FetchServiceError FETCH_SESSION_UNKNOWN, FETCH_SPOOL_WRITE_FAILED */
  async end(id: string): Promise<void> {
    await this.#queue.run(id, async () => {
      const live = this.#live.get(id);
      const record = live?.record ?? (isSessionId(id) ? await this.#options.store.getSession(id) : undefined);
      if (!record || record.state === 'ended') throw unknownSession();
      // An expired session keeps its state, and its report, until its resources are deleted.
      if (record.state === 'expired') return this.#options.spool.write(this.#sourceOf(record, undefined));
      if (live?.record.state === 'open') await this.#revokeLive(live);
      await this.#finish(live?.record ?? record, 'ended');
    });
  }

  /** Removes files, records and unshared bodies of a session that is over; absent is fine. @throws FetchServiceError FETCH_SESSION_LIVE */
  async deleteResources(id: string): Promise<void> {
    if (!isSessionId(id)) return;
    await this.#queue.run(id, async () => {
      const { store, spool, logger, security } = this.#options;
      const record = this.#live.get(id)?.record ?? (await store.getSession(id));
      if (record?.state === 'open' || record?.state === 'revoked') {
        throw new FetchServiceError('FETCH_SESSION_LIVE', 'session is not finished');
      }
      const bodies = record ? await bodiesOf(store, id) : [];
      await store.deleteSession(id);
      await spool.remove(id);
      await this.#options.discardBlobs(bodies);
      logger.info({ session: id, bodies: bodies.length }, 'resources deleted');
      if (record)
        security.event('INFO', `authn_token_delete:${id}`, 'a session and its resources were deleted', {
          token_type: 'FETCH_SERVICE_SESSION',
        });
    });
  }

  /** Stops timers; sessions stay as they are for the next process. */
  async close(): Promise<void> {
    this.#timers.clearAll();
    await this.#queue.idle();
  }

  async #revokeLive(session: LiveSession): Promise<SessionRecord> {
    const { store, clock, logger, security, settle } = this.#options;
    const wasOpen = session.isOpen;
    session.stop();
    await settle?.(session.id);
    const record = await store.transition(session.id, 'revoked', clock.now());
    if (!record) throw unknownSession();
    session.update(record);
    this.#options.onActivity?.();
    if (wasOpen) {
      this.#options.onOver?.('revoked', session.id);
      logger.info({ session: session.id }, 'session token revoked');
    }
    security.event('INFO', `authn_token_revoked:${session.id}`, 'a session token was revoked', {
      token_type: 'FETCH_SERVICE_SESSION',
    });
    return record;
  }

  /** Writes the evidence first: a session whose files cannot be written stays and can be ended again. */
  async #finish(record: SessionRecord, state: 'ended' | 'expired'): Promise<void> {
    const { store, spool, clock, logger } = this.#options;
    const at = state === 'expired' ? record.expiresAt : clock.now();
    const after: SessionRecord = { ...record, state, endedAt: record.endedAt ?? at };
    await spool.write(this.#sourceOf(after, this.#live.get(record.id)));
    await store.transition(record.id, state, at);
    this.#forget(record, state);
    this.#options.onOver?.(state, record.id);
    this.#options.onActivity?.();
    logger.info({ session: record.id, state }, 'discarding session');
  }

  async #expire(session: LiveSession): Promise<void> {
    session.stop();
    await this.#options.settle?.(session.id);
    if (this.#live.get(session.id) !== session) return;
    try {
      await this.#finish(session.record, 'expired');
    } catch (cause) {
      // The clock does not wait for a full disk: the session is over, its evidence is still in the store.
      this.#options.logger.error(
        { session: session.id, error: messageOf(cause) },
        'files of an expired session were not written',
      );
      await this.#options.store.transition(session.id, 'expired', session.record.expiresAt);
      this.#forget(session.record, 'expired');
      this.#options.onOver?.('expired', session.id);
      this.#options.onActivity?.();
    }
  }

  #adopt(
    record: SessionRecord,
    config: InspectorsConfig,
    secrets: SessionSecrets,
    inspectors: SessionInspectors,
  ): void {
    const touch = () => this.#options.onActivity?.();
    const session = new LiveSession(record, { inspectors, config, secrets, touch });
    this.#live.set(record.id, session);
    this.#timers.arm(record.id, record.expiresAt, () => this.#onDue(session));
  }

  #onDue(session: LiveSession): void {
    // Stopped before anything is waited for: the time is over now.
    session.stop();
    this.#queue
      .run(session.id, () => this.#expire(session))
      .catch((cause: unknown) => {
        const fields = { session: session.id, error: messageOf(cause) };
        this.#options.logger.error(fields, 'an expired session was not recorded as such');
      });
  }

  #forget(record: SessionRecord, failure: 'ended' | 'expired'): void {
    this.#timers.clear(record.id);
    this.#live.get(record.id)?.stop();
    this.#live.delete(record.id);
    this.#former.remember(record.id, { tokenDigest: record.tokenDigest, failure });
  }

  #failureOf(id: string, token: string): AuthenticationFailure {
    const former = this.#former.get(id);
    const isRight = isToken(token, former?.tokenDigest ?? noToken);
    if (!former) return 'unknown';
    if (!isRight) return 'wrong-token';
    this.#reused(id, former.failure);
    return former.failure;
  }

  #reused(id: string, failure: AuthenticationFailure): void {
    this.#options.security.event(
      'CRITICAL',
      `authn_token_reuse:${id}`,
      `the token of a session that is ${failure} was used`,
      {
        token_type: 'FETCH_SERVICE_SESSION',
        reason: failure,
      },
    );
  }

  async #freeId(wanted: string | undefined): Promise<string> {
    if (wanted !== undefined && !(await this.#options.store.getSession(wanted))) return wanted;
    return createSessionId(this.#random);
  }

  #sourceOf(session: SessionRecord, live: LiveSession | undefined): ReportSource {
    const { store, spool, clock, logger } = this.#options;
    const inspectors = live?.active.inspectors ?? bindStored(session, this.#options.inspectors, logger).inspectors;
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

function unknownSession(): FetchServiceError {
  return new FetchServiceError('FETCH_SESSION_UNKNOWN', '404 Not Found');
}

/** Digests of every body that a session's records name, each once. */
async function bodiesOf(store: SessionStore, sessionId: string): Promise<string[]> {
  const found = new Set<string>();
  for await (const artifact of store.artifacts(sessionId)) found.add(artifact.metadata.sha256);
  for await (const refusal of store.refusals(sessionId)) if (refusal.sha256) found.add(refusal.sha256);
  for await (const response of store.responses(sessionId)) if (response.sha256) found.add(response.sha256);
  return [...found];
}

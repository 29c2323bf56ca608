import { createHash, timingSafeEqual } from 'node:crypto';
import type { CacheGrant, CachePrincipal, CacheRight, CacheStore, CredentialKind } from '@waybill/cache-store';
import { type Logger, silentLogger } from '@waybill/contracts';
import { AccessError, messageOf } from '../errors.js';
import { shownSecret } from './authorization.js';
import { type CacheMetrics, createCacheMetrics } from './cache-metrics.js';
import { includesRight, isGranted } from './grants.js';
import { type Caller, type Credentials, defaultLimits, type Serving, type ServingLimits } from './serving.js';

/** Somebody whom an identity provider vouches for. */
export interface FederatedIdentity {
  readonly principal: string;
  readonly grants: readonly CacheGrant[];
}

/** What {@link createServing} is given; only the store has no default. */
export interface ServingOptions {
  readonly store: CacheStore;
  readonly log?: Logger | undefined;
  readonly metrics?: CacheMetrics | undefined;
  readonly limits?: Partial<ServingLimits> | undefined;
  readonly links?: Serving['links'] | undefined;
  /**
   * Whether a namespace is open beyond what listeners say: true, everybody may read it; false, nothing of it is open to
   * everybody; undefined, as the listener says.
   */
  readonly isPublic?: ((namespace: string) => boolean | undefined) | undefined;
  /** Checks a JWT; undefined when no configured provider made it. @throws AccessError UNAUTHENTICATED */
  readonly federated?: ((jwt: string) => Promise<FederatedIdentity | undefined>) | undefined;
}

/** sha256 of a token in hex: what is stored and looked up, never the token. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Decides who calls and what they may do, over the principals of a store. */
export function createServing(options: ServingOptions): Serving {
  const { store, log = silentLogger, isPublic = () => undefined } = options;
  const may = (caller: Caller, namespace: string, right: CacheRight): boolean => {
    if (isGranted(caller.grants, namespace, right)) return true;
    const open = isPublic(namespace);
    if (open === true && right === 'read') return true;
    return open !== false && includesRight(caller.open, right);
  };
  return {
    store,
    log,
    metrics: options.metrics ?? createCacheMetrics(),
    limits: { ...defaultLimits, ...options.limits },
    links: options.links ?? {},
    identify: (credentials) => identify(credentials, options),
    may,
    require(caller, namespace, right) {
      if (may(caller, namespace, right)) return;
      const refusal = refusalOf(caller, namespace, right);
      if (right !== 'read') noteRefusal(store, log, caller, namespace, right);
      throw refusal;
    },
  };
}

async function identify(credentials: Credentials, { store, federated }: ServingOptions): Promise<Caller> {
  const { listener, address, certificate } = credentials;
  const caller = (principal: string, credential: Caller['credential'], grants: readonly CacheGrant[]): Caller => ({
    principal,
    credential,
    grants,
    open: listener.anonymous,
    address,
  });
  const shown = shownSecret(credentials.authorization, credentials.authority);
  if (shown.kind === 'unreadable') throw wrongCredentials(shown.reason);
  if (shown.kind === 'secret') {
    const known = await findPrincipal(store, 'token', tokenDigest(shown.secret));
    if (known) return caller(known.id, 'token', known.grants);
    const identity = isJwt(shown.secret) ? await federated?.(shown.secret) : undefined;
    if (identity) return caller(identity.principal, 'oidc', identity.grants);
    throw wrongCredentials('the token is not known, or not any more');
  }
  if (!certificate) return caller('anonymous', 'none', []);
  const known = await findPrincipal(store, 'certificate', certificate.sha256);
  if (known) return caller(known.id, 'certificate', known.grants);
  if (listener.certified === undefined || listener.certified === 'none') {
    throw wrongCredentials(`the client certificate ${certificate.sha256} is not known`);
  }
  const grants = [{ namespace: '*', right: listener.certified }];
  return caller(`certificate:${certificate.sha256.slice(0, 16)}`, 'certificate', grants);
}

/** By digest; compared once more in constant time, whatever the index compared. */
async function findPrincipal(
  store: CacheStore,
  kind: CredentialKind,
  value: string,
): Promise<CachePrincipal | undefined> {
  const found = await store.principals.find(kind, value);
  const stored = Buffer.from(found?.credential.value.padEnd(value.length).slice(0, value.length) ?? ' '.repeat(64));
  const isSame = stored.length === value.length && timingSafeEqual(stored, Buffer.from(value));
  return found && isSame ? found : undefined;
}

function isJwt(secret: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(secret);
}

function wrongCredentials(reason: string): AccessError {
  return new AccessError('UNAUTHENTICATED', reason, {
    hint: 'ask whoever runs the cache for a token (artifact-cache token create), or send no credentials where reading is open',
  });
}

function refusalOf(caller: Caller, namespace: string, right: CacheRight): AccessError {
  const where = `${right} in namespace ${JSON.stringify(namespace.slice(0, 200))}`;
  if (caller.credential === 'none') {
    return new AccessError('UNAUTHENTICATED', `credentials are needed to ${where}`, {
      hint: 'send a token: authorization: Bearer <token>',
    });
  }
  return new AccessError('FORBIDDEN', `${caller.principal} may not ${where}`, {
    hint: 'whoever runs the cache can grant it (artifact-cache token create, keys add)',
  });
}

function noteRefusal(store: CacheStore, log: Logger, caller: Caller, namespace: string, right: CacheRight): void {
  const { principal, address } = caller;
  const record = {
    namespace: namespace.slice(0, 200),
    action: 'refuse',
    detail: `${right} without the right`,
  } as const;
  store.note({ ...record, writer: { principal, address } }).catch((cause: unknown) => {
    log.error({ error: messageOf(cause) }, 'a refusal could not be noted');
  });
}

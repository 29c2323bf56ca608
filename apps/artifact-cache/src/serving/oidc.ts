import type { CacheGrant } from '@waybill/cache-store';
import { createRemoteJWKSet, decodeJwt, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { CacheConfig } from '../config/schema.js';
import { AccessError, messageOf } from '../errors.js';
import type { FederatedIdentity } from './create-serving.js';

/** Signatures with public keys only: with a shared secret, whoever can check a token can also make one. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

type Provider = CacheConfig['oidc'][number];

/**
 * Checks JWTs of the configured identity providers. Keys are fetched once and kept; unknown key ids ask again, not more often than
 * every half minute.
 */
export function createOidc(providers: readonly Provider[]): (jwt: string) => Promise<FederatedIdentity | undefined> {
  const keys = new Map<string, Promise<JWTVerifyGetKey>>();
  const keysOf = (provider: Provider): Promise<JWTVerifyGetKey> => {
    const known = keys.get(provider.issuer);
    if (known) return known;
    const found = findKeys(provider);
    keys.set(provider.issuer, found);
    found.catch(() => keys.delete(provider.issuer));
    return found;
  };
  return async (jwt) => {
    const issuer = issuerOf(jwt);
    const provider = providers.find((candidate) => candidate.issuer === issuer);
    if (!provider) return undefined;
    try {
      const { payload } = await jwtVerify(jwt, await keysOf(provider), {
        issuer: provider.issuer,
        audience: provider.audience,
        algorithms,
        requiredClaims: ['exp', 'sub'],
        clockTolerance: 30,
      });
      return { principal: `oidc:${payload.sub}`.slice(0, 128), grants: grantsOf(provider, payload.sub ?? '') };
    } catch (cause) {
      throw new AccessError('UNAUTHENTICATED', `the token of ${provider.issuer} does not do: ${messageOf(cause)}`, {
        hint: 'have the job ask its provider for a new one',
        cause,
      });
    }
  };
}

/** Everything that the subject matches; a trailing `*` stands for anything. */
function grantsOf(provider: Provider, subject: string): CacheGrant[] {
  return provider.grants
    .filter(({ subject: pattern }) =>
      pattern.endsWith('*') ? subject.startsWith(pattern.slice(0, -1)) : subject === pattern,
    )
    .map(({ namespace, right }) => ({ namespace, right }));
}

async function findKeys(provider: Provider): Promise<JWTVerifyGetKey> {
  const uri = provider['jwks-uri'] ?? (await discover(provider.issuer));
  return createRemoteJWKSet(new URL(uri), { timeoutDuration: 10_000, cooldownDuration: 30_000 });
}

async function discover(issuer: string): Promise<string> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const answer = await fetch(address, { signal: AbortSignal.timeout(10_000), redirect: 'error' });
  const document = (await answer.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown };
  if (document.issuer !== issuer || typeof document.jwks_uri !== 'string') {
    throw new Error(`${address} does not describe ${issuer}`);
  }
  return document.jwks_uri;
}

function issuerOf(jwt: string): string | undefined {
  try {
    return decodeJwt(jwt).iss;
  } catch {
    return undefined;
  }
}

import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { CatalogParser, InspectorsConfig, JsonValue } from '@waybill/contracts';
import { JsonProjectionError, projectJson } from '../json-projection.js';
import { packumentBytes } from './packument-document.js';

/** Kind of the catalogs that a registry's list of keys is. */
export const npmKeysKind = 'npm.keys';
/** Where registries list their keys. */
export const keysPath = '-/npm/v1/keys';
export const keysBytes = 2 ** 20;
const maxKeys = 100;
const maxSignatures = 20;

/** A key with which a registry signs what it publishes. */
export interface RegistryKey {
  /** As signatures name it, e.g. `SHA256:…`. */
  readonly id: string;
  readonly key: KeyObject;
  /** Ends the time in which it signs; what it signed before stays signed. */
  readonly expires: Date | undefined;
}

/** What a document says of one version that has a bearing on its signature. */
export interface SignedDist {
  /** As it stands there: the signature is over this text. */
  readonly integrity: string | undefined;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** Bytes that are not what they should be. */
export class SignatureFormatError extends Error {
  override readonly name = 'SignatureFormatError';
}

/** Scope under which a registry's keys are found. */
export function keysScope({ id }: { readonly id: string }): string {
  return `${npmKeysKind}:${id}`;
}

/**
 * One key: base64 of its SubjectPublicKeyInfo.
 * @throws SignatureFormatError unless it is an ECDSA key on P-256
 */
export function registryKey(keyid: string, base64: string, expires?: string | null): RegistryKey {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
  } catch (error) {
    throw new SignatureFormatError(`the key ${keyid.slice(0, 100)} cannot be read`, { cause: error });
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new SignatureFormatError(`the key ${keyid.slice(0, 100)} is not an ECDSA key on P-256`);
  }
  const end = expires ? new Date(expires) : undefined;
  if (end && Number.isNaN(end.getTime()))
    throw new SignatureFormatError(`the key ${keyid.slice(0, 100)} has no time of expiry`);
  return { id: keyid, key, expires: end };
}

/**
 * A registry's list of keys. Schemes that are not known are left out: what they signed has no signature that counts.
 * @throws SignatureFormatError
 * @see npm docs, "About ECDSA registry signatures"
 */
export function parseKeys(bytes: Uint8Array): readonly RegistryKey[] {
  let list: unknown;
  try {
    ({ keys: list } = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as { keys?: unknown });
  } catch {
    throw new SignatureFormatError('is not JSON');
  }
  if (!Array.isArray(list) || list.length > maxKeys) throw new SignatureFormatError('has no list of keys');
  return list.flatMap((entry: Record<string, unknown> | null) => {
    const { keyid, key, scheme, expires } = entry ?? {};
    if (scheme !== 'ecdsa-sha2-nistp256') return [];
    if (typeof keyid !== 'string' || typeof key !== 'string' || keyid === '' || keyid.length > 256)
      throw new SignatureFormatError('has a key without id');
    return [registryKey(keyid, key, typeof expires === 'string' ? expires : undefined)];
  });
}

export const keysParser: CatalogParser<readonly RegistryKey[]> = {
  kind: npmKeysKind,
  parse: async (bytes) => parseKeys(await buffer(bytes)),
  weigh: (keys) => 500 + keys.length * 2_000,
};

/**
 * Integrity and signatures of one version, out of a packument or of the version's own document.
 * @throws JsonProjectionError
 */
export async function readSignedDist(stream: Readable, version: string): Promise<SignedDist> {
  let integrity: string | undefined;
  let signatures: SignedDist['signatures'] = [];
  const isOurs = (path: readonly string[]) => path[0] === 'versions' && path[1] === version && path[2] === 'dist';
  await projectJson(
    stream,
    {
      select(path, kind) {
        if (path.length === 0) return 'enter';
        const isDist = path[0] === 'dist' ? path.length : isOurs(path) ? path.length - 2 : 0;
        const last = path.at(-1);
        if (isDist === 2)
          return (last === 'integrity' && kind === 'string') || (last === 'signatures' && kind === 'array')
            ? 'take'
            : 'skip';
        const isOnTheWay =
          isDist === 1 || (path[0] === 'versions' && (path.length === 1 || (path.length === 2 && path[1] === version)));
        return isOnTheWay && kind === 'object' ? 'enter' : 'skip';
      },
      take(path, value) {
        if (path.at(-1) === 'integrity') integrity = String(value);
        else signatures = signaturesOf(value);
      },
    },
    { maxBytes: packumentBytes, maxValueBytes: 64 * 1024 },
  );
  return { integrity, signatures };
}

function signaturesOf(value: JsonValue): SignedDist['signatures'] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, maxSignatures).flatMap((entry) => {
    const { keyid, sig } = (entry ?? {}) as Record<string, unknown>;
    return typeof keyid === 'string' && typeof sig === 'string' ? [{ keyid, sig }] : [];
  });
}

/** What the signatures of a version come to. */
export type SignatureVerdict =
  | { readonly kind: 'signed'; readonly key: RegistryKey }
  /** A key that is known did not make it. */
  | { readonly kind: 'forged'; readonly keyid: string }
  /** No signature by a known key. */
  | { readonly kind: 'unsigned'; readonly keyids: readonly string[] };

/** Checks a version's signatures over `<name>@<version>:<integrity>`; every one by a known key must be right. */
export function checkSignatures(
  { name, version }: { readonly name: string; readonly version: string },
  { integrity, signatures }: SignedDist,
  keys: readonly RegistryKey[],
): SignatureVerdict {
  const message = Buffer.from(`${name}@${version}:${integrity}`);
  let signer: RegistryKey | undefined;
  for (const { keyid, sig } of signatures) {
    const key = keys.find(({ id }) => id === keyid);
    if (!key) continue;
    if (integrity === undefined || !verify('sha256', message, key.key, Buffer.from(sig, 'base64'))) {
      return { kind: 'forged', keyid };
    }
    signer ??= key;
  }
  if (signer) return { kind: 'signed', key: signer };
  return { kind: 'unsigned', keyids: signatures.map(({ keyid }) => keyid.slice(0, 100)) };
}

/** Configured keys that cannot be read, for checking the configuration before a build needs them. */
export function npmKeyProblems(
  config: InspectorsConfig,
): readonly { readonly registry: string; readonly message: string }[] {
  return Object.entries(config.npm?.registries ?? {}).flatMap(([registry, { keys = [] }]) =>
    keys.flatMap(({ keyid, key, expires }) => {
      try {
        registryKey(keyid, key, expires);
        return [];
      } catch (error) {
        if (!(error instanceof SignatureFormatError)) throw error;
        return [{ registry, message: error.message }];
      }
    }),
  );
}

/** Whether an error says that the bytes are wrong, not that we are. */
export function isSignatureFormat(error: unknown): error is Error {
  return error instanceof SignatureFormatError || error instanceof JsonProjectionError;
}

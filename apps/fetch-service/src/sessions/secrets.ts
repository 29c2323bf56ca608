import { type InjectedCredential, type Secret, type SecretType, secretCredentialKeys } from '@waybill/contracts';
import { compileUrlGlob, PolicyError, type UrlGlob } from '@waybill/policy';
import { FetchServiceError, messageOf } from '../errors.js';

/** A session's secrets: in memory only, first match wins. specs/fetch-service.md §3.6 */
export interface SessionSecrets {
  /** Globs in order, which is all that may be recorded. */
  readonly patterns: readonly string[];
  credentialFor(normalizedUrl: string): InjectedCredential | undefined;
}

/** Any more are refused: each is tried for every request. */
const maxSecrets = 1000;
const secretTypes = Object.keys(secretCredentialKeys) as SecretType[];

/**
 * Validates the `secrets` of `POST /session`. As in the seed the list is decoded as a whole first (types of fields, globs),
 * then validated in order; the messages of the second part are fixed by specs §2.2.
 * @throws FetchServiceError FETCH_SECRET_INVALID
 */
export function parseSecrets(list: readonly unknown[] | null | undefined): Secret[] {
  if (!list) return [];
  if (list.length > maxSecrets) throw invalid(`secrets: at most ${maxSecrets} are taken, found ${list.length}`);
  return list.map(decode).map(validate);
}

/** Secrets that this process knows. */
export function knownSecrets(secrets: readonly Secret[]): SessionSecrets {
  const entries = secrets.map((secret) => ({ glob: compileUrlGlob(secret.url), credential: injectable(secret) }));
  return firstMatch(entries);
}

/** Secrets whose credentials went with an earlier process: their URLs are refused rather than fetched without. */
export function lostSecrets(patterns: readonly string[]): SessionSecrets {
  return firstMatch(patterns.map((pattern) => ({ glob: compileUrlGlob(pattern), credential: { type: 'lost' } })));
}

function firstMatch(entries: readonly { glob: UrlGlob; credential: InjectedCredential }[]): SessionSecrets {
  return {
    patterns: entries.map(({ glob }) => glob.source),
    credentialFor: (url) => entries.find(({ glob }) => glob.matches(url))?.credential,
  };
}

type Decoded = Readonly<Record<string, string>>;

function decode(value: unknown, index: number): Decoded {
  const at = `secrets[${index}]`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${at}: expected an object`);
  const known = ['type', 'url', ...Object.values(secretCredentialKeys)];
  const decoded: Record<string, string> = {};
  for (const key of known) {
    const field: unknown = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    if (field === undefined || field === null) continue;
    if (typeof field !== 'string') throw invalid(`${at}.${key}: expected a string`);
    decoded[key] = field;
  }
  if (decoded.url) assertGlob(decoded.url, `${at}.url`);
  return decoded;
}

function validate(decoded: Decoded, index: number): Secret {
  const { type, url } = decoded;
  if (!type) throw invalid('Invalid secret: missing type');
  if (!isSecretType(type)) throw invalid('Invalid secret: invalid type');
  if (!url) throw invalid('Invalid secret: missing url');
  const key = secretCredentialKeys[type];
  const credentials = decoded[key];
  if (!credentials) throw invalid(`Invalid secret: missing credentials for '${type}'`);
  if (hasControlCharacters(credentials)) {
    // They would end the header that carries the credential, or be refused by the upstream client in the middle of a build.
    throw invalid(`secrets[${index}].${key}: control characters are not allowed`);
  }
  return { type, url, credentials };
}

function isSecretType(type: string): type is SecretType {
  return (secretTypes as string[]).includes(type);
}

function assertGlob(glob: string, at: string): void {
  try {
    compileUrlGlob(glob);
  } catch (cause) {
    if (cause instanceof PolicyError) throw invalid(`${at}: ${messageOf(cause)}`);
    throw cause;
  }
}

function injectable(secret: Secret): InjectedCredential {
  if (secret.type === 'basic-auth') {
    return header(`Basic ${Buffer.from(secret.credentials, 'utf8').toString('base64')}`);
  }
  // The lower-case scheme is what store servers expect. specs §3.6
  if (secret.type === 'macaroon') return header(`macaroon ${secret.credentials}`);
  const colon = secret.credentials.indexOf(':');
  return {
    type: 'keystone-v3',
    user: colon < 0 ? secret.credentials : secret.credentials.slice(0, colon),
    password: colon < 0 ? '' : secret.credentials.slice(colon + 1),
  };
}

function header(value: string): InjectedCredential {
  return { type: 'header', name: 'Authorization', value };
}

function hasControlCharacters(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return /[\u0000-\u001f\u007f]/.test(text);
}

function invalid(message: string): FetchServiceError {
  return new FetchServiceError('FETCH_SECRET_INVALID', message);
}

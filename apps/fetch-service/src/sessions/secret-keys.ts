import { readFile, stat } from 'node:fs/promises';
import { FetchServiceError, messageOf } from '../errors.js';

/** Names of the environment variables that hold the keys, or name the file that does. */
export const secretsKeyVariable = 'FETCH_SERVICE_SECRETS_KEY';
export const secretsKeyFileVariable = 'FETCH_SERVICE_SECRETS_KEY_FILE';

/** Bytes of a key (AES-256). */
export const secretsKeyBytes = 32;

/**
 * Keys that session secrets are sealed with, from `FETCH_SERVICE_SECRETS_KEY` (separated by commas) or from the file named by
 * `FETCH_SERVICE_SECRETS_KEY_FILE` (one a line, `#` begins a comment). A key is 32 bytes in base64 or hex. The first seals, all
 * open: a new key is put before the old one, which stays until the last session that it sealed is over.
 * @returns undefined when neither is set
 * @throws FetchServiceError FETCH_SECRETS_KEY_INVALID
 */
export async function readSecretKeys(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly Buffer[] | undefined> {
  const { [secretsKeyVariable]: text, [secretsKeyFileVariable]: file } = environment;
  if (text && file)
    throw invalid(`both ${secretsKeyVariable} and ${secretsKeyFileVariable} are set`, 'set one of them');
  if (text) return parseSecretKeys(text.split(','), secretsKeyVariable);
  if (!file) return undefined;
  return parseSecretKeys((await readKeyFile(file)).split('\n'), file);
}

/** @param place for messages; keys are never in them */
export function parseSecretKeys(entries: readonly string[], place: string): readonly Buffer[] {
  const texts = entries.map((entry) => entry.replace(/#.*$/, '').trim()).filter(Boolean);
  const keys = texts.map((text, index) => parseKey(text, `${place}, key ${index + 1}`));
  if (keys.length === 0) throw invalid(`${place} holds no key`, howToMakeOne);
  return keys;
}

const howToMakeOne = 'make one with: openssl rand -base64 32';

function parseKey(text: string, place: string): Buffer {
  const isHex = /^[0-9a-f]{64}$/i.test(text);
  const isBase64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(text);
  if (!isHex && !isBase64) {
    throw invalid(
      `${place}: expected ${secretsKeyBytes} bytes in base64 or hex, found ${text.length} characters`,
      howToMakeOne,
    );
  }
  return Buffer.from(text, isHex ? 'hex' : 'base64');
}

async function readKeyFile(file: string): Promise<string> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o007) !== 0) throw invalid(`the key file ${file} can be read by others`, `chmod o= ${file}`);
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof FetchServiceError) throw cause;
    throw invalid(
      `the key file ${file} cannot be read: ${messageOf(cause)}`,
      'let the user of the daemon read it',
      cause,
    );
  }
}

function invalid(message: string, hint: string, cause?: unknown): FetchServiceError {
  return new FetchServiceError('FETCH_SECRETS_KEY_INVALID', message, {
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}

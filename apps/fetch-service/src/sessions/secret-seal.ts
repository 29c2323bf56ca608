import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Secret } from '@waybill/contracts';
import { z } from 'zod';

/** Encrypts a session's secrets, so that every process that has the key can use them and the database cannot. */
export interface SecretSeal {
  /** @returns base64url; undefined when there is nothing to seal */
  seal(sessionId: string, secrets: readonly Secret[]): string | undefined;
  /** undefined when no key fits, the text was changed, or it belongs to another session. */
  open(sessionId: string, sealed: string): readonly Secret[] | undefined;
}

/**
 * Version 1: `version (1) · key id (4) · nonce (12) · tag (16) · ciphertext`, AES-256-GCM with the session id as additional
 * data. A key seals far fewer sessions than the 2^32 up to which random nonces are safe (NIST SP 800-38D, 8.3).
 */
const version = 1;
const keyIdBytes = 4;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + keyIdBytes + nonceBytes + tagBytes;

const secretsSchema = z.array(
  z.strictObject({
    type: z.enum(['basic-auth', 'macaroon', 'keystone-v3']),
    url: z.string(),
    credentials: z.string(),
  }),
);

/** @param keys 32 bytes each; the first seals, all open */
export function createSecretSeal(keys: readonly Buffer[]): SecretSeal {
  const [first] = keys;
  if (!first) throw new RangeError('a seal needs a key');
  return {
    seal: (sessionId, secrets) => (secrets.length === 0 ? undefined : seal(first, sessionId, secrets)),
    open(sessionId, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < headBytes || bytes[0] !== version) return undefined;
      const keyId = bytes.subarray(1, 1 + keyIdBytes);
      for (const key of keys) {
        if (!keyIdOf(key).equals(keyId)) continue;
        const secrets = open(key, sessionId, bytes);
        if (secrets) return secrets;
      }
      return undefined;
    },
  };
}

function seal(key: Buffer, sessionId: string, secrets: readonly Secret[]): string {
  const nonce = randomBytes(nonceBytes);
  const head = Buffer.concat([Buffer.of(version), keyIdOf(key)]);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(additional(head, sessionId));
  const text = Buffer.concat([cipher.update(JSON.stringify(secrets), 'utf8'), cipher.final()]);
  return Buffer.concat([head, nonce, cipher.getAuthTag(), text]).toString('base64url');
}

function open(key: Buffer, sessionId: string, bytes: Buffer): readonly Secret[] | undefined {
  const nonceAt = 1 + keyIdBytes;
  const tagAt = nonceAt + nonceBytes;
  const head = bytes.subarray(0, nonceAt);
  const nonce = bytes.subarray(nonceAt, tagAt);
  const tag = bytes.subarray(tagAt, headBytes);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
  decipher.setAAD(additional(head, sessionId));
  decipher.setAuthTag(tag);
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(headBytes)), decipher.final()]).toString('utf8');
    return secretsSchema.parse(JSON.parse(text));
  } catch {
    // Changed, moved to another session, or sealed with another key of the same id.
    return undefined;
  }
}

function additional(head: Buffer, sessionId: string): Buffer {
  return Buffer.concat([head, Buffer.from(sessionId, 'utf8')]);
}

/** Tells keys apart; says nothing about the key. */
function keyIdOf(key: Buffer): Buffer {
  return createHash('sha256').update('waybill secrets key id\0').update(key).digest().subarray(0, keyIdBytes);
}

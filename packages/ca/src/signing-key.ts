import { createPrivateKey, type KeyObject, type webcrypto } from 'node:crypto';
import { CaError } from './ca-error.js';

/** A CA's private key in the forms that signing needs. */
export interface SigningKey {
  readonly keyObject: KeyObject;
  readonly cryptoKey: webcrypto.CryptoKey;
  /** What certificates signed with it say; the hash is as strong as the key. */
  readonly algorithm: { readonly name: string; readonly hash: string };
  /** For people: `RSA 4096`, `EC P-256`. */
  readonly description: string;
}

const curves: Readonly<Record<string, { readonly namedCurve: string; readonly hash: string }>> = {
  prime256v1: { namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { namedCurve: 'P-384', hash: 'SHA-384' },
  secp521r1: { namedCurve: 'P-521', hash: 'SHA-512' },
};

/**
 * Reads a PEM private key: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
 * @throws CaError CA_KEY_INVALID, CA_KEY_UNSUPPORTED
 */
export function readSigningKey(pem: string, origin = 'the key'): SigningKey {
  return toSigningKey(parseKey(pem, origin), origin);
}

/** @throws CaError CA_KEY_UNSUPPORTED */
export function toSigningKey(keyObject: KeyObject, origin = 'the key'): SigningKey {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = keyObject;
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    if (bits < 2048) throw unsupported(origin, `RSA ${bits}`);
    return make(keyObject, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, `RSA ${bits}`);
  }
  const curve = type === 'ec' ? curves[details?.namedCurve ?? ''] : undefined;
  if (!curve) throw unsupported(origin, `${type ?? 'unknown'} ${details?.namedCurve ?? ''}`.trim());
  return make(keyObject, { name: 'ECDSA', ...curve }, `EC ${curve.namedCurve}`);
}

function make(
  keyObject: KeyObject,
  parameters: { name: string; hash: string; namedCurve?: string },
  description: string,
): SigningKey {
  const cryptoKey = keyObject.toCryptoKey(parameters, true, ['sign']);
  return { keyObject, cryptoKey, algorithm: { name: parameters.name, hash: parameters.hash }, description };
}

function parseKey(pem: string, origin: string): KeyObject {
  if (/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/.test(pem)) {
    throw new CaError('CA_KEY_INVALID', `${origin} is encrypted with a passphrase`, {
      hint: 'decrypt it first, e.g. openssl pkey -in KEY -out KEY.plain, and keep the file at mode 0600',
    });
  }
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new CaError('CA_KEY_INVALID', `${origin} is not a PEM private key`, {
      cause,
      hint: 'expected PKCS#8 (BEGIN PRIVATE KEY), BEGIN RSA PRIVATE KEY or BEGIN EC PRIVATE KEY',
    });
  }
}

function unsupported(origin: string, found: string): CaError {
  return new CaError('CA_KEY_UNSUPPORTED', `${origin} is of a type that not all clients accept: ${found}`, {
    hint: 'use RSA with 2048 bits or more, or EC on P-256, P-384 or P-521',
  });
}

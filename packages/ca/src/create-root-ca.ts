import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { type Clock, systemClock } from '@waybill/contracts';
import { CaError } from './ca-error.js';
import { RootCa } from './root-ca.js';
import { toSigningKey } from './signing-key.js';
import { addDays, wholeSeconds } from './validity.js';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  commonNameOnly,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.js';

/** What a new root says. */
export interface CreateRootCaOptions {
  /** Common name; by default one that no other root has, so that trust stores with several never mix them up. At most 64 characters. */
  readonly commonName?: string | undefined;
  /** Days of validity from now on; 3650 by default. */
  readonly days?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Makes the certificate for an existing key instead of a new P-256 one. */
  readonly key?: KeyObject | undefined;
}

/**
 * Creates a self-signed P-256 root that may sign leaves and nothing else.
 * @throws CaError CA_VALIDITY_INVALID
 */
export async function createRootCa(options: CreateRootCaOptions = {}): Promise<RootCa> {
  const { days = 3650, clock = systemClock } = options;
  const commonName = options.commonName ?? `Waybill root CA ${randomBytes(4).toString('hex')}`;
  if (!Number.isFinite(days) || days <= 0 || days > 36_500 || commonName === '' || commonName.length > 64) {
    throw new CaError(
      'CA_VALIDITY_INVALID',
      `a root named ${JSON.stringify(commonName.slice(0, 100))} for ${days} days cannot be made`,
      {
        hint: 'names have 1 to 64 characters, validity is 1 to 36500 days',
      },
    );
  }
  const privateKey = options.key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const signingKey = toSigningKey(privateKey);
  const publicKey = publicKeyDer(privateKey);
  const subjectKey = await SubjectKeyIdentifierExtension.create(publicKey);
  const now = clock.now();
  const certificate = await X509CertificateGenerator.create({
    subject: commonNameOnly(commonName),
    issuer: commonNameOnly(commonName),
    notBefore: wholeSeconds(addDays(now, -1)),
    notAfter: wholeSeconds(addDays(now, days)),
    publicKey,
    signingKey: signingKey.cryptoKey,
    signingAlgorithm: signingKey.algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      subjectKey,
      // Strict parsers miss it even on a root (hazards: "missing authority key identifier").
      new AuthorityKeyIdentifierExtension(subjectKey.keyId),
    ],
  });
  return new RootCa([new X509Certificate(Buffer.from(certificate.rawData))], signingKey);
}

/** SubjectPublicKeyInfo of a private key. */
export function publicKeyDer(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
}

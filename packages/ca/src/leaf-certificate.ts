import { type Clock, systemClock } from '@waybill/contracts';
import { CaError } from './ca-error.js';
import type { LeafHost } from './host-name.js';
import type { RootCa } from './root-ca.js';
import { addDays, wholeSeconds } from './validity.js';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  commonNameOnly,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.js';

/** A leaf as handed to TLS. */
export interface LeafCertificate {
  readonly pem: string;
  readonly notAfter: Date;
}

/** What all leaves of an issuer share. */
export interface LeafCertificateOptions {
  readonly root: RootCa;
  /** SubjectPublicKeyInfo of the leaf key, DER. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Days of validity. */
  readonly days: number;
  readonly clock?: Clock | undefined;
}

/** How far clients' clocks may be behind. */
export const clockSkewDays = 2;
/** Longest validity that all clients take, skew included. */
export const longestLeafDays = 397;

/** Makes leaves of one root and key; what does not depend on the host is prepared once. */
export async function createLeafSigner(
  options: LeafCertificateOptions,
): Promise<(host: LeafHost) => Promise<LeafCertificate>> {
  const { root, publicKey, days, clock = systemClock } = options;
  const issuer = root.parsed().subjectName;
  const shared = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    await SubjectKeyIdentifierExtension.create(publicKey),
    new AuthorityKeyIdentifierExtension(await root.keyIdentifier()),
  ];
  const { cryptoKey, algorithm } = root.signingKey;
  return async (host) => {
    const { notBefore, notAfter } = leafValidity(root, days, clock.now());
    // Common names end at 64 characters; without one the alternative name has to be critical (RFC 5280 §4.2.1.6).
    const hasCommonName = host.name.length <= 64;
    const certificate = await X509CertificateGenerator.create({
      subject: commonNameOnly(hasCommonName ? host.name : undefined),
      issuer,
      notBefore,
      notAfter,
      publicKey,
      signingKey: cryptoKey,
      signingAlgorithm: algorithm,
      extensions: [
        ...shared,
        new SubjectAlternativeNameExtension([{ type: host.kind, value: host.name }], !hasCommonName),
      ],
    });
    return { pem: `${certificate.toString('pem').trimEnd()}\n`, notAfter };
  };
}

/** @throws CaError CA_EXPIRED */
function leafValidity(root: RootCa, days: number, now: Date): { notBefore: Date; notAfter: Date } {
  if (root.notAfter <= now) {
    throw new CaError('CA_EXPIRED', `the root CA ${root.subject} expired at ${root.notAfter.toISOString()}`, {
      hint: 'rotate the root CA and give clients the new certificate',
    });
  }
  const earliest = addDays(now, -clockSkewDays).getTime();
  const latest = addDays(now, days).getTime();
  return {
    notBefore: wholeSeconds(new Date(Math.max(earliest, root.notBefore.getTime()))),
    notAfter: wholeSeconds(new Date(Math.min(latest, root.notAfter.getTime()))),
  };
}

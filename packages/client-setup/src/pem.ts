import { X509Certificate } from 'node:crypto';

const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;

/** DER of every certificate in a PEM text that can be parsed, in order, each once. */
export function readCertificates(text: string): Buffer[] {
  const found = new Map<string, Buffer>();
  for (const [, base64 = ''] of text.matchAll(block)) {
    const der = Buffer.from(base64, 'base64');
    if (isCertificate(der)) found.set(der.toString('latin1'), der);
  }
  return [...found.values()];
}

/** PEM text of certificates, in order. */
export function writeCertificates(certificates: readonly Buffer[]): string {
  return certificates
    .map((der) => der.toString('base64').replace(/.{64}(?=.)/g, '$&\n'))
    .map((base64) => `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`)
    .join('');
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length === der.length;
  } catch {
    return false;
  }
}

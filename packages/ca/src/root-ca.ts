import { createHash, X509Certificate } from 'node:crypto';
import { CaError } from './ca-error.js';
import { readSigningKey, type SigningKey } from './signing-key.js';
import { PeculiarCertificate, SubjectKeyIdentifierExtension } from './x509.js';

/** Where a CA was read from, for checks and messages. */
export interface RootCaOrigin {
  readonly certFile: string;
  readonly keyFile: string;
  /** Permission bits of the key file when it was read. */
  readonly keyFileMode: number;
}

/**
 * A certificate authority with its private key. Immutable; the key shows in no inspection, JSON or log.
 * Usually self-signed; when it is an intermediate, `chainPem` holds what the file had after it.
 */
export class RootCa {
  /** The CA's certificate, PEM. Public: clients are given it. */
  readonly certificatePem: string;
  /** Certificates that followed the CA's own in the file, PEM, each ending in a newline. */
  readonly chainPem: string;
  /** Lower-case hex sha256 of the certificate's DER. */
  readonly fingerprintSha256: string;
  /** One line, e.g. `CN=Waybill root CA`. */
  readonly subject: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** For people: `EC P-256`. */
  readonly keyType: string;
  readonly origin: RootCaOrigin | undefined;
  readonly #certificate: X509Certificate;
  readonly #signingKey: SigningKey;

  /** @throws CaError CA_KEY_MISMATCH */
  constructor(
    certificates: readonly [X509Certificate, ...X509Certificate[]],
    signingKey: SigningKey,
    origin?: RootCaOrigin,
  ) {
    const [certificate, ...chain] = certificates;
    if (!certificate.checkPrivateKey(signingKey.keyObject)) {
      throw new CaError(
        'CA_KEY_MISMATCH',
        `the key${origin ? ` in ${origin.keyFile}` : ''} (${signingKey.description}) is not the key of ${oneLine(certificate.subject)}`,
        {
          hint: 'give the certificate and the key that were made together',
        },
      );
    }
    this.#certificate = certificate;
    this.#signingKey = signingKey;
    this.certificatePem = pem(certificate);
    this.chainPem = chain.map(pem).join('');
    this.fingerprintSha256 = createHash('sha256').update(certificate.raw).digest('hex');
    this.subject = oneLine(certificate.subject);
    this.notBefore = certificate.validFromDate;
    this.notAfter = certificate.validToDate;
    this.keyType = signingKey.description;
    this.origin = origin;
  }

  /** The private key, PKCS#8 PEM. Secret. */
  get keyPem(): string {
    return this.#signingKey.keyObject.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** For the issuer; secret. */
  get signingKey(): SigningKey {
    return this.#signingKey;
  }

  /** Whether the certificate may sign others: basic constraints and key usage. */
  get isCa(): boolean {
    return this.#certificate.ca;
  }

  /** Whether the certificate is its own issuer. */
  get isSelfSigned(): boolean {
    return this.#certificate.checkIssued(this.#certificate);
  }

  /** The certificate for the X.509 library. */
  parsed(): PeculiarCertificate {
    return new PeculiarCertificate(this.#certificate.raw);
  }

  /** Key identifier that leaves name as their authority's: the certificate's own, else the usual hash of its key. Hex. */
  async keyIdentifier(): Promise<string> {
    const certificate = this.parsed();
    const extension = certificate.getExtension(SubjectKeyIdentifierExtension);
    return (extension ?? (await SubjectKeyIdentifierExtension.create(certificate.publicKey))).keyId;
  }
}

/**
 * Makes a CA out of PEM texts. The first certificate is the CA's own.
 * @throws CaError CA_CERTIFICATE_INVALID, CA_KEY_INVALID, CA_KEY_UNSUPPORTED, CA_KEY_MISMATCH
 */
export function parseRootCa(
  texts: { readonly certificatePem: string; readonly keyPem: string },
  origin?: RootCaOrigin,
): RootCa {
  const certificates = readCertificates(texts.certificatePem, origin?.certFile ?? 'the certificate');
  return new RootCa(certificates, readSigningKey(texts.keyPem, origin?.keyFile ?? 'the key'), origin);
}

function readCertificates(text: string, origin: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  try {
    const [first, ...rest] = blocks.map((block) => new X509Certificate(block));
    if (first) return [first, ...rest];
  } catch (cause) {
    throw new CaError('CA_CERTIFICATE_INVALID', `${origin} holds a certificate that cannot be parsed`, { cause });
  }
  throw new CaError('CA_CERTIFICATE_INVALID', `${origin} holds no PEM certificate`, {
    hint: 'expected a text with -----BEGIN CERTIFICATE-----',
  });
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString().trimEnd()}\n`;
}

/** Node writes a name's parts on a line each. */
function oneLine(name: string): string {
  return name.split('\n').join(', ');
}

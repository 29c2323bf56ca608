import { createHash, X509Certificate } from 'node:crypto';

const magic = 0xfeedfeed;
const version = 2;
const trustedCertificate = 2;
/** Fixed by the format: part of the keyed digest at the end. */
const whitener = 'Mighty Aphrodite';

/**
 * A trust store in the JKS format, which every JDK reads, without any Java at hand. Entries have the certificates' names.
 * The digest at the end guards against damage, not against an attacker: the store holds public certificates only.
 *
 * @param certificates DER
 * @see the format comment of sun.security.provider.JavaKeyStore
 */
export function writeJavaKeyStore(certificates: readonly Buffer[], password: string, createdAt: Date): Buffer {
  const entries = certificates.map((der, index) =>
    Buffer.concat([
      uint32(trustedCertificate),
      modifiedUtf8(`${index} ${alias(der)}`),
      uint64(createdAt.getTime()),
      modifiedUtf8('X.509'),
      uint32(der.length),
      der,
    ]),
  );
  const body = Buffer.concat([uint32(magic), uint32(version), uint32(entries.length), ...entries]);
  const digest = createHash('sha1')
    .update(Buffer.from(password, 'utf16le').swap16())
    .update(whitener)
    .update(body)
    .digest();
  return Buffer.concat([body, digest]);
}

/** For people who list the store; ASCII, so that Java's own variant of UTF-8 is plain text. */
function alias(der: Buffer): string {
  const name = new X509Certificate(der).subject.split('\n').at(-1) ?? '';
  return name
    .toLowerCase()
    .replace(/[^ -~]/g, '?')
    .slice(0, 200);
}

function modifiedUtf8(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

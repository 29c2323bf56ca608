import { createHash, createHmac, X509Certificate } from 'node:crypto';
import { bmp, objectId, octets, sequence, set, tagged, uint } from './der.js';

const data = objectId('1.2.840.113549.1.7.1');
const certBag = objectId('1.2.840.113549.1.12.10.1.3');
const x509Certificate = objectId('1.2.840.113549.1.9.22.1');
const friendlyName = objectId('1.2.840.113549.1.9.20');
/** Oracle's attribute: without it Java takes the certificate for one of a private key that is missing. */
const trustedKeyUsage = objectId('2.16.840.1.113894.746875.1.1');
const anyUsage = objectId('2.5.29.37.0');
const sha1 = sequence(objectId('1.3.14.3.2.26'), Buffer.from([5, 0]));

/** More would protect nothing: the store holds public certificates only. */
const iterations = 1024;

/**
 * A trust store in the PKCS #12 format, Java's own since JDK 9 and readable by JDK 8, without any Java at hand. Entries have the
 * certificates' names and are not encrypted. The keyed digest guards against damage; SHA-1, because every JDK knows it. The same
 * certificates give the same bytes.
 *
 * @param certificates DER
 * @see RFC 7292
 */
export function writeTrustStore(certificates: readonly Buffer[], password: string): Buffer {
  const bags = certificates.map((der, index) =>
    sequence(
      certBag,
      tagged(0, sequence(x509Certificate, tagged(0, octets(der)))),
      set(attribute(friendlyName, bmp(`${index} ${alias(der)}`)), attribute(trustedKeyUsage, anyUsage)),
    ),
  );
  const safe = sequence(content(sequence(...bags)));
  const salt = createHash('sha1').update(safe).digest().subarray(0, 8);
  const mac = createHmac('sha1', macKey(password, salt)).update(safe).digest();
  return sequence(uint(3), content(safe), sequence(sequence(sha1, octets(mac)), octets(salt), uint(iterations)));
}

function content(body: Buffer): Buffer {
  return sequence(data, tagged(0, octets(body)));
}

function attribute(type: Buffer, value: Buffer): Buffer {
  return sequence(type, set(value));
}

/** RFC 7292 appendix B.2 for an integrity key (id 3) as long as the digest, which takes one round only. */
function macKey(password: string, salt: Buffer): Buffer {
  const block = 64;
  const fill = (bytes: Buffer) => Buffer.alloc(block * Math.ceil(bytes.length / block), bytes);
  const text = Buffer.concat([Buffer.from(password, 'utf16le').swap16(), Buffer.alloc(2)]);
  let key = Buffer.concat([Buffer.alloc(block, 3), fill(salt), fill(text)]);
  for (let round = 0; round < iterations; round += 1) key = createHash('sha1').update(key).digest();
  return key;
}

/** For people who list the store. */
function alias(der: Buffer): string {
  const name = new X509Certificate(der).subject.split('\n').at(-1) ?? '';
  return name
    .toLowerCase()
    .replace(/[^ -~]/g, '?')
    .slice(0, 200);
}

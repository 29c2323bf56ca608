/** ASCII armor of OpenPGP (RFC 9580 §6): base64 with a CRC-24. Nothing here judges keys; the apt inspectors do. */

const begin = '-----BEGIN PGP PUBLIC KEY BLOCK-----';
const end = '-----END PGP PUBLIC KEY BLOCK-----';
/** Packet type of a public primary key (RFC 9580 §5). */
const publicKeyTag = 6;

/** Writes a binary keyring (one or several keys) as one armored block. */
export function armorPublicKeys(keyring: Uint8Array): string {
  const lines =
    Buffer.from(keyring)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  const crc = crc24(keyring);
  const sum = Buffer.from([crc >> 16, (crc >> 8) & 0xff, crc & 0xff]).toString('base64');
  return [begin, '', ...lines, `=${sum}`, end, ''].join('\n');
}

/** Only the public-key blocks of a text, in order, without what stands around them. */
export function publicKeyBlocks(text: string): string[] {
  const pattern = new RegExp(`${begin}[\\s\\S]*?${end}`, 'g');
  return [...text.replaceAll('\r\n', '\n').matchAll(pattern)].map((match) => match[0]);
}

/**
 * What is wrong with an armored text of public keys, or undefined: damaged armor, a wrong checksum, something else than a
 * public key (a secret key above all). Whether the key itself can be used is not looked at here.
 */
export function publicKeyFault(text: string): string | undefined {
  if (/BEGIN PGP PRIVATE KEY/.test(text)) return 'holds a private key; export the public one';
  const blocks = publicKeyBlocks(text);
  if (blocks.length === 0) return 'holds no complete OpenPGP public key block (BEGIN without END?)';
  for (const [index, block] of blocks.entries()) {
    const fault = blockFault(block);
    if (fault) return blocks.length === 1 ? fault : `block ${index + 1} of ${blocks.length}: ${fault}`;
  }
  return undefined;
}

function blockFault(block: string): string | undefined {
  const lines = block
    .split('\n')
    .slice(1, -1)
    .map((line) => line.trim());
  const blank = lines.indexOf('');
  const headers = blank < 0 ? [] : lines.slice(0, blank);
  if (blank < 0 || headers.some((line) => !/^[A-Za-z][\w-]*: /.test(line)))
    return 'the armor has no blank line before its data';
  const body = lines.slice(blank + 1).filter((line) => line !== '');
  const sum = body.at(-1)?.startsWith('=') && body.at(-1)?.length === 5 ? body.pop()?.slice(1) : undefined;
  const base64 = body.join('');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0)
    return 'the armor holds text that is not base64';
  const bytes = Buffer.from(base64, 'base64');
  if (sum !== undefined && Buffer.from(sum, 'base64').readUIntBE(0, 3) !== crc24(bytes)) {
    return 'the checksum does not fit: the key was cut or changed';
  }
  return packetTag(bytes[0] ?? 0) === publicKeyTag ? undefined : 'does not begin with a public key';
}

/** Type in a packet's first octet, both formats; undefined when it is no packet. */
function packetTag(octet: number): number | undefined {
  if ((octet & 0x80) === 0) return undefined;
  return (octet & 0x40) === 0 ? (octet >> 2) & 0x0f : octet & 0x3f;
}

/** Whether bytes look like a binary OpenPGP keyring. */
export function isBinaryKeyring(bytes: Uint8Array): boolean {
  return packetTag(bytes[0] ?? 0) === publicKeyTag;
}

/** RFC 9580 §6.1: polynomial 0x864CFB, start 0xB704CE. */
function crc24(bytes: Uint8Array): number {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  return crc & 0xffffff;
}

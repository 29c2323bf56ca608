import { type CatalogParser, type Digest, isHexDigest } from '@waybill/contracts';
import { decodeUtf8 } from '../apt/deb822.js';
import { FormatProblem, quote } from '../apt/format-problem.js';
import { readClearsigned } from '../apt/open-pgp.js';
import { isSafePath, withoutDot } from '../apt/safe-path.js';
import { readAtMost } from '../read-at-most.js';

/** Kind of the catalogs that signed lists are. */
export const checksumsKind = 'generic.checksums';
export const maxListBytes = 16 * 2 ** 20;
const maxEntries = 100_000;
const longestLine = 8_192;

/** Digests by the path of the file, relative to the list. */
export type ChecksumList = ReadonlyMap<string, Digest>;

/**
 * Reads a list of digests as `sha256sum`, `sha512sum` and their BSD forms write it. Weaker digests are left out: they prove nothing.
 * @throws FormatProblem for lines of another shape, unsafe names, or two digests of one file
 * @see coreutils manual, "cksum: Output formats"
 */
export function parseChecksums(text: string): ChecksumList {
  const found = new Map<string, Digest>();
  let number = 0;
  for (const raw of text.split('\n')) {
    number += 1;
    const line = raw.trimEnd();
    if (line === '' || line.startsWith('#')) continue;
    if (line.length > longestLine) throw new FormatProblem(`line ${number} is longer than ${longestLine} characters`);
    const [hex, listed] = readLine(line, number);
    const algorithm = hex.length === 64 ? 'sha256' : hex.length === 128 ? 'sha512' : undefined;
    const name = withoutDot(listed);
    if (!isSafePath(name)) throw new FormatProblem(`line ${number} lists the unsafe name ${quote(listed)}`);
    if (!algorithm || !isHexDigest(algorithm, hex)) continue;
    const known = found.get(name);
    if (known && (known.hex !== hex || known.algorithm !== algorithm))
      throw new FormatProblem(`gives two digests of ${quote(name)}`);
    if (found.size === maxEntries) throw new FormatProblem(`lists more than ${maxEntries} files`);
    found.set(name, { algorithm, hex });
  }
  return found;
}

/** Digest in lower case and name, of `<hex>  <name>`, `<hex> *<name>` or `SHA256 (<name>) = <hex>`. */
function readLine(line: string, number: number): readonly [hex: string, name: string] {
  const [, hex, name] = /^([0-9a-fA-F]{32,128}) [ *]?(\S.*)$/.exec(line) ?? [];
  if (hex !== undefined && name !== undefined) return [hex.toLowerCase(), name];
  const [, bsdName, bsdHex] = /^[A-Z0-9-]{3,10} \((.+)\) = ([0-9a-fA-F]{32,128})$/.exec(line) ?? [];
  if (bsdName !== undefined && bsdHex !== undefined) return [bsdHex.toLowerCase(), bsdName];
  throw new FormatProblem(`line ${number} is no digest and name: ${quote(line)}`);
}

/** Reads a list again whose signature the session has checked. */
export const checksumsParser: CatalogParser<ChecksumList> = {
  kind: checksumsKind,
  async parse(bytes) {
    return parseChecksums(await textOfList(await readAtMost(bytes, maxListBytes, FormatProblem)));
  },
  weigh: (list) => 500 + list.size * 500,
};

const clearsigned = '-----BEGIN PGP SIGNED MESSAGE-----';

/** Whether the list carries its signature itself. */
export function isClearsigned(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, clearsigned.length)).toString('latin1') === clearsigned;
}

/** The signed part of a list. @throws FormatProblem */
export async function textOfList(bytes: Buffer): Promise<string> {
  return isClearsigned(bytes) ? (await readClearsigned(bytes)).text : decodeUtf8(bytes);
}

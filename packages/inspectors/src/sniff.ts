import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';

/** How much of a body decides about its type. specs/fetch-service.md §4.2. */
export const sniffedBytes = 64 * 1024;

/** Magic numbers: type, offset, bytes as latin-1 text. The first that fits decides. */
const magics: readonly (readonly [type: string, offset: number, magic: string])[] = [
  ['application/vnd.debian.binary-package', 0, '!<arch>\ndebian-binary'],
  ['application/x-archive', 0, '!<arch>\n'],
  ['application/gzip', 0, '\x1f\x8b'],
  ['application/x-xz', 0, '\xfd7zXZ\0'],
  ['application/zstd', 0, '\x28\xb5\x2f\xfd'],
  ['application/x-lz4', 0, '\x04\x22\x4d\x18'],
  ['application/x-bzip2', 0, 'BZh'],
  ['application/x-7z-compressed', 0, '7z\xbc\xaf\x27\x1c'],
  ['application/zip', 0, 'PK\x03\x04'],
  ['application/zip', 0, 'PK\x05\x06'],
  ['application/x.squashfs', 0, 'hsqs'],
  ['application/x-rpm', 0, '\xed\xab\xee\xdb'],
  ['application/x.git.pack', 0, 'PACK\0\0\0'],
  ['application/wasm', 0, '\0asm'],
  ['application/x-elf', 0, '\x7fELF'],
  ['application/java-vm', 0, '\xca\xfe\xba\xbe'],
  ['application/x-sqlite3', 0, 'SQLite format 3\0'],
  ['application/pdf', 0, '%PDF-'],
  ['image/png', 0, '\x89PNG\r\n\x1a\n'],
  ['image/jpeg', 0, '\xff\xd8\xff'],
  ['image/gif', 0, 'GIF8'],
  ['application/x-tar', 257, 'ustar'],
];

/** Magic numbers at the start by their first byte: most bodies are told apart by it alone. */
const magicsByFirstByte = new Map<number, (typeof magics)[number][]>();
/** Those that lie further in. */
const laterMagics = magics.filter(([, offset]) => offset > 0);
for (const entry of magics) {
  const [, offset, magic] = entry;
  if (offset > 0) continue;
  const first = magic.charCodeAt(0);
  magicsByFirstByte.set(first, [...(magicsByFirstByte.get(first) ?? []), entry]);
}

/** What text begins with, after blanks. */
const texts: readonly (readonly [type: string, start: RegExp])[] = [
  ['application/pgp-clearsigned', /^-----BEGIN PGP SIGNED MESSAGE-----/],
  ['application/pgp-keys', /^-----BEGIN PGP PUBLIC KEY BLOCK-----/],
  ['application/pgp-signature', /^-----BEGIN PGP SIGNATURE-----/],
  ['application/x-pem-file', /^-----BEGIN [A-Z0-9 ]+-----/],
  ['application/x.ubuntu.assertion', /^type: (account|account-key|snap-declaration|snap-revision|serial|model)\n/],
  ['text/x-shellscript', /^#!/],
  ['text/html', /^<(!doctype html|html|head|body)\b/i],
  ['image/svg+xml', /^(<\?xml[^>]*>\s*)?<svg\b/],
  ['application/xml', /^<\?xml\b/],
];

/** MIME type of a body that begins with these bytes; `application/octet-stream` when nothing fits. */
export function sniffType(head: Uint8Array): string {
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, sniffedBytes));
  if (bytes.length === 0) return 'application/x-empty';
  for (const candidates of [magicsByFirstByte.get(bytes[0] as number), laterMagics]) {
    for (const [type, offset, magic] of candidates ?? []) {
      if (bytes.length > offset && bytes.toString('latin1', offset, offset + magic.length) === magic) return type;
    }
  }
  if (isOldTar(bytes)) return 'application/x-tar';
  const text = textOf(bytes, head.byteLength >= sniffedBytes);
  if (text === undefined) return 'application/octet-stream';
  const start = text.trimStart();
  for (const [type, pattern] of texts)
    if (pattern.test(type === 'text/html' ? behindComments(start) : start)) return type;
  return looksLikeJson(start, bytes.length < sniffedBytes) ? 'application/json' : 'text/plain';
}

/**
 * Reads up to {@link sniffedBytes} and destroys the stream.
 * @throws what the stream throws
 */
export async function sniffStream(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= sniffedBytes) break;
  }
  return sniffType(Buffer.concat(chunks));
}

/** Text without binary control characters; a character cut off at the end of a full window does not count. */
function textOf(bytes: Buffer, cut: boolean): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what tells binary from text
  const binary = /[\0-\x08\x0e-\x1a\x1c-\x1f]/;
  for (let tail = 0; tail <= (cut ? 3 : 0); tail += 1) {
    const part = bytes.subarray(0, bytes.length - tail);
    if (!isUtf8(part)) continue;
    const text = part.toString('utf8').replace(/^\uFEFF/, '');
    return binary.test(text) ? undefined : text;
  }
  return undefined;
}

/** HTML may begin with comments. Not one expression: where several repeat, backtracking takes exponential time. */
function behindComments(text: string): string {
  let at = 0;
  while (text.startsWith('<!--', at)) {
    const end = text.indexOf('-->', at + '<!--'.length);
    if (end < 0) return '';
    at = end + '-->'.length;
    while (/\s/.test(text.charAt(at))) at += 1;
  }
  return text.slice(at);
}

function looksLikeJson(text: string, whole: boolean): boolean {
  if (!/^[[{]/.test(text)) return false;
  if (!whole) return /^(\{\s*"|\[\s*[[{"\d-])/.test(text);
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** tar before POSIX has no magic: its header checksum must fit. */
function isOldTar(bytes: Buffer): boolean {
  if (bytes.length < 512) return false;
  const recorded = Number.parseInt(bytes.toString('latin1', 148, 156).replace(/[\0 ]+$/, ''), 8);
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at += 1) if (at < 148 || at >= 156) sum += bytes[at] ?? 0;
  return recorded === sum && bytes[0] !== 0;
}

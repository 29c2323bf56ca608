import type { CacheBlob } from '@waybill/cache-store';
import { invalid, readDigest } from './digest.js';

/** What a resource name of ByteStream says. specs: §4.2 of the remote execution API's `ContentAddressableStorage`. */
export interface ResourceName {
  /** Empty for the default one; any number of segments. */
  readonly instance: string;
  readonly blob: CacheBlob;
  /** How the bytes travel; hash and size are always those of the plain bytes. */
  readonly compressor: 'identity' | 'zstd';
}

const longest = 2048;

/**
 * `{instance/}blobs/{hash}/{size}`, `{instance/}compressed-blobs/{compressor}/{hash}/{size}`, each with `sha256/` before the hash or
 * not, and the bare `{hash}/{size}` of BuildStream 1.1.
 * @throws ConnectError InvalidArgument
 */
export function parseReadName(name: string): ResourceName {
  const parts = split(name);
  const at = parts.findIndex(isKeyword);
  if (at < 0 && parts.length === 2) return { instance: '', blob: blobOf(parts, name), compressor: 'identity' };
  return { instance: parts.slice(0, Math.max(at, 0)).join('/'), ...contentOf(parts.slice(at), name, 'exact') };
}

/**
 * `{instance/}uploads/{uuid}/` and what {@link parseReadName} takes, then anything: the client's own remarks.
 * @throws ConnectError InvalidArgument
 */
export function parseWriteName(name: string): ResourceName {
  const parts = split(name);
  const at = parts.indexOf('uploads');
  if (at < 0 && parts.length === 2) return { instance: '', blob: blobOf(parts, name), compressor: 'identity' };
  if (at < 0 || !parts[at + 1]) throw unreadable(name, '{instance/}uploads/{uuid}/blobs/{hash}/{size}');
  return { instance: parts.slice(0, at).join('/'), ...contentOf(parts.slice(at + 2), name, 'with remarks') };
}

function split(name: string): string[] {
  if (name.length > longest) throw invalid(`a resource name of ${name.length} characters, at most ${longest} are read`);
  return name.split('/');
}

function isKeyword(part: string): boolean {
  return part === 'blobs' || part === 'compressed-blobs';
}

function contentOf(parts: readonly string[], name: string, form: 'exact' | 'with remarks') {
  const [keyword = '', ...rest] = parts;
  if (!isKeyword(keyword)) throw unreadable(name, '{instance/}blobs/{hash}/{size}');
  const compressor = keyword === 'blobs' ? 'identity' : compressorOf(rest.shift(), name);
  if (rest[0] === 'sha256') rest.shift();
  if (form === 'exact' && rest.length > 2) throw unreadable(name, 'nothing behind the size');
  return { blob: blobOf(rest, name), compressor } as const;
}

function compressorOf(part: string | undefined, name: string): 'identity' | 'zstd' {
  if (part === 'zstd' || part === 'identity') return part;
  throw unreadable(name, 'the compressor zstd');
}

function blobOf([hash = '', size = '']: readonly string[], name: string): CacheBlob {
  // BigInt would take blanks, signs and other bases.
  if (!/^(0|[1-9][0-9]{0,15})$/.test(size)) throw unreadable(name, 'a size in decimal digits behind the hash');
  return readDigest({ hash, sizeBytes: BigInt(size) }, `resource ${JSON.stringify(name)}`);
}

function unreadable(name: string, wanted: string) {
  return invalid(`resource name ${JSON.stringify(name.slice(0, 300))}: expected ${wanted}`);
}

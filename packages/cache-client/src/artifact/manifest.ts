import { type CacheArtifact, type CacheBlobDocument, cacheArtifactSchema, canonicalJson } from '@waybill/contracts';
import type { z } from 'zod';
import { CacheClientError } from '../errors.js';

/** Largest manifest that is read. */
export const maxManifestBytes = 64 * 1024 * 1024;

/** Reads a manifest that came from somewhere. @throws CacheClientError CACHE_ARTIFACT_DAMAGED */
export function parseManifest(bytes: Uint8Array): CacheArtifact {
  const parsed = cacheArtifactSchema.safeParse(parseJson(bytes));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw damaged(`${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'not JSON'}`);
  }
  checkTree(parsed.data.files);
  return parsed.data;
}

/** The bytes of a manifest. */
export function manifestBytes(manifest: z.input<typeof cacheArtifactSchema>): Buffer {
  const whole = cacheArtifactSchema.parse(manifest);
  checkTree(whole.files);
  return Buffer.from(canonicalJson(whole));
}

/** Every blob that the manifest needs, each once, itself not among them. */
export function referencesOf(manifest: CacheArtifact): CacheBlobDocument[] {
  const all = new Map<string, CacheBlobDocument>();
  const add = (blob: CacheBlobDocument | undefined) => {
    if (!blob) return;
    const known = all.get(blob.sha256);
    if (known && known.size !== blob.size) throw damaged(`blob ${blob.sha256} is named with two sizes`);
    all.set(blob.sha256, { sha256: blob.sha256, size: blob.size });
  };
  add(manifest['key-document']);
  add(manifest.record);
  for (const item of manifest.files) if (item.type === 'file') add(item);
  return [...all.values()];
}

/** In order, each path once, each in a directory that the list names: nothing lies below a file or a symbolic link. */
function checkTree(files: CacheArtifact['files']): void {
  const directories = new Set<string>();
  let before = '';
  for (const { path, type } of files) {
    if (path <= before) throw damaged(`${JSON.stringify(path)} stands twice or out of order in the list of files`);
    before = path;
    const slash = path.lastIndexOf('/');
    if (slash < 0 ? type !== 'directory' : !directories.has(path.slice(0, slash))) {
      throw damaged(`${JSON.stringify(path)} does not lie in a directory of the artifact`);
    }
    if (type === 'directory') directories.add(path);
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function damaged(what: string): CacheClientError {
  return new CacheClientError('CACHE_ARTIFACT_DAMAGED', `the manifest of the artifact cannot be used: ${what}`);
}

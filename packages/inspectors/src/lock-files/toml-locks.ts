import type { Digest } from '@waybill/contracts';
import { isHexDigest } from '@waybill/contracts';
import { parse } from 'smol-toml';
import { normalizeName } from '../pip/names.js';
import { collectLocked, digestOfHash, type LockedEntry, LockFileError, members, textOf } from './locked.js';

/**
 * Entries of `Cargo.lock`: a checksum for each crate of a registry.
 * @throws LockFileError
 * @see The Cargo Book, Cargo.toml vs Cargo.lock
 */
export function readCargoLock(text: string): readonly LockedEntry[] {
  const top = readToml(text);
  const { add, entries } = collectLocked();
  for (const entry of packagesOf(top)) {
    addCrate(entry, entry.get('checksum'), add);
  }
  // Version 1 keeps checksums apart: "checksum <name> <version> (<source>)" = "<hex>".
  for (const [key, hex] of members(top.get('metadata')) ?? []) {
    const [, name, version] = /^checksum (\S+) (\S+) \(/.exec(key) ?? [];
    if (name && version)
      addCrate(
        new Map([
          ['name', name],
          ['version', version],
        ]),
        hex,
        add,
      );
  }
  return entries;
}

function addCrate(entry: ReadonlyMap<string, unknown>, hex: unknown, add: (entry: LockedEntry) => void): void {
  const name = textOf(entry.get('name'), 255);
  const version = textOf(entry.get('version'), 256);
  if (!name || !version || typeof hex !== 'string' || !isHexDigest('sha256', hex)) return;
  add({ ecosystem: 'cargo', name, version, digests: [{ algorithm: 'sha256', hex }] });
}

/**
 * Entries of `uv.lock`: a hash for each wheel and source archive.
 * @throws LockFileError
 * @see uv's documentation, Project structure: the lockfile
 */
export function readUvLock(text: string): readonly LockedEntry[] {
  const { add, entries } = collectLocked();
  for (const entry of packagesOf(readToml(text))) {
    const name = textOf(entry.get('name'), 214);
    const version = textOf(entry.get('version'), 256) ?? '';
    const wheels = entry.get('wheels');
    const files = [entry.get('sdist'), ...(Array.isArray(wheels) ? wheels : [])].map(members);
    for (const file of files) {
      const digest: Digest | undefined = digestOfHash(file?.get('hash'));
      const fileName = fileOf(textOf(file?.get('url')) ?? textOf(file?.get('filename')) ?? textOf(file?.get('path')));
      if (name && digest && fileName)
        add({ ecosystem: 'pip', name: normalizeName(name), version, digests: [digest], file: fileName });
    }
  }
  return entries;
}

function fileOf(place: string | undefined): string | undefined {
  const path = place?.split(/[?#]/, 1)[0] ?? '';
  const last = path.slice(path.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(last) || undefined;
  } catch {
    return undefined;
  }
}

function packagesOf(top: ReadonlyMap<string, unknown>): ReadonlyMap<string, unknown>[] {
  const list = top.get('package');
  return (Array.isArray(list) ? list : []).flatMap((entry) => members(entry) ?? []);
}

function readToml(text: string): ReadonlyMap<string, unknown> {
  try {
    return members(parse(text)) ?? new Map();
  } catch (error) {
    throw new LockFileError(`is not TOML: ${error instanceof Error ? error.message.split('\n')[0] : ''}`);
  }
}

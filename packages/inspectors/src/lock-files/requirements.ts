import type { Digest } from '@waybill/contracts';
import { normalizeName } from '../pip/names.js';
import { collectLocked, digestOfHash, type LockedEntry, LockFileError } from './locked.js';

/**
 * Entries of a `requirements.txt` with `--hash`: each requirement's hashes are of any of its files.
 * @throws LockFileError for hashes of something that is no pinned requirement
 * @see pip's documentation, Requirements File Format and Hash-checking Mode
 */
export function readRequirements(text: string): readonly LockedEntry[] {
  const { add, entries } = collectLocked();
  for (const { line, number } of logicalLines(text)) {
    const words = line.split(/[ \t]+/);
    const hashes = words.flatMap((word, at) =>
      word === '--hash' ? [words[at + 1] ?? ''] : word.startsWith('--hash=') ? [word.slice('--hash='.length)] : [],
    );
    if (hashes.length === 0) continue;
    const digests = hashes.map(digestOfHash).filter((digest): digest is Digest => digest !== undefined);
    const [, name = '', version = ''] =
      /^([A-Za-z0-9][A-Za-z0-9._-]{0,213})(?:\[[^\]]{0,512}\])?[ \t]*(?:===?[ \t]*([^ \t;,]{1,256})|@|[ \t;])/.exec(
        line,
      ) ?? [];
    if (name === '') throw new LockFileError(`line ${number} has hashes of something that is no named requirement`);
    if (digests.length > 0) add({ ecosystem: 'pip', name: normalizeName(name), version, digests });
  }
  return entries;
}

/** Lines with their continuations, without comments. */
function* logicalLines(text: string): Generator<{ readonly line: string; readonly number: number }> {
  let parts: string[] = [];
  let length = 0;
  let number = 0;
  for (const raw of text.split('\n')) {
    number += 1;
    const line = raw.replace(/\r$/, '');
    length += line.length;
    if (length > 1 << 20) throw new LockFileError(`line ${number} is longer than 1 MiB with its continuations`);
    const isOpen = line.endsWith('\\');
    parts.push(isOpen ? line.slice(0, -1) : line);
    if (isOpen) continue;
    const whole = withoutComment(parts.join(' ')).trim();
    parts = [];
    length = 0;
    if (whole !== '') yield { line: whole, number };
  }
  const rest = withoutComment(parts.join(' ')).trim();
  if (rest !== '') yield { line: rest, number };
}

function withoutComment(line: string): string {
  if (line.startsWith('#')) return '';
  const at = line.indexOf(' #');
  return at === -1 ? line : line.slice(0, at);
}

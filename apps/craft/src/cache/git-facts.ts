import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { walkTree } from '../files/walk-tree.js';

/** What `git describe` and the like say of a clone. */
export interface GitFacts {
  readonly commit: string;
  /** Digest of all tags with what they point to. */
  readonly tags: string;
}

/** Reads a `.git` directory; `undefined` when it is none, or has no commit yet. */
export async function gitFacts(directory: string): Promise<GitFacts | undefined> {
  const head = await read(join(directory, 'HEAD'));
  if (head === undefined) return undefined;
  const packed = parsePackedRefs((await read(join(directory, 'packed-refs'))) ?? '');
  const [, ref] = /^ref: (refs\/[^\0]+)$/.exec(head) ?? [];
  const commit = ref === undefined ? head : ((await readRef(directory, ref)) ?? packed.get(ref));
  if (commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit)) return undefined;
  const tags = new Map([...packed].filter(([name]) => name.startsWith('refs/tags/')));
  const loose = await walkTree(join(directory, 'refs/tags')).catch(() => []);
  for (const { path, kind } of loose) {
    const id = kind === 'file' ? await readRef(directory, `refs/tags/${path}`) : undefined;
    if (id !== undefined) tags.set(`refs/tags/${path}`, id);
  }
  const text = [...tags].map(([name, id]) => `${id} ${name}\n`).sort();
  return { commit, tags: createHash('sha256').update(text.join('')).digest('hex') };
}

function parsePackedRefs(text: string): Map<string, string> {
  const lines = text.split('\n').map((line) => /^([0-9a-f]{40,64}) (refs\/\S+)$/.exec(line));
  return new Map(lines.flatMap((match) => (match?.[1] && match[2] ? [[match[2], match[1]] as const] : [])));
}

/** A name with `..` would lead out of the clone. */
async function readRef(directory: string, ref: string): Promise<string | undefined> {
  return ref.split('/').includes('..') ? undefined : read(join(directory, ref));
}

async function read(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(() => undefined))?.trim();
}

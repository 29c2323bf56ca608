import { createHash, randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Logger } from '@waybill/contracts';
import type { ArtifactNames, NewArtifact } from '../src/index.js';

/** A temporary directory that goes with the test. */
export async function temporaryDirectory(): Promise<{ path: string; [Symbol.asyncDispose](): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'waybill-cache-client-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

export function namesOf(part: string, key: string = randomUUID()): ArtifactNames {
  return { project: 'demo', part, platform: 'amd64', key: sha256(key), weakKey: sha256(`weak ${part}`) };
}

/** Writes a tree: text for files, `-> target` for links, undefined for directories. */
export async function writeTree(
  root: string,
  files: Readonly<Record<string, string | Buffer | undefined>>,
): Promise<string> {
  await mkdir(root, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const full = join(root, path);
    await mkdir(content === undefined ? full : dirname(full), { recursive: true });
    if (typeof content === 'string' && content.startsWith('-> ')) await symlink(content.slice(3), full);
    else if (content !== undefined) await writeFile(full, content);
  }
  return root;
}

/** A built part with a program, a link and an empty directory. */
export async function builtPart(root: string, names: ArtifactNames, text = 'hello'): Promise<NewArtifact> {
  const install = await writeTree(join(root, randomUUID()), {
    'bin/tool': `#!/bin/sh\necho ${text}\n`,
    'bin/alias': '-> tool',
    'etc/deep/file.conf': `${text} = 1\n`,
    'var/empty': undefined,
  });
  await chmod(join(install, 'bin/tool'), 0o755);
  return {
    names,
    trees: { install },
    keyDocument: Buffer.from(`{"part":"${names.part}"}`),
    record: Buffer.from('{"artifacts":[]}'),
    sessionPolicy: 'strict',
    builtBy: 'test 1.0.0',
    createdAt: new Date('2026-11-20T12:00:00Z'),
    details: { version: '1.2' },
  };
}

/** A log that keeps what it is told. */
export function keptLog(): Logger & { readonly warnings: string[]; readonly infos: string[] } {
  const warnings: string[] = [];
  const infos: string[] = [];
  return {
    warnings,
    infos,
    debug() {},
    info: (_fields, message) => void infos.push(message),
    warn: (_fields, message) => void warnings.push(message),
    error: (_fields, message) => void warnings.push(message),
  };
}

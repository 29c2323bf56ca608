import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Files for a sandbox that name the user inside, so that programs which ask who they are get an answer. Empty when the host's
 * own files name it already. Returns pairs of host file and path inside.
 */
export function writeUserDatabase(
  directory: string,
  identity: { uid: number; gid: number },
): [source: string, inside: string][] {
  const { uid, gid } = identity;
  return [
    ...withEntry(directory, '/etc/passwd', uid, `build:x:${uid}:${gid}:Waybill build:/nonexistent:/bin/sh`),
    ...withEntry(directory, '/etc/group', gid, `build:x:${gid}:`),
  ];
}

function withEntry(directory: string, file: string, id: number, entry: string): [string, string][] {
  const text = readText(file);
  if (text === undefined || text.split('\n').some((line) => line.split(':')[2] === String(id))) return [];
  const copy = join(directory, file.slice('/etc/'.length));
  writeFileSync(copy, `${text.replace(/\n*$/, '\n')}${entry}\n`, { mode: 0o644 });
  return [[copy, file]];
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Addresses that this process listens on, as /proc/net/tcp writes them. */
export function listeningSockets(): string[] {
  const inodes = new Set(readdirSync('/proc/self/fd').map(inodeOf));
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && inodes.has(fields[9]))
    .map((fields) => fields[1] as string)
    .sort();
}

function inodeOf(descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${descriptor}`))?.[1];
  } catch {
    return undefined;
  }
}

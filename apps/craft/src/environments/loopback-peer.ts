import { readFileSync } from 'node:fs';

/** System accounts end here: programs that root starts work as some of them (apt downloads as `_apt`). */
const firstPerson = 1000;

/**
 * Whether the program at the other end of a loopback connection runs as the user of this process, or as root. Everybody on a
 * machine can connect to a port on loopback; whose the other end is stands in the kernel's table. Elsewhere than on Linux there
 * is no such table, and everybody is let in.
 */
export function isOwnPeer(
  { remotePort, localPort }: { readonly remotePort?: number | undefined; readonly localPort?: number | undefined },
  {
    uid = process.getuid?.() ?? 0,
    tables = ['/proc/net/tcp', '/proc/net/tcp6'],
    platform = process.platform as string,
  } = {},
): boolean {
  if (platform !== 'linux') return true;
  const peer = tables.map((table) => ownerIn(table, remotePort, localPort)).find((owner) => owner !== undefined);
  if (peer === undefined) return false;
  return peer === uid || peer === 0 || (uid === 0 && peer < firstPerson);
}

/** The user who owns the socket from one local port to another. */
function ownerIn(table: string, from: number | undefined, to: number | undefined): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const ports = [hexPort(from), hexPort(to)];
  for (const line of linesOf(table)) {
    // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid …
    const [, local = '', remote = '', , , , , owner] = line.trim().split(/\s+/);
    if (local.endsWith(`:${ports[0]}`) && remote.endsWith(`:${ports[1]}`) && isLoopback(local)) return Number(owner);
  }
  return undefined;
}

/** Addresses are written as hexadecimal words in the machine's own byte order. */
function isLoopback(address: string): boolean {
  const [ip = ''] = address.split(':');
  const word = ip.slice(-8);
  const isMapped = ip.length === 8 || /^0{16}(0000FFFF|FFFF0000)$/.test(ip.slice(0, 24));
  return isMapped && (word.endsWith('7F') || word.startsWith('7F'));
}

function hexPort(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}

function linesOf(table: string): string[] {
  try {
    return readFileSync(table, 'utf8').split('\n');
  } catch {
    return [];
  }
}

import { isIP } from 'node:net';
import { CaError } from './ca-error.js';

/** A host that a leaf can name, in its one spelling. */
export interface LeafHost {
  readonly kind: 'dns' | 'ip';
  /** Lower-case DNS name without trailing dot, or canonical address without brackets. */
  readonly name: string;
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * Checks a host from a CONNECT line or SNI before it is used for anything. DNS names (underscores are taken, wildcards are
 * not, international names only in their `xn--` form) and IP addresses without zone.
 *
 * @throws CaError CA_HOST_INVALID
 */
export function parseLeafHost(host: string): LeafHost {
  const family = isIP(host);
  if (family !== 0 && !host.includes('%')) return { kind: 'ip', name: canonicalIp(host, family) };
  const name = (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase();
  const problem = dnsProblem(name);
  if (problem) {
    throw new CaError(
      'CA_HOST_INVALID',
      `no certificate is made for host ${JSON.stringify(host.slice(0, 300))}: ${problem}`,
    );
  }
  return { kind: 'dns', name };
}

function dnsProblem(name: string): string | undefined {
  if (name === '') return 'it is empty';
  if (name.length > 253) return `it has ${name.length} characters, names have at most 253`;
  // `constructor` and `__proto__` are no hosts that exist, and kill whatever keeps hosts in a plain object (engine-hazards).
  if (name in {}) return 'it is a name with a meaning to the runtime';
  if (name.includes('*')) return 'wildcards are not issued';
  const labels = name.split('.');
  const bad = labels.find((part) => !label.test(part));
  if (bad !== undefined) return `${JSON.stringify(bad.slice(0, 70))} is not a DNS label`;
  // URL parsers read `127.1` and `0x7f.1` as addresses.
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? ''))
    return 'a name that ends in a number is neither an address nor a DNS name';
  return undefined;
}

function canonicalIp(host: string, family: number): string {
  return family === 4 ? host : new URL(`http://[${host}]`).hostname.slice(1, -1);
}

import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isWaybillError } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import type { ListenOptions } from './serve-options.js';

/** `::` takes IPv4 too; where the machine has no IPv6, `0.0.0.0`. */
export async function allInterfaces(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const probe = createServer();
  probe.once('error', () => resolve('0.0.0.0'));
  probe.listen(0, '::', () => probe.close(() => resolve('::')));
  return promise;
}

/** Whether an address stands for all of the machine's. */
export function isWildcard(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}

/** What listens, for messages. */
export interface Listener {
  /** `control API` or `proxy`. */
  readonly name: string;
  /** `--control` or `--proxy`; options end in `-port` and `-host`. */
  readonly option: string;
}

/** A failure to listen in words that say what to do. */
export function listenError(
  cause: unknown,
  { name, option }: Listener,
  { port }: ListenOptions,
  host: string,
): FetchServiceError {
  const code = rootCode(cause);
  const at = `port ${port} of the ${name}`;
  if (code === 'EADDRINUSE') {
    return new FetchServiceError('FETCH_PORT_IN_USE', `${at}: address already in use`, {
      hint: `stop what listens there, or choose another with ${option}-port (0 takes a free one)`,
      cause,
    });
  }
  const hints: Record<string, string> = {
    EACCES: `choose a port above 1023 with ${option}-port`,
    EADDRNOTAVAIL: `${option}-host must be an address of this machine`,
  };
  const hint = code === undefined ? undefined : hints[code];
  const text = `the ${name} cannot listen on ${host} port ${port}: ${messageOf(cause)}`;
  return new FetchServiceError('FETCH_LISTEN_FAILED', text, { cause, ...(hint ? { hint } : {}) });
}

/** The system's code, under the error of the package that listened. */
function rootCode(cause: unknown): string | undefined {
  if (isWaybillError(cause)) return rootCode(cause.cause);
  return systemCode(cause);
}

/** Where a client on this machine reaches a listener. */
export function localUrl(host: string, port: number): string {
  const address = isWildcard(host) ? '127.0.0.1' : host;
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** The addresses of this machine; interfaces come and go, so this is asked again. */
export function machineAddresses(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).map(({ address }) => address.replace(/%.*$/, '')),
  );
  return [...new Set(addresses)].sort();
}

/** Every address and port that is ourselves. */
export function ownEndpoints(
  listeners: readonly { readonly host: string; readonly port: number }[],
  addresses: readonly string[] = machineAddresses(),
): { address: string; port: number }[] {
  return listeners.flatMap(({ host, port }) => {
    const own = isWildcard(host) ? [host, '0.0.0.0', '::', '127.0.0.1', '::1', ...addresses] : [host];
    return own.map((address) => ({ address, port }));
  });
}

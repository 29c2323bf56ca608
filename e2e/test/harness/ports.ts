import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';

/**
 * Two free ports for a daemon that is started again on them. They lie outside the range from which the kernel takes ports for
 * outgoing connections: there, somebody's connection could sit on one while the daemon is down.
 */
export async function freePorts(): Promise<{ readonly control: number; readonly proxy: number }> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '32768 60999');
  const below = Math.min(Number.parseInt(range, 10), 32_768);
  const control = await freePortBelow(below);
  let proxy = await freePortBelow(below);
  while (proxy === control) proxy = await freePortBelow(below);
  return { control, proxy };
}

async function freePortBelow(below: number): Promise<number> {
  const lowest = 2_000;
  for (let tries = 0; tries < 200; tries++) {
    const port = lowest + Math.floor(Math.random() * (below - lowest));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${lowest} to ${below} in 200 tries`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '::', () => server.close(() => resolve(true)));
  });
}

import { readFile, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CreateSessionResponse } from '@waybill/contracts';

/** Sits between craft and the control API of a daemon and notes what is said. */
export interface ControlTap {
  /** `METHOD path` with session ids as ID, in order; without status probes. */
  readonly calls: readonly string[];
  /** Every session that was created. */
  readonly sessions: readonly CreateSessionResponse[];
  close(): Promise<void>;
}

export interface ControlTapOptions {
  /** Calls (as in `calls`) that are answered with 503 the first time. */
  readonly failing?: readonly string[];
}

/** @param runtimeFile names the daemon; it is changed to name the tap, as long as the tap is there */
export async function tapControl(runtimeFile: string, options: ControlTapOptions = {}): Promise<ControlTap> {
  const original = await readFile(runtimeFile, 'utf8');
  const target = JSON.parse(original)['control-url'] as string;
  const calls: string[] = [];
  const sessions: CreateSessionResponse[] = [];
  const failing = new Set(options.failing);
  const server = createServer((incoming, response) => {
    const { method = '', url = '' } = incoming;
    const call = `${method} ${url.replaceAll(/[0-9a-f]{32}/g, 'ID')}`;
    if (url !== '/status' && url !== '/ca.pem') calls.push(call);
    if (failing.delete(call)) return void response.writeHead(503).end('in between');
    const outgoing = request(new URL(url, target), { method, headers: incoming.headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (method === 'POST' && url === '/session') {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => sessions.push(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
      }
      answer.pipe(response);
    });
    outgoing.on('error', () => response.destroy());
    response.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const tapped = { ...JSON.parse(original), 'control-url': `http://127.0.0.1:${port}` };
  await writeFile(runtimeFile, JSON.stringify(tapped));
  return {
    calls,
    sessions,
    async close() {
      await writeFile(runtimeFile, original).catch(() => undefined);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

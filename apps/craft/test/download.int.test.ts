import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream, startHttpUpstream } from '@waybill/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const helper = fileURLToPath(new URL('../src/helpers/download.ts', import.meta.url));

let dir: string;
let secure: HttpUpstream;
let plain: HttpUpstream;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-download-'));
  const ca = await createThrowawayCa();
  await writeFile(join(dir, 'ca.pem'), ca.certificatePem);
  secure = await startHttpsUpstream((_request, response) => void response.end('secure'), { ca });
  plain = await startHttpUpstream((_request, response) => void response.end('plain'));
});
afterAll(async () => {
  await secure.close();
  await plain.close();
  await rm(dir, { recursive: true, force: true });
});

/** A proxy that says what it is asked for, and refuses where told to. */
let proxy: Server;
let asked: string[];
let refusal: string | undefined;
beforeEach(async () => {
  asked = [];
  refusal = undefined;
  proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end('by the proxy');
  });
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    if (refusal !== undefined) return socket.end(`HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n${refusal}`);
    const upstream = connect(secure.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    upstream.pipe(socket).pipe(upstream);
    return undefined;
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  proxy.closeAllConnections();
  proxy.close();
});

async function download(url: string, more: Record<string, string> = {}) {
  const at = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const output = join(dir, 'output');
  await rm(output, { force: true });
  const child = spawn(process.execPath, [helper], {
    env: {
      https_proxy: at,
      http_proxy: at,
      NODE_USE_ENV_PROXY: '1',
      NODE_EXTRA_CA_CERTS: join(dir, 'ca.pem'),
      ...more,
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const order = {
    url,
    output,
    maxBytes: 1e6,
    retryDelaysMs: [],
    idleTimeoutMs: 5_000,
    pinned: false,
    userAgent: 'test',
  };
  child.stdin.end(JSON.stringify(order));
  const events = Buffer.concat(await child.stdout.toArray())
    .toString('utf8')
    .trim()
    .split('\n');
  const last = JSON.parse(events.at(-1) ?? 'null');
  return { last, text: await readFile(output, 'utf8').catch(() => undefined) };
}

describe('the download helper', () => {
  it('goes through a tunnel of the proxy for https', async () => {
    expect(await download(`${secure.url}/file`)).toEqual({ last: { event: 'done', received: 6 }, text: 'secure' });
    expect(asked).toEqual([`CONNECT localhost:${secure.port}`]);
  });

  it('asks the proxy for http', async () => {
    expect((await download(`${plain.url}/file`)).text).toBe('by the proxy');
    expect(asked).toEqual([`GET ${plain.url}/file`]);
    expect(plain.connections).toBe(0);
  });

  it('does not go around a proxy that refuses, and says what the proxy said', async () => {
    refusal = 'refused: not listed';
    const before = secure.connections;
    const { last, text } = await download(`${secure.url}/file`);
    expect(last).toMatchObject({ event: 'error', status: 403 });
    expect(last.message).toContain('refused: not listed');
    expect(text).toBeUndefined();
    expect(secure.connections).toBe(before);
  });

  it('connects directly without a proxy', async () => {
    expect((await download(`${secure.url}/file`, { https_proxy: '' })).text).toBe('secure');
    expect(asked).toEqual([]);
  });
});

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { CacheNamespace, CacheUpload } from '@waybill/cache-store';
import type { FastifyRequest } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiveBody } from '../src/protocols/receive-body.js';

/** An upload that notes what becomes of it. */
class NotedUpload implements CacheUpload {
  size = 0;
  committed = 0;
  aborted = 0;
  async write(chunk: Uint8Array): Promise<void> {
    this.size += chunk.length;
  }
  async commit() {
    this.committed++;
    return { sha256: '0'.repeat(64), size: this.size };
  }
  async abort(): Promise<void> {
    this.aborted++;
  }
}

let upload: NotedUpload;
let server: Server;
let socket: Socket;
let outcome: Promise<unknown>;
let idleMs: number;

beforeEach(async () => {
  upload = new NotedUpload();
  idleMs = 60_000;
  const namespace = { upload: async () => upload } as unknown as CacheNamespace;
  let settle: (value: unknown) => void;
  outcome = new Promise((resolve) => {
    settle = resolve;
  });
  server = createServer(async (request, response) => {
    const options = { namespace, writer: { principal: 'test' }, maxBytes: 1_000_000, idleMs };
    const asked = { raw: request, headers: request.headers } as unknown as FastifyRequest;
    const ended = await receiveBody(asked, options).catch((error: unknown) => error);
    settle(ended);
    response.writeHead(ended instanceof Error ? 413 : 200).end('answered');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
});
afterEach(async () => {
  socket.destroy();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const head = (...fields: string[]) => `PUT / HTTP/1.1\r\nHost: x\r\n${fields.join('\r\n')}\r\n\r\n`;

describe('a body', () => {
  it('of its announced length is stored', async () => {
    socket.write(`${head('Content-Length: 4')}four`);
    expect(await outcome).toEqual({ sha256: '0'.repeat(64), size: 4 });
    expect(upload).toMatchObject({ committed: 1, aborted: 0 });
  });

  it('that stalls is cut off, and what came of it is dropped', async () => {
    idleMs = 300;
    socket.write(`${head('Content-Length: 1000')}some of it`);
    expect(await outcome).toBeInstanceOf(Error);
    expect(upload).toMatchObject({ committed: 0, aborted: 1 });
  });

  it('that breaks off is dropped', async () => {
    socket.write(`${head('Content-Length: 1000')}some of it`);
    socket.destroy();
    expect(await outcome).toBeInstanceOf(Error);
    expect(upload).toMatchObject({ committed: 0, aborted: 1 });
  });

  it('that says it is too large is refused before a byte is taken', async () => {
    socket.write(head('Content-Length: 10737418240'));
    expect(await outcome).toMatchObject({ code: 'CACHE_BLOB_TOO_LARGE' });
    expect(upload.size).toBe(0);
  });

  it('that turns out to be too large is refused, and the answer arrives though the client goes on', async () => {
    const chunk = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    socket.write(head('Transfer-Encoding: chunked'));
    for (let sent = 0; sent < 64; sent++) if (!socket.write(chunk)) await once(socket, 'drain');
    socket.write('0\r\n\r\n');
    expect(await outcome).toMatchObject({ code: 'CACHE_BLOB_TOO_LARGE' });
    expect(upload).toMatchObject({ committed: 0, aborted: 1 });
    while (!answer.includes('answered')) await once(socket, 'data');
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  });
});

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type HttpUpstream,
  sourceArguments,
  startHttpsUpstream,
  startHttpUpstream,
  startRawUpstream,
} from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readUntil } from './client.js';
import { pause, until } from './until.js';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
const chunk = randomBytes(MiB);
const digest = (() => {
  const hash = createHash('sha256');
  for (let i = 0; i < 1024; i += 1) hash.update(chunk);
  return hash.digest('hex');
})();

interface Daemon {
  readonly process: ChildProcess;
  readonly port: number;
  readonly certificatePem: string;
  readonly strict: string;
  readonly permissive: string;
}

/** Promise 7 and the memory lines of specs/engine-hazards.md, with numbers: resident memory of a process of its own. */
describe('memory of the proxy', { timeout: 180_000 }, () => {
  let daemon: Daemon;
  let plain: HttpUpstream;
  let secure: Awaited<ReturnType<typeof startHttpsUpstream>>;
  let sent = 0;
  let isClosed = false;

  const serveGibibyte = (_request: unknown, response: ServerResponse) => {
    sent = 0;
    isClosed = false;
    response.writeHead(200, { 'Content-Length': String(GiB) });
    response.once('close', () => {
      isClosed = true;
    });
    const more = () => {
      while (!response.destroyed && sent < GiB) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };

  beforeAll(async () => {
    plain = await startHttpUpstream(serveGibibyte);
    secure = await startHttpsUpstream(serveGibibyte);
    daemon = await startDaemon(secure.ca.certificatePem);
  }, 60_000);
  afterAll(async () => {
    daemon.process.send('stop');
    await new Promise((resolve) => daemon.process.once('exit', resolve));
    await plain.close();
    await secure.close();
  });

  async function startDaemon(upstreamRoot: string): Promise<Daemon> {
    const child = spawn(process.execPath, sourceArguments(new URL('./memory-daemon.ts', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, UPSTREAM_ROOT: upstreamRoot },
    });
    const said = await new Promise<Omit<Daemon, 'process'>>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Omit<Daemon, 'process'>));
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}`)));
    });
    return { process: child, ...said };
  }

  function ask(question: 'reset' | 'peak'): Promise<number> {
    return new Promise((resolve) => {
      daemon.process.once('message', (message) => resolve((message as { rss: number }).rss));
      daemon.process.send(question);
    });
  }

  async function dial(): Promise<Socket> {
    const socket = connectSocket(daemon.port, '127.0.0.1');
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.on('error', () => {});
    return socket;
  }

  /** A request for the gibibyte, plain or in a tunnel; the head of the answer is read. */
  async function begin(policy: 'strict' | 'permissive', isTls = false): Promise<Socket> {
    const raw = await dial();
    sent = 0;
    isClosed = false;
    const authorization = `Proxy-Authorization: ${daemon[policy]}\r\n`;
    if (!isTls) {
      raw.write(`GET ${plain.url}/a HTTP/1.1\r\nHost: x\r\n${authorization}\r\n`);
      return raw;
    }
    const authority = `localhost:${secure.port}`;
    raw.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`);
    await readUntil(raw, '\r\n\r\n');
    const tls = connectTls({ socket: raw, ca: [daemon.certificatePem], servername: 'localhost' });
    await new Promise((resolve, reject) => tls.once('secureConnect', resolve).once('error', reject));
    tls.on('error', () => {});
    tls.write(`GET /a HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    return tls;
  }

  it.each([
    ['strict', false],
    ['strict', true],
    ['permissive', false],
    ['permissive', true],
  ] as const)('1 GiB, %s, TLS %s: below 300 MiB', async (policy, isTls) => {
    await ask('reset');
    const socket = await begin(policy, isTls);
    const head = await readUntil(socket, '\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    const hash = createHash('sha256');
    let size = 0;
    for await (const part of socket as AsyncIterable<Buffer>) {
      hash.update(part);
      size += part.length;
      if (size >= GiB) break;
    }
    socket.destroy();
    expect([size, hash.digest('hex')]).toEqual([GiB, digest]);
    expect((await ask('peak')) / MiB).toBeLessThan(300);
  });

  it('client reads 10 MB/s: back-pressure, below 120 MB more', async () => {
    const before = await ask('reset');
    const socket = await begin('permissive');
    socket.pause();
    for (let i = 0; i < 40; i += 1) {
      for (let read = 0; read < MiB; ) {
        const part = socket.read() as Buffer | null;
        if (!part) break;
        read += part.length;
      }
      await pause(100);
    }
    expect(((await ask('peak')) - before) / MiB).toBeLessThan(120);
    expect(sent / MiB).toBeLessThan(200);
    socket.destroy();
    await until(() => isClosed, 'the end of the upstream connection');
  });

  it.each(['strict', 'permissive'] as const)(
    'client vanishes during a 1 GiB download, %s: upstream aborted at once',
    async (policy) => {
      const before = await ask('reset');
      const socket = await begin(policy);
      socket.on('data', () => {});
      await until(() => sent > 100 * MiB, 'the download');
      socket.destroy();
      await until(() => isClosed, 'the end of the upstream connection');
      const atEnd = sent;
      await pause(300);
      expect(sent).toBe(atEnd);
      expect(atEnd).toBeLessThan(GiB);
      expect(((await ask('peak')) - before) / MiB).toBeLessThan(150);
    },
  );

  it('upload to a slow upstream: back-pressure both ways, below 80 MB more', async () => {
    let taken: Socket | undefined;
    const slow = await startRawUpstream((socket) => {
      taken = socket;
      socket.pause();
    });
    const before = await ask('reset');
    const socket = await dial();
    socket.write(
      `PUT ${slow.url}/a HTTP/1.1\r\nHost: x\r\nContent-Length: ${GiB}\r\nProxy-Authorization: ${daemon.permissive}\r\n\r\n`,
    );
    let uploaded = 0;
    const more = () => {
      while (!socket.destroyed && uploaded < GiB) {
        uploaded += chunk.length;
        if (!socket.write(chunk)) return void socket.once('drain', more);
      }
    };
    more();
    await until(() => taken !== undefined, 'the request');
    await pause(3_000);
    expect(((await ask('peak')) - before) / MiB).toBeLessThan(80);
    expect(uploaded / MiB).toBeLessThan(100);
    socket.destroy();
    await slow.close();
  });

  it('many exchanges, one after the other: nothing piles up', async () => {
    const tiny = await startHttpUpstream((_request, response) => void response.end('tiny'));
    const socket = await dial();
    const line = `GET ${tiny.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${daemon.strict}\r\n\r\n`;
    const round = async (count: number) => {
      for (let i = 0; i < count; i += 1) {
        socket.write(line);
        await readUntil(socket, '\r\n\r\ntiny');
      }
    };
    // The engine's heap finds its size first, sooner or later; what piled up would grow in every round.
    await round(5_000);
    const growth: number[] = [];
    for (let rounds = 0; rounds < 3 && Math.min(...growth) >= 60; rounds += 1) {
      const before = await ask('reset');
      await round(5_000);
      growth.push(((await ask('peak')) - before) / MiB);
    }
    expect(Math.min(...growth), growth.join(', ')).toBeLessThan(60);
    socket.destroy();
    await tiny.close();
  });
});

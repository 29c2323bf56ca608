import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '@waybill/blob-store';
import { openSessionStore } from '@waybill/session-store';
import { sourceArguments, startHttpUpstream } from '@waybill/testkit';
import { expect, it } from 'vitest';

interface Daemon {
  readonly port: number;
  readonly id: string;
  readonly authorization: string;
}

/** Sha256 of what the client completed, or undefined when the transfer broke. */
function download({ port, authorization }: Daemon, url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = httpRequest(
      { port, path: url, agent: false, headers: { 'proxy-authorization': authorization } },
      (response) => {
        const hash = createHash('sha256');
        response.on('data', (part) => hash.update(part));
        response.on('error', () => resolve(undefined));
        response.once('close', () =>
          resolve(response.complete && response.statusCode === 200 ? hash.digest('hex') : undefined),
        );
      },
    );
    request.once('error', () => resolve(undefined));
    request.end();
  });
}

it.each(['strict', 'permissive'] as const)(
  'promise 2, %s: what a client completed is in the report, with its bytes, after kill -9',
  async (policy) => {
    const dir = await mkdtemp(join(tmpdir(), 'waybill-kill-'));
    const large = randomBytes(600_000);
    const upstream = await startHttpUpstream((request, response) => {
      const body = request.url?.startsWith('/large') ? large : Buffer.from('');
      response.end(Buffer.concat([body, Buffer.from(`body of ${request.url}`)]));
    });
    const child = spawn(process.execPath, sourceArguments(new URL('./durable-daemon.ts', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, STATE_DIR: dir, POLICY: policy },
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const daemon = await new Promise<Daemon>((resolve, reject) => {
      child.once('message', (message) => resolve(message as Daemon));
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}`)));
    });

    // client sends: as much as it can, until the daemon is killed in the middle
    const completed: string[] = [];
    let isOver = false;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let i = 0; !isOver; i += 1) {
        const kind = i % 5 === 0 ? 'large' : 'small';
        const sha256 = await download(daemon, `${upstream.url}/${kind}/${client}/${i}`);
        if (sha256 !== undefined) completed.push(sha256);
      }
    });
    while (completed.length < 120) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGKILL');
    await exited;
    isOver = true;
    await Promise.all(clients);

    // report says: all of it, and the bytes are there
    const store = await openSessionStore({ url: `file:${join(dir, 'sessions.sqlite')}` });
    const blobs = await createFileBlobStore({ dir: join(dir, 'spool') });
    const recorded = new Set<string>();
    for await (const artifact of store.artifacts(daemon.id)) recorded.add(artifact.metadata.sha256);
    expect(completed.filter((sha256) => !recorded.has(sha256))).toEqual([]);
    for (const sha256 of completed) {
      const hash = createHash('sha256');
      for await (const part of blobs.open(sha256)) hash.update(part);
      expect(hash.digest('hex')).toBe(sha256);
    }
    await store.close();
    await blobs.close();
    await upstream.close();
    await rm(dir, { recursive: true, force: true });
  },
  120_000,
);

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileBlobStore } from '@waybill/blob-store';
import { createThrowawayCa } from '@waybill/testkit';
import { createProxy } from '../src/index.js';
import { fakeAuthority, fakeSession } from './fake-session.js';
import { openGuard } from './harness.js';

/**
 * The proxy with a real blob store in a process of its own, so that its memory can be measured: says where it listens, then
 * answers each `reset` and `peak` with the largest resident set size since the last `reset`, in bytes.
 */
const dir = await mkdtemp(join(tmpdir(), 'waybill-memory-'));
const ca = await createThrowawayCa();
const upstreamRoot = process.env.UPSTREAM_ROOT;
const blobs = await createFileBlobStore({ dir });
const sessions = { strict: fakeSession('strict'), permissive: fakeSession('permissive') };
const proxy = await createProxy({
  listen: { port: 0 },
  sessions: fakeAuthority(new Map(Object.values(sessions).map((session) => [session.id, session]))),
  issuer: ca,
  blobs,
  store: { async record() {}, catalogs: async () => [] },
  egress: openGuard(),
  upstream: { ...(upstreamRoot !== undefined && { ca: [upstreamRoot] }) },
});

let peak = 0;
const sampler = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 20);

process.on('message', async (message) => {
  if (message === 'reset') peak = process.memoryUsage.rss();
  if (message !== 'stop') return void process.send?.({ rss: peak });
  clearInterval(sampler);
  await proxy.close();
  await blobs.close();
  await rm(dir, { recursive: true, force: true });
  process.disconnect();
});
process.send?.({
  port: proxy.port,
  certificatePem: ca.certificatePem,
  strict: sessions.strict.authorization,
  permissive: sessions.permissive.authorization,
});

import { join } from 'node:path';
import { createFileBlobStore } from '@waybill/blob-store';
import { openSessionStore } from '@waybill/session-store';
import { createThrowawayCa } from '@waybill/testkit';
import { createProxy } from '../src/index.js';
import { fakeAuthority, fakeSession } from './fake-session.js';
import { openGuard } from './harness.js';

/** The proxy with real stores under `STATE_DIR`, to be killed. Says where it listens and how to use it. */
const dir = process.env.STATE_DIR as string;
const session = fakeSession(process.env.POLICY === 'permissive' ? 'permissive' : 'strict');
const store = await openSessionStore({ url: `file:${join(dir, 'sessions.sqlite')}` });
const now = new Date();
await store.createSession({
  id: session.id,
  tokenDigest: '0'.repeat(64),
  policy: session.policy,
  state: 'open',
  createdAt: now,
  expiresAt: new Date(now.getTime() + 3_600_000),
  configuration: {},
  secretPatterns: [],
});
const proxy = await createProxy({
  listen: { port: 0 },
  sessions: fakeAuthority(new Map([[session.id, session]])),
  issuer: await createThrowawayCa(),
  blobs: await createFileBlobStore({ dir: join(dir, 'spool') }),
  store,
  egress: openGuard(),
});
process.send?.({ port: proxy.port, id: session.id, authorization: session.authorization });

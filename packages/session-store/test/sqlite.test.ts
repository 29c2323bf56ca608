import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSessionStore } from '../src/index.js';
import { describeConfigurations } from './configurations.js';
import { describeSessionStore } from './conformance.js';

for (const describeStore of [describeSessionStore, describeConfigurations]) {
  describeStore('SQLite', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'waybill-sessions-'));
    return {
      open: () => openSessionStore({ url: `file:${join(dir, 'sessions.sqlite')}` }),
      remove: () => rm(dir, { recursive: true }),
    };
  });
}

import { describeCacheStore } from './conformance.js';
import { fileHarness } from './harness.js';
import { createDatabase } from './postgres-database.js';

describeCacheStore('PostgreSQL and files', async () => await fileHarness(await createDatabase()));

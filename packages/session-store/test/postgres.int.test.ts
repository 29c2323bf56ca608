import { openSessionStore } from '../src/index.js';
import { describeConfigurations } from './configurations.js';
import { describeSessionStore } from './conformance.js';
import { createDatabase, serverUrl } from './postgres-database.js';

for (const describeStore of [describeSessionStore, describeConfigurations]) {
  describeStore('PostgreSQL', async () => {
    const database = await createDatabase(serverUrl());
    return { open: () => openSessionStore({ url: database.url }), remove: () => database.drop() };
  });
}

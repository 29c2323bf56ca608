import { openSessionStore } from '../src/index.js';
import { describeSessionStore } from './conformance.js';
import { createDatabase, serverUrl } from './postgres-database.js';

describeSessionStore('PostgreSQL', async () => {
  const database = await createDatabase(serverUrl());
  return { open: () => openSessionStore({ url: database.url }), remove: () => database.drop() };
});

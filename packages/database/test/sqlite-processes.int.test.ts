import { execFile } from 'node:child_process';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../src/index.js';

/** Another process that looks into the database and closes it, as a command beside a server does. */
const look = `
  const Database = require('libsql');
  const database = new Database(process.argv[1]);
  database.exec('pragma journal_mode = wal');
  console.log(JSON.stringify(database.prepare('select value from things order by value').all().map(({ value }) => value)));
  database.close();
`;
const migrations = () => [{ made: 1, digest: 'd', statements: ['create table things (value text)'] }];

const packageRoot = fileURLToPath(new URL('..', import.meta.url));
let root: string;
let path: string;
const opened: Database[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'waybill-database-'));
  path = join(root, 'index.sqlite');
});

afterEach(async () => {
  for (const database of opened.splice(0)) await database.close();
  await rm(root, { recursive: true });
});

async function open(): Promise<Database> {
  const database = await openDatabase({
    url: `file:${path}`,
    migrations,
    migrationsTable: 'migrations',
    what: 'test',
  });
  opened.push(database);
  return database;
}

async function seenByAnother(): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', look, path], { cwd: packageRoot });
  return JSON.parse(stdout);
}

describe('another process closes the database', () => {
  // Each handle has two connections, and so has a second one in the same process.
  it.each([1, 2])('%d handles here: the journal stays, and what is committed later is found', async (handles) => {
    const database = await open();
    for (let more = 1; more < handles; more++) await open();
    await database.transaction((runner) => runner.rows('insert into things values (?)', ['before']));
    expect(await seenByAnother()).toEqual(['before']);
    await access(`${path}-wal`);
    await database.transaction((runner) => runner.rows('insert into things values (?)', ['later']));
    expect(await seenByAnother()).toEqual(['before', 'later']);
  });
});

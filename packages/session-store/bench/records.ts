// What recording costs: rows per second, and processor time per record of this process (both threads) and of the server.
//   pnpm --filter @waybill/session-store run bench [records]
// WAYBILL_TEST_POSTGRES_URL adds PostgreSQL. Wall times mean little on a machine that others use; processor times do.
import { hash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DownloadRecord, emptyMetadata, type SessionStore } from '@waybill/contracts';
import { openSessionStore } from '@waybill/session-store';
import pg from 'pg';

const count = Number(process.argv[2] ?? 20_000);
/** [records of a call, calls at the same time] */
const shapes = [
  [1, 32],
  [16, 2],
  [64, 2],
  [256, 2],
  [1000, 4],
] as const;

/** Like a small download through the proxy; every body is another one. */
function download(sessionId: string, number: number): DownloadRecord {
  const digest = (algorithm: string) => hash(algorithm, `body ${number}`);
  const startedAt = new Date(1_767_323_045_678 + number);
  const name = String(number).padStart(8, '0');
  return {
    kind: 'download',
    sessionId,
    startedAt,
    method: 'GET',
    url: `https://files.example:443/small/${name}`,
    address: '127.0.0.1:40000',
    userAgent: 'bench/1.0',
    requestHeader: { Host: ['files.example'], 'User-Agent': ['bench/1.0'], Accept: ['*/*'] },
    requestInspection: {
      'generic.origin': { opinion: 'Pending', reason: 'the URL matches a pattern of generic.origins[0]' },
    },
    endedAt: new Date(startedAt.getTime() + 2),
    statusCode: 200,
    status: '200 OK',
    contentType: 'application/octet-stream',
    responseHeader: {
      Server: ['nginx/1.22.1'],
      Date: ['Fri, 20 Nov 2026 14:00:00 GMT'],
      'Content-Type': ['application/octet-stream'],
      'Content-Length': ['1024'],
      Connection: ['keep-alive'],
    },
    metadata: {
      ...emptyMetadata(),
      type: 'application/octet-stream',
      sha1: digest('sha1'),
      sha256: digest('sha256'),
      sha512: digest('sha512'),
      size: 1024,
      name,
      vendor: 'files.example',
    },
    responseInspection: {
      'generic.origin': {
        opinion: 'Approved',
        reason: 'from an origin of generic.origins[0]',
        annotations: { 'cfg-name': 'default' },
      },
    },
    result: 'Approved',
    delivery: 'held',
    vouchedBy: [{ kind: 'origin', id: 'generic.origins[0]', name: 'https://files.example' }],
    provides: [],
  };
}

interface Place {
  readonly name: string;
  readonly url: string;
  /** Processor time that the server has used so far, in µs. */
  serverMicroseconds(): Promise<number>;
  remove(): Promise<void>;
}

function sqlite(): Place {
  const dir = mkdtempSync(join(tmpdir(), 'waybill-bench-'));
  return {
    name: 'SQLite',
    url: `file:${join(dir, 'sessions.sqlite')}`,
    serverMicroseconds: async () => 0,
    remove: async () => rmSync(dir, { recursive: true }),
  };
}

async function postgres(server: string): Promise<Place> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  const name = `waybill_bench_${process.pid}`;
  await client.query(`create database ${name}`);
  return {
    name: 'PostgreSQL',
    url: Object.assign(new URL(server), { pathname: `/${name}` }).href,
    async serverMicroseconds() {
      const { rows } = await client.query('select pid from pg_stat_activity where datname = $1', [name]);
      return rows.reduce((sum: number, row: { pid: number }) => sum + processorTime(row.pid), 0);
    },
    async remove() {
      await client.query(`drop database ${name} with (force)`);
      await client.end();
    },
  };
}

/** proc_pid_stat(5): fields 14 and 15 in ticks, of which a second has 100; 0 when the process is another machine's. */
function processorTime(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return 0;
  }
}

interface Cost {
  readonly wall: number;
  readonly all: number;
  readonly main: number;
  readonly server: number;
}

/** Microseconds per record. */
async function costOf(place: Place, records: number, work: () => Promise<void>): Promise<Cost> {
  const server = await place.serverMicroseconds();
  const [all, main, start] = [process.cpuUsage(), process.threadCpuUsage(), performance.now()];
  await work();
  const [wall, ofMain, ofAll] = [performance.now() - start, process.threadCpuUsage(main), process.cpuUsage(all)];
  return {
    wall: (wall * 1000) / records,
    all: (ofAll.user + ofAll.system) / records,
    main: (ofMain.user + ofMain.system) / records,
    server: ((await place.serverMicroseconds()) - server) / records,
  };
}

function print(what: string, { wall, all, main, server }: Cost): void {
  const columns = [1_000_000 / wall, all, main, server].map((value, at) => value.toFixed(at === 0 ? 0 : 1).padStart(9));
  console.log(`${what.padEnd(34)}${columns.join('')}`);
}

async function newSession(store: SessionStore, name: string): Promise<string> {
  const id = hash('md5', name);
  await store.createSession({
    id,
    tokenDigest: hash('sha256', name),
    policy: 'strict',
    state: 'open',
    createdAt: new Date(),
    expiresAt: new Date(Date.now() + 3_600_000),
    configuration: {},
    secretPatterns: [],
  });
  return id;
}

async function recordAll(store: SessionStore, id: string, [size, parallel]: readonly [number, number]): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) {
      const from = next;
      next += size;
      await store.record(Array.from({ length: Math.min(size, count - from) }, (_, at) => download(id, from + at)));
    }
  };
  await Promise.all(Array.from({ length: parallel }, writer));
}

async function run(place: Place): Promise<void> {
  const store = await openSessionStore({ url: place.url });
  try {
    console.log(
      `\n${place.name.padEnd(34)}${['per s', 'process', 'main', 'server'].map((head) => head.padStart(9)).join('')}`,
    );
    // What making the records takes is not the store's.
    const made = await costOf(place, count, async () => {
      for (let at = 0; at < count; at++) download('', at);
    });
    await recordAll(store, await newSession(store, 'warm'), [256, 2]);
    for (const shape of shapes) {
      const id = await newSession(store, `shape ${shape}`);
      const cost = await costOf(place, count, () => recordAll(store, id, shape));
      print(`record ${shape[0]} × ${shape[1]}`, { ...cost, all: cost.all - made.all, main: cost.main - made.main });
    }
    const id = hash('md5', `shape ${shapes[0]}`);
    for (const time of ['first', 'second']) {
      const cost = await costOf(place, count, async () => {
        for await (const artifact of store.artifacts(id)) if (artifact.downloads.length !== 1) throw new Error('lost');
      });
      print(`artifacts, ${time} time`, cost);
    }
    print('counts', await costOf(place, count, async () => void (await store.counts(id))));
    const names = Array.from({ length: 1000 }, (_, at) => hash('sha256', `body ${at}`));
    print('referenced', await costOf(place, names.length, async () => void (await store.referenced(names))));
    print('delete', await costOf(place, count, () => store.deleteSession(id)));
  } finally {
    await store.close();
    await place.remove();
  }
}

console.log(
  `${count} records of ${JSON.stringify(download('', 1)).length} characters; columns 2–4 in µs of processor time each`,
);
await run(sqlite());
const server = process.env.WAYBILL_TEST_POSTGRES_URL;
if (server) await run(await postgres(server));

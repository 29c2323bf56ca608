import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** Connections that answer requests; one more listens while somebody watches. */
const connections = 8;
const relistenMs = 1000;
const jsonType = 114;
/** JSON as text: the codec of the schema reads it. */
const types = {
  getTypeParser: (type: number, format?: 'text' | 'binary') =>
    type === jsonType ? (text: string) => text : pg.types.getTypeParser(type, format as 'text'),
};

/** A statement with its parameters; one with a name is prepared once on each connection. */
export interface PostgresStatement {
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Runs statements one after the other on one connection. */
export type PostgresRunner = (statement: PostgresStatement) => Promise<unknown[][]>;

/**
 * A pool of connections with a limit for each answer: a server that hangs, or a network that swallows packets, would keep a
 * connection and whoever waits for it until the operating system gives up, after a quarter of an hour. What fails or does
 * not answer in time is thrown away and replaced when it is next needed.
 */
export class PostgresClient {
  readonly #config: pg.ClientConfig;
  readonly #limitMs: number;
  readonly #pool: pg.Pool;
  readonly #sockets = new Set<Socket>();
  #isClosed = false;

  constructor(url: string, limitMs: number) {
    this.#limitMs = limitMs;
    this.#config = {
      ...connectionConfig(url),
      application_name: 'waybill',
      keepAlive: true,
      connectionTimeoutMillis: limitMs,
      stream: () => this.#createSocket(),
    };
    this.#pool = new pg.Pool({
      ...this.#config,
      query_timeout: limitMs,
      // A server that is only slow, or waits for a lock, says so before the connection is given up.
      statement_timeout: Math.ceil(limitMs * 0.8),
      max: connections,
      idleTimeoutMillis: 60_000,
      allowExitOnIdle: true,
    });
    // One that breaks while nobody uses it is not missed.
    this.#pool.on('error', () => undefined);
  }

  /** Rows as arrays. */
  async query(text: string, values: readonly unknown[] = []): Promise<unknown[][]> {
    return await this.run({ text, values });
  }

  /** Rows as arrays. */
  async run(statement: PostgresStatement): Promise<unknown[][]> {
    const { rows } = await this.#pool.query(arrays(statement));
    return rows;
  }

  /** All or nothing. `isUnlimited`: for work that may take as long as it likes. */
  async transaction<Result>(work: (run: PostgresRunner) => Promise<Result>, isUnlimited = false): Promise<Result> {
    const client = await this.#pool.connect();
    let broken: unknown;
    const onError = (error: Error) => {
      broken = error;
    };
    client.on('error', onError);
    const limit = isUnlimited ? { query_timeout: 0x7fff_ffff } : {};
    const run: PostgresRunner = async (statement) => (await client.query({ ...arrays(statement), ...limit })).rows;
    try {
      await run({ text: 'begin', values: [] });
      const result = await work(run);
      await run({ text: 'commit', values: [] });
      return result;
    } catch (error) {
      broken ??= error;
      throw error;
    } finally {
      client.off('error', onError);
      // A connection that failed is not used again: whatever it was in the middle of ends with it.
      client.release(broken !== undefined);
    }
  }

  /**
   * Calls `signal` at each notification, and whenever the connection is there (again), which is tried until it succeeds.
   * @returns how to stop
   */
  async listen(channel: string, signal: () => void): Promise<() => Promise<void>> {
    let isStopped = false;
    let current: pg.Client | undefined;
    const connect = async (): Promise<void> => {
      const client = new pg.Client(this.#config);
      current = client;
      // It ends as well, and that is when something is done.
      client.on('error', () => undefined);
      client.on('notification', signal);
      await client.connect();
      await client.query({ text: `listen ${channel}`, query_timeout: this.#limitMs } as pg.QueryConfig);
      client.on('end', () => void reconnect());
      signal();
    };
    const reconnect = async (): Promise<void> => {
      while (!isStopped && !this.#isClosed) {
        await sleep(relistenMs, undefined, { ref: false });
        if (isStopped || this.#isClosed) return;
        try {
          return await connect();
        } catch {
          current?.end().catch(() => undefined);
        }
      }
    };
    await connect();
    return async () => {
      isStopped = true;
      await Promise.race([current?.end(), sleep(1000, undefined, { ref: false })]);
    };
  }

  /** Nobody waits for an answer any more; connections that an outage left half open are cut after a second. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.race([this.#pool.end(), sleep(1000, undefined, { ref: false })]);
    for (const socket of this.#sockets) socket.destroy();
  }

  #createSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }
}

function arrays(statement: PostgresStatement): pg.QueryArrayConfig {
  return { ...statement, values: [...statement.values], rowMode: 'array', types };
}

/**
 * Everything is read in the order of an index, a page at a time. Without statistics, as in a table that has just been filled,
 * the server takes a session for four records and would sort all of it for each page.
 */
const plannerOptions = '-c enable_bitmapscan=off';

/** `search_path` is an option of the server that a URL can name. */
function connectionConfig(text: string): pg.ClientConfig {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return { connectionString: text, options: plannerOptions };
  }
  const options = [plannerOptions, url.searchParams.get('options') ?? ''];
  const searchPath = url.searchParams.get('search_path');
  if (searchPath !== null) options.push(`-c search_path=${searchPath.replace(/[\\\s]/g, '\\$&')}`);
  url.searchParams.delete('search_path');
  url.searchParams.delete('options');
  return { connectionString: url.href, options: options.join(' ').trim() };
}

import { isWaybillError } from '@waybill/contracts';
import type { Database, StatementRunner } from '@waybill/database';
import { CacheStoreError, closedError } from '../errors.js';
import type { Lists } from './lists.js';

/** Operations of one transaction: more would let those at its start wait for long. */
const mostTogether = 128;

/** A namespace inside a transaction that holds it: what is counted here is written at the end. */
export interface HeldNamespace {
  readonly name: string;
  readonly id: number;
  /** Number of this transaction among those that changed the namespace: what orders by use. */
  readonly sequence: number;
  bytes: number;
  blobs: number;
  entries: number;
}

/** What an operation works with. Nothing else changes the namespaces that it asked for meanwhile. */
export interface Transaction extends StatementRunner {
  readonly lists: Lists;
  /** ms */
  readonly now: number;
  /** Of a namespace that was asked for. */
  held(name: string): HeldNamespace;
}

/**
 * A piece of work that changes the index. It may be called again from the start, and throws errors that are not the database's
 * only before it has changed anything: others share its transaction.
 */
export interface WriteOperation<Result> {
  readonly namespaces: readonly string[];
  run(transaction: Transaction): Promise<Result>;
}

interface Waiting {
  readonly operation: WriteOperation<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** What ends a transaction that only looks. */
class Undo {
  readonly result: unknown;

  constructor(result: unknown) {
    this.result = result;
  }
}

type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** Group commit: whatever was asked for while a transaction was on its way to the disk goes together in the next one. */
export class WriteQueue {
  readonly #database: Database;
  readonly #lists: Lists;
  readonly #now: () => number;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(database: Database, lists: Lists, now: () => number) {
    this.#database = database;
    this.#lists = lists;
    this.#now = now;
  }

  /** Durable when it resolves. */
  run<Result>(operation: WriteOperation<Result>): Promise<Result> {
    if (this.#isClosed) return Promise.reject(closedError());
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push({ operation, resolve: resolve as (result: unknown) => void, reject });
      this.#running ??= this.#work();
    });
  }

  /** What an operation would do and answer: nothing stays of it. */
  async simulate<Result>(operation: WriteOperation<Result>): Promise<Result> {
    try {
      await this.#database.transaction(async (runner) => {
        throw new Undo(await operation.run(await this.#begin(runner, operation.namespaces)));
      });
    } catch (error) {
      if (error instanceof Undo) return error.result as Result;
      throw error;
    }
    throw new Error('a simulation cannot be committed');
  }

  /** Ends after what was asked before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #work(): Promise<void> {
    // What is asked for in this turn of the event loop goes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#together(this.#waiting.splice(0, mostTogether));
    this.#running = undefined;
  }

  async #together(batch: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#commit(batch.map(({ operation }) => operation));
      for (const [at, outcome] of outcomes.entries()) settle(batch[at], outcome);
    } catch (error) {
      if (batch.length === 1 || isEverybodys(error)) return rejectAll(batch, error);
      // One of them may be to blame; the others must not suffer for it.
      for (const waiting of batch) await this.#together([waiting]);
    }
  }

  async #commit(operations: readonly WriteOperation<unknown>[]): Promise<readonly Outcome[]> {
    return await this.#database.transaction(async (runner) => {
      const transaction = await this.#begin(
        runner,
        operations.flatMap(({ namespaces }) => namespaces),
      );
      const outcomes: Outcome[] = [];
      for (const operation of operations) outcomes.push(await outcomeOf(operation, transaction));
      await transaction.end();
      return outcomes;
    });
  }

  async #begin(runner: StatementRunner, names: readonly string[]): Promise<OpenTransaction> {
    const transaction = new OpenTransaction(runner, this.#lists, this.#now());
    await transaction.hold([...new Set(names)]);
    return transaction;
  }
}

async function outcomeOf(operation: WriteOperation<unknown>, transaction: Transaction): Promise<Outcome> {
  try {
    return { result: await operation.run(transaction) };
  } catch (error) {
    if (isRefusal(error)) return { error };
    throw error;
  }
}

/** Ours say what may not be; anything else, the database's errors first of all, has to end the transaction. */
function isRefusal(error: unknown): boolean {
  return error instanceof CacheStoreError;
}

/** Trying each alone would only let them wait for the same answer one after the other. */
function isEverybodys(error: unknown): boolean {
  return isWaybillError(error) && /^STORE_(UNAVAILABLE|FULL|CLOSED)$/.test(error.code);
}

function rejectAll(batch: readonly Waiting[], error: unknown): void {
  for (const { reject } of batch) reject(error);
}

function settle(waiting: Waiting | undefined, outcome: Outcome): void {
  if ('error' in outcome) waiting?.reject(outcome.error);
  else waiting?.resolve(outcome.result);
}

class OpenTransaction implements Transaction {
  readonly lists: Lists;
  readonly now: number;
  readonly #runner: StatementRunner;
  readonly #held = new Map<string, HeldNamespace>();

  constructor(runner: StatementRunner, lists: Lists, now: number) {
    this.#runner = runner;
    this.lists = lists;
    this.now = now;
  }

  rows(sql: string, params?: readonly unknown[]): Promise<unknown[][]> {
    return this.#runner.rows(sql, params);
  }

  held(name: string): HeldNamespace {
    const found = this.#held.get(name);
    if (!found) throw new Error(`the transaction does not hold ${name}`);
    return found;
  }

  /** Locks the rows of namespaces, always in the same order. */
  async hold(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const ids = await this.#idsOf(names);
    for (const [name, id] of [...ids].sort(([, a], [, b]) => a - b)) {
      const [row] = await this.rows(
        'update cache_namespaces set sequence = sequence + 1 where id = ? returning sequence, bytes, blobs, entries',
        [id],
      );
      const [sequence, bytes, blobs, entries] = (row ?? []).map(Number) as [number, number, number, number];
      this.#held.set(name, { name, id, sequence, bytes, blobs, entries });
    }
  }

  async end(): Promise<void> {
    for (const { id, bytes, blobs, entries } of this.#held.values()) {
      await this.rows('update cache_namespaces set bytes = ?, blobs = ?, entries = ? where id = ?', [
        bytes,
        blobs,
        entries,
        id,
      ]);
    }
  }

  async #idsOf(names: readonly string[]): Promise<Map<string, number>> {
    const list = JSON.stringify(names);
    const find = () => this.rows(`select name, id from cache_namespaces where name in ${this.lists.texts}`, [list]);
    let rows = await find();
    if (rows.length < names.length) {
      const known = new Set(rows.map(([name]) => name));
      for (const name of names.filter((candidate) => !known.has(candidate)).sort()) {
        await this.rows('insert into cache_namespaces (name) values (?) on conflict do nothing', [name]);
      }
      rows = await find();
    }
    return new Map(rows.map(([name, id]) => [String(name), Number(id)]));
  }
}

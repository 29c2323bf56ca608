import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GcResult, NamespaceRules } from '../cache-store.js';
import { writeAudit } from './audit.js';
import type { StoreContext } from './context.js';
import { collectorWriter } from './damage.js';
import { addRemoved, type EvictionStep, evict, expire, nothingRemoved, type Removed } from './eviction.js';
import { limitsOf } from './room.js';
import type { Sweep } from './sweep.js';
import type { HeldNamespace, Transaction } from './write-queue.js';

/** Short: whoever is killed while collecting keeps others waiting for so long. */
const lockMs = 15_000;
const lockPollMs = 500;

/** How to collect. */
export interface CollectOptions {
  /** Only to tell what would go. */
  readonly isDryRun?: boolean;
  /** While another process collects, to leave it to that one. */
  readonly isOptional?: boolean;
}

type Step = (transaction: Transaction, namespace: HeldNamespace) => Promise<EvictionStep>;

/**
 * Removes names and blobs, a few in each transaction, so that nobody waits for long. Whatever it does is right whoever else
 * does the same at the same time; that collections take turns only saves work.
 */
export class Collector {
  readonly #context: StoreContext;
  readonly #sweep: Sweep;
  readonly #owner = randomUUID();
  readonly #shrinking = new Map<string, { readonly target: number; readonly done: Promise<void> }>();
  readonly #soon = new Set<Promise<void>>();
  #collecting: Promise<unknown> = Promise.resolve();

  constructor(context: StoreContext, sweep: Sweep) {
    this.#context = context;
    this.#sweep = sweep;
  }

  /** Evicts until a namespace has `target` bytes, or nothing more may go. */
  async shrink(namespace: string, target: number): Promise<void> {
    for (;;) {
      const running = this.#shrinking.get(namespace);
      if (!running) break;
      await running.done;
      if (running.target <= target) return;
    }
    const done = this.#shrink(namespace, target).finally(() => this.#shrinking.delete(namespace));
    this.#shrinking.set(namespace, { target, done });
    await done;
  }

  /** As {@link shrink}, for nobody in particular. */
  shrinkSoon(namespace: string, target: number): void {
    if (this.#shrinking.has(namespace)) return;
    const done = this.shrink(namespace, target).catch((error: unknown) => {
      this.#context.logger.warn({ namespace, error: String(error) }, 'eviction failed; it is tried again');
    });
    this.#soon.add(done);
    void done.finally(() => this.#soon.delete(done));
  }

  /** What was to be done soon is done. */
  async settled(): Promise<void> {
    await Promise.all(this.#soon);
  }

  /** Namespaces that have no rules (any more) are left as they are. */
  async collect(names: readonly string[], { isDryRun = false, isOptional = false }: CollectOptions): Promise<GcResult> {
    const total = nothingRemoved();
    const work = async () => {
      for (const name of names) {
        const rules = this.#context.rules(name);
        if (rules) addRemoved(total, await this.#collectOne(name, rules, isDryRun));
      }
      if (!isDryRun) await this.#sweep.run();
    };
    if (isDryRun) await work();
    else {
      // The lock is this process's: here, too, one goes after the other.
      const turn = this.#collecting.then(() => this.#locked(work, isOptional));
      this.#collecting = turn.catch(() => undefined);
      await turn;
    }
    const { names: removed, ...counts } = total;
    return { ...counts, removed };
  }

  async #shrink(namespace: string, target: number): Promise<void> {
    const { readers, logger } = this.#context;
    const removed = await this.#steps(namespace, (transaction, held) => evict(transaction, held, target, readers));
    if (removed.entries + removed.blobs === 0) return;
    const { names: _, ...counts } = removed;
    logger.info({ namespace, ...counts }, 'evicted');
    this.#sweep.soon();
  }

  async #collectOne(name: string, rules: NamespaceRules, isDryRun: boolean): Promise<Removed> {
    const { readers } = this.#context;
    const { high, low } = limitsOf(rules);
    const expiring: Step = (transaction, held) => expire(transaction, held, rules, readers);
    const evicting: Step = (transaction, held) =>
      evict(transaction, held, held.bytes > high || isEvicting ? low : Number.POSITIVE_INFINITY, readers);
    // Once it has begun, it goes on to the lower mark.
    let isEvicting = false;
    const step: Step = async (transaction, held) => {
      isEvicting ||= held.bytes > high;
      return await evicting(transaction, held);
    };
    if (!isDryRun) {
      const removed = await this.#steps(name, expiring);
      addRemoved(removed, await this.#steps(name, step));
      return removed;
    }
    return await this.#context.writes.simulate({
      namespaces: [name],
      run: async (transaction) => {
        const held = transaction.held(name);
        const removed = await all(() => expiring(transaction, held));
        addRemoved(removed, await all(() => step(transaction, held)));
        return removed;
      },
    });
  }

  /** Each step in a transaction of its own, noted once at the end. */
  async #steps(namespace: string, step: Step): Promise<Removed> {
    const removed = await all(() =>
      this.#context.writes.run({
        namespaces: [namespace],
        run: (transaction) => step(transaction, transaction.held(namespace)),
      }),
    );
    if (removed.entries + removed.blobs > 0) {
      const detail = `${removed.entries} entries, ${removed.blobs} blobs, ${removed.bytes} bytes`;
      await this.#context.writes.run({
        namespaces: [],
        run: (transaction) =>
          writeAudit(transaction, transaction.now, { namespace, action: 'evict', writer: collectorWriter, detail }),
      });
    }
    return removed;
  }

  /** One collection at a time over all processes; a lock that its owner no longer renews is anybody's. */
  async #locked(work: () => Promise<void>, isOptional: boolean): Promise<void> {
    while (!(await this.#takeLock())) {
      if (isOptional) return;
      await sleep(lockPollMs);
    }
    const renewal = setInterval(() => void this.#takeLock().catch(() => undefined), lockMs / 3);
    renewal.unref();
    try {
      await work();
    } finally {
      clearInterval(renewal);
      await this.#context.writes.run({
        namespaces: [],
        run: (transaction) =>
          transaction.rows(`delete from cache_locks where name = 'collector' and owner = ?`, [this.#owner]),
      });
    }
  }

  async #takeLock(): Promise<boolean> {
    // Of the machine: a clock that was set by hand must not keep a lock.
    const now = Date.now();
    const rows = await this.#context.writes.run({
      namespaces: [],
      run: (transaction) =>
        transaction.rows(
          `insert into cache_locks (name, owner, until) values ('collector', ?, ?)
           on conflict (name) do update set owner = excluded.owner, until = excluded.until
           where cache_locks.owner = excluded.owner or cache_locks.until < ? returning owner`,
          [this.#owner, now + lockMs, now],
        ),
    });
    return rows.length > 0;
  }
}

async function all(step: () => Promise<EvictionStep>): Promise<Removed> {
  const removed = nothingRemoved();
  for (;;) {
    const { removed: some, isDone } = await step();
    addRemoved(removed, some);
    if (isDone) return removed;
  }
}

import { randomUUID } from 'node:crypto';
import { extendBlobs } from './blob-rows.js';
import type { StoreContext } from './context.js';
import { unknownBlobs } from './fsck.js';

/** A process that did not renew its mark for so long is gone. */
const goneMs = 5 * 60_000;
const auditPerStep = 1000;

/** What is done again and again, by every process. */
export class Maintenance {
  readonly #context: StoreContext;
  readonly #graceMs: number;
  readonly #auditMs: number;
  readonly #mark = `open:${randomUUID()}`;
  readonly #timers: NodeJS.Timeout[] = [];
  #running: Promise<void> | undefined;

  constructor(context: StoreContext, { graceMs, auditMs }: { readonly graceMs: number; readonly auditMs: number }) {
    this.#context = context;
    this.#graceMs = graceMs;
    this.#auditMs = auditMs;
  }

  /** @param collect removes what is to go @param everyMs 0: only when it is asked for */
  start(collect: () => Promise<void>, everyMs: number): void {
    if (everyMs === 0) return;
    const run = () => {
      this.#running ??= this.#once(collect).finally(() => {
        this.#running = undefined;
      });
    };
    run();
    this.#timers.push(setInterval(run, everyMs));
    this.#timers.push(setInterval(() => void this.#keepReaders(), Math.max(1000, this.#context.leaseMs / 3)));
    for (const timer of this.#timers) timer.unref();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#running;
    await this.#context.writes.run({
      namespaces: [],
      run: (transaction) => transaction.rows('delete from cache_locks where name = ?', [this.#mark]),
    });
  }

  async #once(collect: () => Promise<void>): Promise<void> {
    try {
      await this.#renewMark();
      await this.#cleanUpAfterOthers();
      await this.#forgetOldAudit();
      await collect();
    } catch (error) {
      this.#context.logger.warn({ error: String(error) }, 'maintenance of the cache failed; it is tried again');
    }
  }

  /** What is read for longer than a lease lasts stays there. */
  async #keepReaders(): Promise<void> {
    const { readers, writes, leaseMs } = this.#context;
    for (const [namespace, sha256s] of readers.byNamespace()) {
      await writes
        .run({
          namespaces: [namespace],
          run: (transaction) => extendBlobs(transaction, transaction.held(namespace), sha256s, leaseMs),
        })
        .catch(() => undefined);
    }
  }

  async #renewMark(): Promise<void> {
    await this.#context.writes.run({
      namespaces: [],
      run: (transaction) =>
        transaction.rows(
          `insert into cache_locks (name, owner, until) values (?, '', ?)
           on conflict (name) do update set until = excluded.until`,
          [this.#mark, Date.now() + goneMs],
        ),
    });
  }

  /** Uploads of a process that was killed may have left bytes that nobody knows of. */
  async #cleanUpAfterOthers(): Promise<void> {
    const gone = await this.#context.database.rows(
      `select name from cache_locks where name like 'open:%' and until < ?`,
      [Date.now()],
    );
    if (gone.length === 0) return;
    const unknownBefore = new Date(Date.now() - this.#graceMs);
    for await (const _ of unknownBlobs({ context: this.#context, repair: true, unknownBefore }));
    for (const [name] of gone) {
      await this.#context.writes.run({
        namespaces: [],
        run: (transaction) => transaction.rows('delete from cache_locks where name = ?', [name]),
      });
    }
  }

  async #forgetOldAudit(): Promise<void> {
    const { database, writes, clock } = this.#context;
    const before = clock.now().getTime() - this.#auditMs;
    for (;;) {
      const [oldest] = await database.rows('select id, at from cache_audit order by id limit 1');
      if (!oldest || Number(oldest[1]) >= before) return;
      const gone = await writes.run({
        namespaces: [],
        run: (transaction) =>
          transaction.rows('delete from cache_audit where id < ? and at < ? returning id', [
            Number(oldest[0]) + auditPerStep,
            before,
          ]),
      });
      if (gone.length === 0) return;
    }
  }
}

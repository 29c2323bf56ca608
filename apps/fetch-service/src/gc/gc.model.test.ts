import type { DownloadRecord, ExchangeRecord, SessionRecord } from '@waybill/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryBlobs } from '../../test/memory-blobs.js';
import { type BodyReaper, createBodyReaper } from '../sessions/body-reaper.js';
import { collect } from './collect.js';

const graceMs = 1_000;
const sessionIds = ['a', 'b', 'c'];

/** What a history is made of: which of those that can go on does, what begins, how time passes. */
interface Choices {
  below(count: number): number;
}

interface World {
  /** Whether there are several processes; one alone needs no grace. */
  readonly isShared: boolean;
  readonly graceGiven?: number;
}

/**
 * Several processes on one store, each a number of steps between which anything else may happen: downloads that store a body or
 * take one for reuse and record it later, sessions that begin, end and are deleted, garbage collection. The order is the test's.
 */
class History {
  readonly #choices: Choices;
  readonly #ready: (() => void)[] = [];
  #now = 1_000_000;
  /** In flight: until when they have recorded, as `graceMs` promises. */
  readonly #deadlines = new Set<{ readonly at: number }>();
  readonly #clock = { now: () => new Date(this.#now) };
  readonly #blobs = memoryBlobs(() => this.#clock.now());
  readonly #sessions = new Map<
    string,
    { state: SessionRecord['state']; endedAt?: Date; readonly needs: Set<string> }
  >();
  readonly #processes: readonly BodyReaper[];
  running = 0;
  /** Bodies that a record refers to and that are gone. */
  readonly lost: string[] = [];

  /** @param graceGiven what the reaper is told, in place of the truth */
  constructor(choices: Choices, { isShared, graceGiven = graceMs }: World) {
    this.#choices = choices;
    const reaper = () =>
      createBodyReaper({
        blobs: this.#stepped(),
        store: { record: (records) => this.#record(records), referenced: (names) => this.#referenced(names) },
        clock: this.#clock,
        graceMs: graceGiven,
        isShared,
        keepsUnneeded: false,
      });
    this.#processes = isShared ? [reaper(), reaper()] : [reaper()];
  }

  /** Lets one of those that can go on take its next step. */
  step(): void {
    this.#ready.splice(this.#choices.below(this.#ready.length), 1)[0]?.();
  }

  get canStep(): boolean {
    return this.#ready.length > 0;
  }

  passTime(): void {
    const latest = Math.min(...[...this.#deadlines].map(({ at }) => at), this.#now + 2 * graceMs) - 1;
    this.#now = Math.max(this.#now, Math.min(latest, this.#now + this.#choices.below(2 * graceMs)));
  }

  begin(): void {
    const actors = [() => this.#download(), () => this.#download(), () => this.#changeSession(), () => this.#collect()];
    this.running += 1;
    void (actors[this.#choices.below(actors.length)] as () => Promise<void>)().finally(() => {
      this.running -= 1;
    });
  }

  check(): void {
    for (const { needs } of this.#sessions.values()) {
      for (const name of needs) if (!this.#blobs.content.has(name)) this.lost.push(name);
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#ready.push(resolve));
  }

  /** Each operation of the store is atomic, and anything may happen before and after it. */
  #stepped() {
    const blobs = this.#blobs;
    return {
      ...blobs,
      delete: async (...given: Parameters<typeof blobs.delete>) => {
        await this.#turn();
        return blobs.delete(...given);
      },
      resolve: async (...given: Parameters<typeof blobs.resolve>) => {
        await this.#turn();
        return blobs.resolve(...given);
      },
      usage: async () => {
        await this.#turn();
        return blobs.usage();
      },
    };
  }

  async #referenced(names: readonly string[]): Promise<ReadonlySet<string>> {
    await this.#turn();
    const found = new Set(names.filter((name) => [...this.#sessions.values()].some(({ needs }) => needs.has(name))));
    await this.#turn();
    return found;
  }

  get #anyProcess(): BodyReaper {
    return this.#processes[this.#choices.below(this.#processes.length)] as BodyReaper;
  }

  async #download(): Promise<void> {
    const { blobs, record } = this.#anyProcess;
    const id = sessionIds[this.#choices.below(sessionIds.length)] as string;
    const body = Buffer.alloc(10, String(this.#choices.below(4)));
    await this.#turn();
    const deadline = { at: this.#now + graceMs };
    this.#deadlines.add(deadline);
    const known = [...this.#blobs.content.keys()];
    const wanted = known[this.#choices.below(known.length + 1)];
    let name: string | undefined;
    if (wanted === undefined) {
      const writer = blobs.create();
      await writer.write(body);
      name = (await writer.commit()).digests.sha256;
    } else name = await blobs.resolve({ algorithm: 'sha256', hex: wanted });
    for (let i = this.#choices.below(4); i > 0; i--) await this.#turn();
    // One in twenty is given up instead.
    const download = { kind: 'download', sessionId: id, metadata: { sha256: name } } as DownloadRecord;
    if (name !== undefined && this.#choices.below(20) > 0) await record([download]).catch(() => {});
    this.#deadlines.delete(deadline);
  }

  async #record(records: readonly ExchangeRecord[]): Promise<void> {
    await this.#turn();
    for (const record of records) {
      const session = this.#sessions.get(record.sessionId);
      if (session?.state !== 'open') throw new Error('the session is over');
      session.needs.add((record as DownloadRecord).metadata.sha256);
    }
    await this.#turn();
  }

  async #changeSession(): Promise<void> {
    const id = sessionIds[this.#choices.below(sessionIds.length)] as string;
    const session = this.#sessions.get(id);
    await this.#turn();
    if (!session) this.#sessions.set(id, { state: 'open', needs: new Set() });
    else if (session.state === 'open') Object.assign(session, { state: 'ended', endedAt: this.#clock.now() });
    else await this.#deleteResources(id);
  }

  async #deleteResources(id: string): Promise<void> {
    const session = this.#sessions.get(id);
    if (!session || session.state === 'open') return;
    const bodies = [...session.needs];
    await this.#turn();
    if (this.#sessions.get(id) === session) this.#sessions.delete(id);
    await this.#anyProcess.discard(bodies);
  }

  async #collect(): Promise<void> {
    const sources = {
      blobs: this.#stepped(),
      store: {
        listSessions: async (_states: unknown, { endedBefore }: { endedBefore?: Date | undefined } = {}) => {
          await this.#turn();
          return [...this.#sessions]
            .filter(([, { state, endedAt }]) => state === 'ended' && endedAt && endedBefore && endedAt < endedBefore)
            .map(([id]) => ({ id }) as SessionRecord);
        },
        referenced: (names: readonly string[]) => this.#referenced(names),
      },
      deleteResources: (id: string) => this.#deleteResources(id),
      reaper: this.#anyProcess,
      clock: this.#clock,
    };
    const quotaBytes = [undefined, 0, 20][this.#choices.below(3)];
    const settings = { keepSessionsMs: graceMs, keepsReports: false, quotaBytes };
    const signal = new AbortController().signal;
    for await (const _event of collect(sources, settings, { isDryRun: false, signal })) this.check();
  }
}

/** Plays a history; the names of bodies that were removed although a record refers to them. */
async function play(seed: number, world: World): Promise<readonly string[]> {
  let state = seed;
  const below = (count: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return count === 0 ? 0 : Math.floor((state / 2 ** 32) * count);
  };
  const history = new History({ below }, world);
  for (let steps = 0; steps < 250; steps++) {
    const what = below(10);
    if (what === 0 || history.running === 0) history.begin();
    else if (what === 1) history.passTime();
    else if (history.canStep) history.step();
    // Timers and promises of the code itself.
    await new Promise((resolve) => setImmediate(resolve));
    history.check();
  }
  return history.lost;
}

it.each([
  ['of several processes', { isShared: true }],
  ['of one process, which needs no grace', { isShared: false }],
])(
  'no history %s of downloads, reuse, ends, deletions and collections loses a body that is needed',
  async (_name, world) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1 }), async (seed) => {
        expect(await play(seed, world)).toEqual([]);
      }),
      { numRuns: 100, endOnFailure: true },
    );
  },
);

it('the model notices a grace that is too short', async () => {
  const lost: string[] = [];
  for (let seed = 1; seed <= 200 && lost.length === 0; seed++) {
    lost.push(...(await play(seed, { isShared: true, graceGiven: -graceMs })));
  }
  expect(lost).not.toEqual([]);
});

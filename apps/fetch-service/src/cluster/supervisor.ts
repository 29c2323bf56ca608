import type { Logger } from '@waybill/contracts';
import { FetchServiceError, messageOf } from '../errors.js';
import { type Channel, fromFault } from './channel.js';
import { type StartOutcome, type StopRequest, topics, type WorkerFacts } from './topics.js';

/** One process that the primary started. */
export interface WorkerProcess {
  readonly pid: number;
  readonly channel: Channel;
  /** Resolves when it is gone. */
  readonly exited: Promise<void>;
  kill(): void;
}

/** What the supervisor is made of. */
export interface SupervisorOptions {
  /** Processes that serve at the same time. */
  readonly count: number;
  /** Starts the process that is to work as the given number. */
  readonly launch: (slot: number) => WorkerProcess;
  readonly logger: Logger;
  /** No process can be started any more. */
  readonly onFatal: (cause: unknown) => void;
  /** Injected in tests. Milliseconds. */
  readonly backoffMs?: { readonly first: number; readonly most: number };
}

interface Worker {
  readonly slot: number;
  readonly process: WorkerProcess;
  state: 'starting' | 'ready' | 'retiring';
  readySince?: number;
}

/** Deaths one after the other, with no process serving, after which the service gives up. */
const mostFailures = 5;
/** A process that served so long has started well. */
const soundMs = 10_000;
const startTimeoutMs = 60_000;

/** How a process that is being replaced leaves: others serve meanwhile, so it may take its time. */
export const replacedStop: StopRequest = { listenMs: 0, idleMs: 30_000, graceMs: 15 * 60_000 };

/**
 * Keeps a number of equal processes at work: starts them, replaces those that die, and replaces all of them one after the
 * other when asked to. It serves nobody itself, so that nothing of a client can bring it down.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers = new Set<Worker>();
  #failures = 0;
  #isStopping = false;
  #restarting: Promise<number> | undefined;
  #timers = new Set<NodeJS.Timeout>();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts one, which makes what is missing (directories, certificate, tables), then the others.
   * @returns what the first one says about itself
   * @throws what kept one of them from starting
   */
  async start(): Promise<WorkerFacts> {
    const facts = await this.#startOne();
    await Promise.all(Array.from({ length: this.#options.count - 1 }, () => this.#startOne()));
    return facts;
  }

  /** Channels of processes that serve, but for the given one. */
  others(channel?: Channel): readonly Channel[] {
    return this.#ready()
      .map(({ process }) => process.channel)
      .filter((other) => other !== channel);
  }

  /** Pids of those that serve. */
  get pids(): readonly number[] {
    return this.#ready().map(({ process }) => process.pid);
  }

  /** Asks processes that serve; those that are gone or fail have no part in the answer. */
  async ask<Answer>(topic: string, body?: unknown, except?: Channel): Promise<Answer[]> {
    const answers = await Promise.allSettled(this.others(except).map((channel) => channel.ask<Answer>(topic, body)));
    for (const answer of answers) {
      if (answer.status === 'rejected')
        this.#options.logger.warn({ topic, error: messageOf(answer.reason) }, 'a process did not do its part');
    }
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  tell(topic: string, body?: unknown, except?: Channel): void {
    for (const channel of this.others(except)) channel.tell(topic, body);
  }

  /**
   * Replaces every process: a new one serves before an old one stops listening, and the old one finishes what it has begun.
   * @returns how many were replaced
   * @throws what keeps a new one from starting; the old ones go on then
   */
  restart(): Promise<number> {
    if (this.#restarting)
      return Promise.reject(new FetchServiceError('FETCH_RESTART_RUNNING', 'the processes are being replaced already'));
    this.#restarting = this.#replaceAll().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  /** Ends all processes; those that are not gone in time are killed. */
  async stop(request: StopRequest, withinMs: number): Promise<boolean> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const workers = [...this.#workers];
    for (const { process } of workers) process.channel.tell(topics.stop, request);
    let isClean = true;
    const timer = setTimeout(() => {
      isClean = false;
      for (const { process } of workers) process.kill();
    }, withinMs);
    await Promise.all(workers.map(({ process }) => process.exited));
    clearTimeout(timer);
    return isClean;
  }

  #ready(): Worker[] {
    return [...this.#workers].filter(({ state }) => state === 'ready');
  }

  async #replaceAll(): Promise<number> {
    const old = this.#ready();
    let replaced = 0;
    for (const worker of old) {
      if (this.#isStopping) break;
      await this.#startOne();
      this.#retire(worker);
      replaced++;
    }
    return replaced;
  }

  #retire(worker: Worker): void {
    if (worker.state === 'ready') worker.state = 'retiring';
    worker.process.channel.tell(topics.stop, replacedStop);
    this.#options.logger.info({ process: worker.process.pid }, 'a process is replaced and finishes what it has begun');
  }

  async #startOne(): Promise<WorkerFacts> {
    const slot = this.#freeSlot();
    const process = this.#options.launch(slot);
    const worker: Worker = { slot, process, state: 'starting' };
    this.#workers.add(worker);
    void process.exited.then(() => this.#onExit(worker));
    try {
      const facts = await outcomeOf(process);
      worker.state = 'ready';
      worker.readySince = performance.now();
      return facts;
    } catch (cause) {
      process.kill();
      await process.exited;
      throw cause;
    }
  }

  #onExit(worker: Worker): void {
    this.#workers.delete(worker);
    const { state, readySince, process } = worker;
    // One that does not start is the business of who started it.
    if (state !== 'ready' || this.#isStopping) return;
    const served = performance.now() - (readySince ?? 0);
    this.#options.logger.error(
      { process: process.pid, seconds: Math.round(served / 1000) },
      'a process died and is replaced',
    );
    if (served > soundMs) this.#failures = 0;
    this.#replaceLater();
  }

  #replaceLater(): void {
    const { first, most } = this.#options.backoffMs ?? { first: 100, most: 10_000 };
    const waitMs = Math.min(first * 2 ** this.#failures, most);
    this.#failures++;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#replace();
    }, waitMs);
    this.#timers.add(timer);
  }

  async #replace(): Promise<void> {
    if (this.#isStopping) return;
    try {
      await this.#startOne();
      this.#options.logger.info({ processes: this.pids }, 'a process serves in its place');
    } catch (cause) {
      this.#options.logger.error({ error: messageOf(cause) }, 'a process could not be replaced');
      if (this.#failures >= mostFailures && this.#ready().length === 0) this.#options.onFatal(cause);
      else if (!this.#isStopping) this.#replaceLater();
    }
  }

  /** Lowest first, so that what a dead process left in its name is taken over soon. */
  #freeSlot(): number {
    const taken = new Set([...this.#workers].map(({ slot }) => slot));
    let slot = 0;
    while (taken.has(slot)) slot++;
    return slot;
  }
}

function outcomeOf({ channel, exited }: WorkerProcess): Promise<WorkerFacts> {
  const { promise, resolve, reject } = Promise.withResolvers<WorkerFacts>();
  const timer = setTimeout(
    () => reject(new Error(`a process did not get ready in ${startTimeoutMs / 1000} s`)),
    startTimeoutMs,
  );
  channel.on<StartOutcome>(topics.started, (outcome) => {
    if ('fault' in outcome) reject(fromFault(outcome.fault));
    else resolve(outcome.facts);
  });
  void exited.then(() => reject(new Error('a process died before it was ready')));
  return promise.finally(() => clearTimeout(timer));
}

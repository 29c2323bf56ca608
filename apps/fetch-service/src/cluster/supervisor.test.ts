import { type Logger, silentLogger } from '@waybill/contracts';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FetchServiceError } from '../errors.js';
import { Channel, type Message, toFault } from './channel.js';
import { Supervisor, type WorkerProcess } from './supervisor.js';
import { topics, type WorkerFacts } from './topics.js';

const facts = { controlUrl: 'http://127.0.0.1:1' } as WorkerFacts;
const noWait = { listenMs: 0, idleMs: 0, graceMs: 0 };

/** A process that does what the test says. */
interface FakeProcess extends WorkerProcess {
  readonly slot: number;
  readonly told: unknown[];
  exit(): void;
  /** Answers as a worker does. */
  say(topic: string, body: unknown): void;
  isKilled: boolean;
  isGone: boolean;
}

/** @param start what each process does when it was started */
function supervise(count: number, start: (process: FakeProcess, n: number) => void, logger: Logger = silentLogger) {
  const started: FakeProcess[] = [];
  const fatal = vi.fn();
  const supervisor = new Supervisor({
    count,
    logger,
    onFatal: fatal,
    backoffMs: { first: 1, most: 4 },
    launch(slot) {
      const process = fakeProcess(slot, started.length + 100);
      started.push(process);
      setImmediate(() => start(process, started.indexOf(process)));
      return process;
    },
  });
  const serving = () => supervisor.pids;
  return { supervisor, started, fatal, serving };
}

function fakeProcess(slot: number, pid: number): FakeProcess {
  let listener: (message: unknown) => void = () => {};
  let onClose = () => {};
  const { promise: exited, resolve } = Promise.withResolvers<void>();
  const told: unknown[] = [];
  const answer = (message: Message) => {
    if (message.waybill === 'tell') told.push([message.topic, message.body]);
    if (message.waybill !== 'ask') return;
    const body = message.topic === 'fail' ? { fault: { message: 'no' } } : { body: pid };
    setImmediate(() => listener({ waybill: 'answer', id: message.id, ...body }));
  };
  const channel = new Channel({
    send: answer,
    onMessage: (hears) => {
      listener = hears;
    },
    onClose: (hears) => {
      onClose = hears;
    },
  });
  const process: FakeProcess = {
    slot,
    pid,
    channel,
    told,
    exited,
    isKilled: false,
    isGone: false,
    exit() {
      process.isGone = true;
      onClose();
      resolve();
    },
    kill() {
      process.isKilled = true;
      process.exit();
    },
    say: (topic, body) => listener({ waybill: 'tell', topic, body }),
  };
  return process;
}

const ready = (process: FakeProcess) => process.say(topics.started, { facts });
const soon = { timeout: 5_000, interval: 2 };
afterEach(() => vi.useRealTimers());

describe('start', () => {
  it('starts one, and the others when it is ready', async () => {
    const order: string[] = [];
    const { supervisor, started, serving } = supervise(3, (process) => {
      order.push(`start ${process.slot}`);
      setTimeout(() => {
        order.push(`ready ${process.slot}`);
        ready(process);
      }, 5);
    });
    expect(await supervisor.start()).toEqual(facts);
    expect(order.slice(0, 2)).toEqual(['start 0', 'ready 0']);
    expect(started.map(({ slot }) => slot)).toEqual([0, 1, 2]);
    expect(serving()).toEqual([100, 101, 102]);
  });

  it.each([
    [
      'says why',
      (process: FakeProcess) =>
        process.say(topics.started, {
          fault: toFault(new FetchServiceError('FETCH_PORT_IN_USE', 'taken', { hint: 'x' })),
        }),
      { code: 'FETCH_PORT_IN_USE', hint: 'x' },
    ],
    ['dies', (process: FakeProcess) => process.exit(), { message: expect.stringContaining('died before') }],
  ])('one that %s keeps the service from starting', async (_name, fail, error) => {
    const { supervisor, started } = supervise(2, (process, n) => (n === 0 ? ready(process) : fail(process)));
    await expect(supervisor.start()).rejects.toMatchObject(error);
    expect(started[1]?.isGone).toBe(true);
    expect(await supervisor.stop(noWait, 1)).toBe(false);
    expect(started.every(({ isGone }) => isGone)).toBe(true);
    expect(started).toHaveLength(2);
  });
});

describe('a process that dies', () => {
  it('is replaced under its number, as often as it happens', async () => {
    const { supervisor, started, serving } = supervise(2, ready);
    await supervisor.start();
    for (let n = 0; n < 10; n++) {
      started.findLast(({ slot, isGone }) => slot === 1 && !isGone)?.exit();
      await undefined;
      expect(serving()).toHaveLength(1);
      await vi.waitUntil(() => serving().length === 2, soon);
    }
    expect(started.slice(2).map(({ slot }) => slot)).toEqual(Array(10).fill(1));
  });

  it('and cannot be replaced: tried again while others serve, given up when none does', async () => {
    let isBroken = false;
    const { supervisor, started, fatal, serving } = supervise(2, (process) =>
      isBroken ? process.exit() : ready(process),
    );
    await supervisor.start();
    isBroken = true;
    started[1]?.exit();
    await vi.waitUntil(() => started.length > 10, soon);
    expect(fatal).not.toHaveBeenCalled();
    expect(serving()).toEqual([100]);
    isBroken = false;
    await vi.waitUntil(() => serving().length === 2, soon);
    isBroken = true;
    for (const process of started) if (!process.isGone) process.exit();
    await vi.waitUntil(() => fatal.mock.calls.length > 0, soon);
  });

  it('while the service stops: is not replaced', async () => {
    const { supervisor, started } = supervise(2, ready);
    await supervisor.start();
    const stopped = supervisor.stop(noWait, 5_000);
    for (const process of started) process.exit();
    expect(await stopped).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(started).toHaveLength(2);
    expect(started.map(({ told }) => told)).toEqual(Array(2).fill([[topics.stop, noWait]]));
  });
});

describe('restart', () => {
  it('a new process serves before an old one is told to leave, under a number of its own', async () => {
    const seen: number[] = [];
    const { supervisor, started, serving } = supervise(2, (process) => {
      seen.push(serving().length);
      ready(process);
    });
    await supervisor.start();
    expect(await supervisor.restart()).toBe(2);
    expect(serving()).toEqual([102, 103]);
    expect(seen.slice(2)).toEqual([2, 2]);
    expect(started.map(({ slot }) => slot)).toEqual([0, 1, 2, 3]);
    expect(started.map(({ told }) => told.length)).toEqual([1, 1, 0, 0]);
    for (const process of started.slice(0, 2)) process.exit();
    await undefined;
    expect(await supervisor.restart()).toBe(2);
    expect(started.slice(4).map(({ slot }) => slot)).toEqual([0, 1]);
  });

  it('a new process that does not start: the old ones go on', async () => {
    let isBroken = false;
    const { supervisor, serving } = supervise(2, (process) =>
      isBroken
        ? process.say(topics.started, { fault: { message: 'bad configuration', code: 'FETCH_CONFIG_INVALID' } })
        : ready(process),
    );
    await supervisor.start();
    isBroken = true;
    await expect(supervisor.restart()).rejects.toMatchObject({ code: 'FETCH_CONFIG_INVALID' });
    expect(serving()).toEqual([100, 101]);
    isBroken = false;
    expect(await supervisor.restart()).toBe(2);
  });

  it('one at a time', async () => {
    const { supervisor } = supervise(1, ready);
    await supervisor.start();
    const first = supervisor.restart();
    await expect(supervisor.restart()).rejects.toMatchObject({ code: 'FETCH_RESTART_RUNNING' });
    expect(await first).toBe(1);
  });
});

describe('stop', () => {
  it('kills what does not leave in time', async () => {
    const { supervisor, started } = supervise(2, ready);
    await supervisor.start();
    const stopped = supervisor.stop(noWait, 20);
    started[0]?.exit();
    expect(await stopped).toBe(false);
    expect(started.map(({ isKilled }) => isKilled)).toEqual([true, true]);
  });
});

describe('ask', () => {
  it('collects what those that serve answer, without the one that asks and those that fail', async () => {
    const { supervisor, started } = supervise(3, ready);
    await supervisor.start();
    expect(await supervisor.ask('pid', undefined, started[1]?.channel)).toEqual([100, 102]);
    expect(await supervisor.ask('fail')).toEqual([]);
    started[2]?.exit();
    expect(await supervisor.ask('pid')).toEqual([100, 101]);
  });
});

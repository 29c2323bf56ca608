import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../test/harness/until.js';
import { checkHistory, type Frame } from '../model/check-history.js';
import type { StorageFault, Violation } from '../model/history.js';
import { createChance } from './chance.js';
import { churn } from './churn.js';
import { type Closing, checkRest, closeSessions, deleteSessions, listFiles, outlived } from './closing.js';
import { createCrowd } from './crowd.js';
import type { ChaosDaemon, Life } from './daemon.js';
import { tell } from './diary.js';
import type { Goods } from './goods.js';
import { type Ground, spoolGround } from './ground.js';
import { childrenOf } from './processes.js';
import { createClock, createSessions, type KnownSession } from './sessions.js';
import type { ChaosUpstream } from './upstream.js';

/** What a storm goes over. */
export interface StormOptions {
  readonly daemon: ChaosDaemon;
  /** Further replicas over the same stores, running; `thinned` kills one and starts it again. */
  readonly others?: readonly ChaosDaemon[];
  readonly goods: Goods;
  readonly upstream: Pick<ChaosUpstream, 'origin' | 'behave'>;
  /** Default: SQLite and files in the spool. */
  readonly ground?: Ground;
  readonly seed: number;
  readonly clients?: number;
  /** Milliseconds that a daemon runs before it is killed, at most. */
  readonly longestLifeMs?: number;
  /** User agents of clients that write no history. */
  readonly isForeign?: (userAgent: string) => boolean;
  /** How often lives end in which way. */
  readonly endings?: Readonly<Record<Ending, number>>;
}

/**
 * How a life ends: killed while it `running`, while it is `starting`, after it was `paused`, in the middle of a call that is
 * `aimed` at, ended `gently`, after its stores were out of order (`struck`), or after one of its processes was killed before
 * all were (`thinned`).
 */
export type Ending = 'running' | 'starting' | 'paused' | 'aimed' | 'gently' | 'struck' | 'thinned';

const usualEndings: Readonly<Record<Ending, number>> = {
  running: 52,
  starting: 24,
  paused: 8,
  aimed: 13,
  gently: 3,
  struck: 0,
  thinned: 0,
};

/** A daemon under load that is killed again and again, and what was seen of it. */
export interface Storm {
  readonly kills: number;
  /** How often its stores were broken. */
  readonly strikes: number;
  /** Starts the daemon and waits until it serves. */
  rise(): Promise<void>;
  /** Opens the sessions of a round and lets the clients in. */
  begin(): Promise<void>;
  /** A session of this round for clients of the test's own. */
  invite(policy: 'strict' | 'permissive'): Promise<KnownSession>;
  /** One life: the daemon is started, and killed at some moment. */
  live(ending?: Ending): Promise<void>;
  /** Sends the clients home, ends the sessions of the round and holds everything against the model. @throws with what was wrong */
  check(options?: { readonly isLast?: boolean }): Promise<void>;
}

/** Whether it was there still. */
function killNow(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

const shownViolations = 25;
const longestStartMs = 60_000;

export function createStorm(options: StormOptions): Storm {
  const {
    daemon,
    others = [],
    goods,
    upstream,
    seed,
    clients = 8,
    longestLifeMs = 320,
    endings = usualEndings,
  } = options;
  const ground = options.ground ?? spoolGround(daemon);
  const clock = createClock();
  const chance = createChance(seed, 'storm');
  const sessions = createSessions({ daemon, clock });
  const faults: StorageFault[] = [];
  const found: Violation[] = [];
  /** They live through every round. */
  let lasting: KnownSession[] = [];
  /** Of this round, and those that come and go in it. */
  let passing: KnownSession[] = [];
  let churned: KnownSession[] = [];
  let churning: Promise<void> = Promise.resolve();
  let isCalm = true;
  let kills = 0;
  let strikes = 0;
  let rounds = 0;
  let life: Life | undefined;

  const known = () => [...lasting, ...passing, ...churned];
  const crowd = createCrowd({ daemon, others, goods, origin: upstream.origin, clock, seed, clients, sessions: known });
  const isForeign = (agent: string) => agent === 'tunnel' || options.isForeign?.(agent) === true;
  const frame: Frame = { truth: goods.truth, faults, isForeign };
  const isIndex = (sha256: string) => goods.truth.indexes.has(sha256);
  const closing: Closing = { daemon, clock, sessions, isIndex, restart };

  async function begin(): Promise<void> {
    rounds++;
    if (lasting.length === 0) lasting = await openBoth();
    passing = await openBoth();
    churned = [];
    for (const session of passing) sessions.follow(session);
    isCalm = false;
    crowd.start();
    churning = churn(sessions, createChance(seed, `churn ${rounds}`), { own: churned, isOver: () => isCalm });
  }

  function openBoth(): Promise<KnownSession[]> {
    return Promise.all([open('strict'), open('permissive')]);
  }

  function open(policy: 'strict' | 'permissive'): Promise<KnownSession> {
    return until('a session is created', () => sessions.create(policy));
  }

  async function invite(policy: 'strict' | 'permissive'): Promise<KnownSession> {
    const session = await open(policy);
    session.isOffered = false;
    passing.push(session);
    return session;
  }

  async function rise(): Promise<void> {
    const before = await listFiles(daemon);
    life = daemon.start();
    if (!(await readySoon(life))) throw broken(`the daemon does not start: ${await life.exited}`);
    found.push(...outlived(before, await listFiles(daemon)));
  }

  async function readySoon(started: Life): Promise<boolean> {
    const late = new AbortController();
    const tooLate = sleep(longestStartMs, 'late', { signal: late.signal }).catch(() => 'late');
    const isReady = await Promise.race([started.ready, tooLate]);
    late.abort();
    if (isReady === 'late') throw broken(`the daemon is not ready after ${longestStartMs} ms`);
    return isReady === true;
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!life) return;
    if (life.isOver) throw broken(`the daemon ended by itself: ${await life.exited}`);
    await life.kill(signal);
    found.push(...life.alarms.map((line) => ({ rule: 'alarm', text: line.slice(0, 2_000) })));
    if (signal === 'SIGKILL') kills++;
  }

  async function restart(): Promise<void> {
    await kill();
    await rise();
  }

  async function live(ending = chance.weighted(endings)): Promise<void> {
    tell(`life ${kills + 1}: ${ending}`);
    if (life && !life.isOver) await kill();
    if (ending === 'starting') {
      life = daemon.start();
      await Promise.race([life.ready, sleep(chance.between(0, 900))]);
      return kill();
    }
    await rise();
    await sleep(chance.between(0, longestLifeMs));
    if (ending === 'paused') await pause();
    if (ending === 'struck') await strike();
    if (ending === 'thinned') await thin();
    const aimed = ending === 'aimed' ? aim() : undefined;
    if (aimed) await sleep(chance.between(0, 25));
    await kill(ending === 'gently' ? 'SIGTERM' : 'SIGKILL');
    await aimed;
  }

  async function pause(): Promise<void> {
    const pid = life?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    await sleep(chance.between(20, 400));
    process.kill(pid, 'SIGCONT');
    await sleep(chance.between(0, longestLifeMs / 2));
  }

  /** Kills one of the processes that serve, more than once; the others go on, and it is replaced. */
  async function thin(): Promise<void> {
    for (const other of others) {
      await other.last?.kill('SIGKILL');
      kills++;
      await sleep(chance.between(0, longestLifeMs));
      const next = other.start();
      if (!(await readySoon(next))) throw broken(`another replica does not start:\n${next.output().slice(-1000)}`);
    }
    if (others.length > 0) return;
    for (let times = chance.between(1, 4); times > 0; times--) {
      const workers = await childrenOf(life?.pid ?? 0);
      if (workers.length > 0 && killNow(chance.of(workers))) kills++;
      await sleep(chance.between(0, longestLifeMs));
    }
  }

  /** Begins something that has many steps, to be killed in the middle of it. */
  async function aim(): Promise<void> {
    const [session] = churned.toSorted((a, b) => b.attempts.length - a.attempts.length);
    if (session) await sessions.call(session, chance.of(['end', 'delete', 'revoke'] as const));
  }

  /** The stores fail for a while, and sometimes the daemon is killed and started meanwhile. Afterwards it has to go on by itself. */
  async function strike(): Promise<void> {
    if (!ground.strike) throw new Error('there is nothing that could be broken');
    const fault = { begun: clock(), ended: Number.MAX_SAFE_INTEGER };
    faults.push(fault);
    const { what, mend } = await ground.strike(chance);
    strikes++;
    tell(`struck: ${what}`);
    await sleep(chance.between(50, 1_500));
    if (chance.happens(0.35)) {
      await kill();
      life = daemon.start();
      // It may wait for its stores, or say what is wrong and end.
      await Promise.race([life.ready, life.exited, sleep(chance.between(0, 1_500))]);
      await sleep(chance.between(0, 500));
    }
    await mend();
    tell('mended');
    // It may end at this very moment, because its stores were away.
    if (!life || life.isOver || !(await readySoon(life))) await rise();
    await until(
      'the daemon says that it is ready',
      async () => (await daemon.control('GET', '/readyz')).status === 200,
    );
    fault.ended = clock();
    await sleep(chance.between(0, longestLifeMs));
  }

  async function check({ isLast = false } = {}): Promise<void> {
    isCalm = true;
    await churning;
    if (!life || life.isOver) await rise();
    await crowd.stop();
    tell(`${known().length} sessions, ${known().reduce((sum, { attempts }) => sum + attempts.length, 0)} attempts`);
    upstream.behave(true);
    for (const session of lasting) {
      await crowd.probe(session);
      await sessions.list(session);
    }
    upstream.behave(false);
    const left = isLast ? [] : lasting;
    const over = known().filter((session) => !left.includes(session));
    await closeSessions(closing, over);
    for (const session of known()) found.push(...checkHistory(session, frame));
    found.push(...(await deleteSessions(closing, over)));
    await kill();
    const damages = await ground.recordFaults();
    found.push(...damages.map((text) => ({ rule: 'records-damaged', text })));
    await rise();
    found.push(...(await checkRest(closing, ground, left)));
    [lasting, passing, churned] = [left, [], []];
    tell(`${kills} kills so far`);
    if (found.length > 0) throw broken(described());
  }

  function described(): string {
    const shown = found.slice(0, shownViolations).map(({ rule, text }) => `  ${rule}: ${text}`);
    return `${found.length} violations after ${kills} kills (round ${rounds}):\n${shown.join('\n')}`;
  }

  function broken(text: string): Error {
    const said = `${text}\nWAYBILL_CHAOS_SEED=${seed} repeats it.`;
    return new Error(`${said} What the daemon printed last:\n${life?.output().slice(-3000)}`);
  }

  return {
    get kills() {
      return kills;
    },
    get strikes() {
      return strikes;
    },
    rise,
    begin,
    invite,
    live,
    check,
  };
}

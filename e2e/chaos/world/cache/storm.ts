import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../../test/harness/until.js';
import { checkCache } from '../../model/cache/check-cache.js';
import type { NamespaceTruth } from '../../model/cache/history.js';
import type { Span, Violation } from '../../model/history.js';
import { overlaps } from '../../model/rules/states.js';
import { type Chance, createChance } from '../chance.js';
import { tell } from '../diary.js';
import type { Damage } from '../ground.js';
import { createClock } from '../sessions.js';
import { createCacheApi } from './api.js';
import { createCacheCrowd } from './crowd.js';
import { createCacheGoods } from './goods.js';
import type { CacheLife, CacheServer } from './server.js';

/**
 * How a life ends: killed while it `running`, while it is `starting`, after it was `paused`, while another process is
 * `collecting` over the same store, ended `gently`, or after its stores were out of order (`struck`).
 */
export type CacheEnding = 'running' | 'starting' | 'paused' | 'collecting' | 'gently' | 'struck';

export interface CacheStormOptions {
  readonly server: CacheServer;
  readonly namespaces: ReadonlyMap<string, NamespaceTruth>;
  readonly seed: number;
  readonly clients?: number;
  /** Milliseconds that a server runs before it is killed, at most. */
  readonly longestLifeMs?: number;
  readonly endings?: Readonly<Record<CacheEnding, number>>;
  /** Breaks the stores. */
  readonly strike?: (chance: Chance) => Promise<Damage>;
}

/** A server under load that is killed again and again, and what was seen of it. */
export interface CacheStorm {
  readonly kills: number;
  readonly strikes: number;
  /** One life: the server is started, and killed at some moment, while the clients go on. */
  live(ending?: CacheEnding): Promise<void>;
  /** Sends the clients home and holds everything against the model and against `fsck --verify`. @throws with what was wrong */
  check(): Promise<void>;
}

const usualEndings = { running: 50, starting: 15, paused: 5, collecting: 25, gently: 5, struck: 0 };
const longestStartMs = 120_000;
const shownViolations = 25;

function findingsIn(text: string): readonly { readonly problem: string }[] {
  return [...text.matchAll(/"problem": ?"([a-z-]+)"/g)].map(([, problem = '']) => ({ problem }));
}

export function createCacheStorm(options: CacheStormOptions): CacheStorm {
  const { server, namespaces, seed, clients = 8, longestLifeMs = 900, endings = usualEndings } = options;
  const clock = createClock();
  const chance = createChance(seed, 'cache storm');
  const goods = createCacheGoods(createChance(seed, 'cache goods'));
  const names = [...namespaces.keys()];
  const evicting = new Set(names.filter((name) => namespaces.get(name)?.evicts));
  const crowd = createCacheCrowd({
    apis: [createCacheApi(server.origin)],
    goods,
    clock,
    seed,
    clients,
    namespaces: names,
    evicting,
  });
  const faults: Span[] = [];
  const found: Violation[] = [];
  let life: CacheLife | undefined;
  let collection: Promise<void> | undefined;
  let isCrowded = false;
  let kills = 0;
  let strikes = 0;

  async function rise(): Promise<CacheLife> {
    life = server.start();
    if (!(await readySoon(life))) throw broken(`the server does not start: ${await life.exited}`);
    return life;
  }

  async function readySoon(started: CacheLife): Promise<boolean> {
    const late = new AbortController();
    const tooLate = sleep(longestStartMs, 'late', { signal: late.signal }).catch(() => 'late');
    const isReady = await Promise.race([started.ready, tooLate]);
    late.abort();
    if (isReady === 'late') throw broken(`the server is not ready after ${longestStartMs} ms`);
    return isReady === true;
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!life) return;
    if (life.isOver) throw broken(`the server ended by itself: ${await life.exited}`);
    const fault = { begun: clock(), ended: Number.MAX_SAFE_INTEGER };
    // Told to stop, it may turn away who comes late.
    if (signal !== 'SIGKILL') faults.push(fault);
    await life.kill(signal);
    fault.ended = clock();
    if (signal === 'SIGKILL') kills++;
    found.push(...life.alarms.map((line) => ({ rule: 'alarm', text: line.slice(0, 2_000) })));
  }

  async function live(ending = chance.weighted(endings)): Promise<void> {
    tell(`life ${kills + 1}: ${ending}`);
    if (life && !life.isOver) await kill();
    if (!isCrowded) crowd.start();
    isCrowded = true;
    if (ending === 'starting') {
      life = server.start();
      await Promise.race([life.ready, sleep(chance.between(0, 900))]);
      return kill();
    }
    await rise();
    await sleep(chance.between(0, longestLifeMs));
    if (ending === 'paused') await pause();
    if (ending === 'struck') await strike();
    if (ending === 'collecting') {
      collection ??= collect();
      await sleep(chance.between(0, 900));
    }
    await kill(ending === 'gently' ? 'SIGTERM' : 'SIGKILL');
  }

  async function pause(): Promise<void> {
    process.kill(life?.pid ?? 0, 'SIGSTOP');
    await sleep(chance.between(20, 400));
    process.kill(life?.pid ?? 0, 'SIGCONT');
    await sleep(chance.between(0, longestLifeMs / 2));
  }

  /** Another process over the same store, which removes what nobody needs; it may wait for one that was killed at it. */
  async function collect(): Promise<void> {
    const begun = clock();
    const { code, stdout, stderr } = await server.command('gc');
    collection = undefined;
    if (code === 0 || overlaps({ begun, ended: clock() }, faults)) return;
    found.push({ rule: 'collection-failed', text: `gc ended with ${code}: ${stdout}${stderr}` });
  }

  /** The stores fail for a while, and sometimes the server is killed and started meanwhile. */
  async function strike(): Promise<void> {
    if (!options.strike) throw new Error('there is nothing that could be broken');
    const fault = { begun: clock(), ended: Number.MAX_SAFE_INTEGER };
    faults.push(fault);
    const { what, mend } = await options.strike(chance);
    strikes++;
    tell(`struck: ${what}`);
    await sleep(chance.between(50, 1_500));
    if (chance.happens(0.35)) {
      await kill();
      life = server.start();
      await Promise.race([life.ready, life.exited, sleep(chance.between(0, 1_500))]);
    }
    await mend();
    tell('mended');
    // It may have ended because its stores were away.
    if (!life || life.isOver || !(await readySoon(life))) await rise();
    const { origin } = server;
    await until('the server is ready again', async () => (await createCacheApi(origin).ask('/readyz')).status === 200);
    fault.ended = clock();
    await sleep(chance.between(0, longestLifeMs));
  }

  async function check(): Promise<void> {
    if (!life || life.isOver) await rise();
    await crowd.stop();
    isCrowded = false;
    const whole = crowd.pulls.filter(
      ({ outcome, blobs }) => outcome === 'found' && blobs.every((one) => one.status === 200),
    );
    const refused = crowd.deeds.filter(({ status }) => status === 507);
    tell(
      `${crowd.writes.length} writes, ${crowd.pulls.length} pulls (${whole.length} whole), ${refused.length} times full`,
    );
    const written = new Map(crowd.writes.map(({ namespace, key }) => [`${namespace} ${key}`, { namespace, key }]));
    for (const { namespace, key } of written.values()) await crowd.probe(namespace, key);
    found.push(...checkCache({ ...crowd, namespaces, faults }));
    await collection;
    await collect();
    await examine('beside the server');
    await kill();
    await examine('after a kill');
    await tidy();
    if (found.length > 0) throw broken(described());
  }

  /** Bytes that an upload left when it was killed are nobody's, and not damage; they go when that is asked for. */
  async function examine(when: string): Promise<void> {
    const { code, stdout, stderr } = await server.command('fsck', '--verify', '--format', 'json');
    const findings = findingsIn(stdout);
    const isClean = code === 0 || (findings.length > 0 && findings.every(({ problem }) => problem === 'blob-unknown'));
    if (isClean) return;
    found.push({ rule: 'damaged', text: `fsck ${when} ended with ${code}: ${stdout.slice(0, 2_000)}${stderr}` });
  }

  async function tidy(): Promise<void> {
    const { code, stdout, stderr } = await server.command('fsck', '--repair', '--format', 'json');
    const isDamaged = findingsIn(stdout).some(({ problem }) => problem !== 'blob-unknown');
    if (isDamaged) found.push({ rule: 'damaged', text: `fsck repaired (${code}): ${stdout.slice(0, 2_000)}${stderr}` });
    await examine('after a repair');
  }

  function described(): string {
    const shown = found.slice(0, shownViolations).map(({ rule, text }) => `  ${rule}: ${text}`);
    return `${found.length} violations after ${kills} kills:\n${shown.join('\n')}`;
  }

  function broken(text: string): Error {
    const said = `${text}\nWAYBILL_CHAOS_SEED=${seed} repeats it.`;
    return new Error(`${said} What the server printed last:\n${life?.output().slice(-3000)}`);
  }

  return {
    get kills() {
      return kills;
    },
    get strikes() {
      return strikes;
    },
    live,
    check,
  };
}

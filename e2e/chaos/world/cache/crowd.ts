import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CachePublishRequest } from '@waybill/contracts';
import type { BlobRead, Deed, Pull, UsageSeen, Write } from '../../model/cache/history.js';
import type { Chance } from '../chance.js';
import { createChance } from '../chance.js';
import type { Clock } from '../sessions.js';
import type { CacheApi } from './api.js';
import { type CacheGood, type CacheGoods, goodOf } from './goods.js';

/** Clients that push, pull and remove without pause, and write down what came of it. */
export interface CacheCrowd {
  readonly writes: Write[];
  readonly pulls: Pull[];
  readonly deeds: Deed[];
  readonly usages: UsageSeen[];
  start(): void;
  /** Resolves when each is through with what it does. */
  stop(): Promise<void>;
  /** Pulls a name; nothing is broken now. */
  probe(namespace: string, key: string): Promise<void>;
}

export interface CacheCrowdOptions {
  /** One for each replica. */
  readonly apis: readonly CacheApi[];
  readonly goods: CacheGoods;
  readonly clock: Clock;
  readonly seed: number;
  readonly clients: number;
  /** Namespaces, the ones with a quota among them. */
  readonly namespaces: readonly string[];
  readonly evicting: ReadonlySet<string>;
}

const names = 60;
/** Where there is a quota, there may be no room. */
const full = [413, 507];

export function createCacheCrowd(options: CacheCrowdOptions): CacheCrowd {
  const { apis, goods, clock, seed, clients, namespaces, evicting } = options;
  const writes: Write[] = [];
  const pulls: Pull[] = [];
  const deeds: Deed[] = [];
  const usages: UsageSeen[] = [];
  let isCalm = true;
  let rounds = 0;
  let running: Promise<unknown> = Promise.resolve();

  async function client(number: number): Promise<void> {
    const chance = createChance(seed, `cache client ${number} of round ${rounds}`);
    while (!isCalm) {
      const api = chance.of(apis);
      const namespace = chance.of(namespaces);
      const key = `${chance.of(['first', 'last'])}/${chance.between(0, names)}`;
      const what = chance.weighted({ push: 40, pull: 40, remove: 3, hostile: 5, half: 3, usage: 4 });
      if (what === 'push') await push({ api, chance, namespace, key });
      if (what === 'pull') await pull(api, namespace, key);
      if (what === 'remove' && key.startsWith('last/')) await remove(api, namespace, key);
      if (what === 'hostile') await attack(api, chance, namespace);
      if (what === 'half') await api.putHalf(namespace, goodOf(randomBytes(chance.between(2, 200_000))));
      if (what === 'usage') await look(api, namespace);
      const isAway = what === 'pull' && pulls.at(-1)?.status === undefined;
      // Who finds nobody there comes back a little later.
      await sleep(isAway ? chance.between(20, 80) : chance.between(0, 12));
    }
  }

  async function pull(api: CacheApi, namespace: string, key: string, mustSucceed = false): Promise<void> {
    const begun = clock();
    const { status, text, entry } = await api.lookup(namespace, key);
    const found = { namespace, key, begun, ended: clock(), status, mustSucceed };
    if (!entry) {
      const outcome = status === 404 ? 'missing' : 'unanswered';
      return void pulls.push({ ...found, outcome, blobs: [], note: text.slice(0, 300) });
    }
    const blobs: BlobRead[] = [];
    for (const sha256 of new Set([entry.value, ...entry.references])) {
      const opened = clock();
      const read = await api.get(namespace, sha256);
      blobs.push({ sha256, ...read, begun: opened, ended: clock() });
    }
    pulls.push({ ...found, outcome: 'found', entry, blobs });
  }

  interface Push {
    readonly api: CacheApi;
    readonly chance: Chance;
    readonly namespace: string;
    readonly key: string;
  }

  async function push({ api, chance, namespace, key }: Push): Promise<void> {
    const value = goods.value(chance);
    const files = [...new Map(goods.files(chance).map((file) => [file.sha256, file])).values()];
    const all = [value, ...files];
    if (!(await send({ api, chance, namespace }, all))) return;
    const entry = { value: value.sha256, references: files.map(({ sha256 }) => sha256) };
    const overwrite = key.startsWith('first/') ? 'first-wins' : 'last-wins';
    const references = files.map(documentOf);
    const request: CachePublishRequest = { keys: [key], value: documentOf(value), references, overwrite };
    const begun = clock();
    const { status, text } = await api.publish(namespace, request);
    const times = { namespace, begun, ended: clock(), status, note: text.slice(0, 300) };
    writes.push({ ...times, key, entry, outcome: outcomeOf(status, text) });
    // All of it was there a moment ago, and was promised to stay for a while.
    if (status !== undefined && status < 500) {
      const conflicts = overwrite === 'first-wins' ? [409] : [];
      const allowed = [200, 201, ...conflicts, ...(evicting.has(namespace) ? full : [])];
      deeds.push({ ...times, what: `publishing ${key}, all of which is there,`, allowed });
    }
  }

  /** @returns whether the namespace has all of it */
  async function send({ api, chance, namespace }: Omit<Push, 'key'>, all: readonly CacheGood[]): Promise<boolean> {
    let wanted = all;
    if (chance.happens(0.7)) {
      const begun = clock();
      const { status, text, sha256s } = await api.missing(namespace, all.map(documentOf));
      deeds.push({
        what: 'asking what is missing',
        namespace,
        begun,
        ended: clock(),
        status,
        allowed: [200],
        note: text,
      });
      if (!sha256s) return false;
      wanted = all.filter(({ sha256 }) => sha256s.includes(sha256));
    }
    for (const { sha256, bytes } of wanted) {
      const begun = clock();
      const { status, text } = await api.put(namespace, sha256, bytes);
      const allowed = [200, 201, 204, ...(evicting.has(namespace) ? full : [])];
      deeds.push({
        what: `sending ${sha256}`,
        namespace,
        begun,
        ended: clock(),
        status,
        allowed,
        note: text.slice(0, 300),
      });
      if (status === undefined || status >= 300) return false;
    }
    return true;
  }

  async function remove(api: CacheApi, namespace: string, key: string): Promise<void> {
    const begun = clock();
    const { status, text } = await api.remove(namespace, key);
    const isDone = status === 200 || status === 204 || status === 404;
    const outcome = isDone ? 'done' : outcomeOf(status, text);
    writes.push({ namespace, key, entry: undefined, begun, ended: clock(), outcome, status, note: text.slice(0, 300) });
  }

  /** Bytes that are not what they are said to be, and a name for what nobody sent. */
  async function attack(api: CacheApi, chance: Chance, namespace: string): Promise<void> {
    const unsent = goodOf(randomBytes(40));
    const begun = clock();
    const lie = await api.put(namespace, unsent.sha256, randomBytes(chance.between(1, 60)));
    const refused = [400, 409, 413, 422, ...(evicting.has(namespace) ? full : [])];
    note({ what: 'a body of another digest', namespace, begun, answer: lie, allowed: refused });
    const asked = clock();
    const read = await api.get(namespace, unsent.sha256);
    note({
      what: 'a blob that was never sent',
      namespace,
      begun: asked,
      answer: { ...read, text: '' },
      allowed: [404],
    });
    const named = clock();
    const request = { keys: [`last/hostile-${unsent.sha256}`], value: documentOf(unsent) };
    const answer = await api.publish(namespace, request);
    note({ what: 'a name for it', namespace, begun: named, answer, allowed: [400, 404, 409, 412, 422] });
  }

  interface Noted extends Pick<Deed, 'what' | 'namespace' | 'begun' | 'allowed'> {
    readonly answer: { readonly status: number | undefined; readonly text: string };
  }

  function note({ answer: { status, text }, ...deed }: Noted): void {
    deeds.push({ ...deed, ended: clock(), status, note: text.slice(0, 300) });
  }

  async function look(api: CacheApi, namespace: string): Promise<void> {
    const begun = clock();
    const { status, text } = await api.ask(`/v1/namespaces/${namespace}`);
    deeds.push({ what: 'usage', namespace, begun, ended: clock(), status, allowed: [200], note: text.slice(0, 300) });
    if (status !== 200) return;
    const { bytes } = JSON.parse(text) as { readonly bytes: number };
    usages.push({ at: begun, namespace, bytes });
  }

  return {
    writes,
    pulls,
    deeds,
    usages,
    start() {
      rounds++;
      isCalm = false;
      running = Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
    },
    async stop() {
      isCalm = true;
      await running;
    },
    probe: (namespace, key) => pull(apis[0] as CacheApi, namespace, key, true),
  };
}

function documentOf({ sha256, bytes }: CacheGood) {
  return { sha256, size: bytes.length };
}

function outcomeOf(status: number | undefined, text: string): Write['outcome'] {
  if (status === 200 || status === 201) return 'done';
  if (status === 409) return 'exists';
  if (status === undefined) return 'unknown';
  // A quota refuses before anything is written. A disk that is full may fail the sync of a transaction that lies in the journal
  // all the same, and is there again after a kill: that an error is no promise that nothing happened.
  if (status === 507) return text.includes('"CACHE_FULL"') ? 'refused' : 'unknown';
  return status >= 500 ? 'unknown' : 'refused';
}

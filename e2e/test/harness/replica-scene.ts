import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ThrowawayCa } from '@waybill/testkit';
import { type Balancer, startBalancer } from './balancer.js';
import { type Daemon, startDaemon } from './daemon.js';
import type { Closable } from './keep.js';
import { freePorts } from './ports.js';
import { type Control, openSession, type Session, type SessionFields } from './session.js';
import { createSharedStores, type SharedStores } from './shared-stores.js';
import { createTempDir } from './temp-dir.js';

/** One of two daemons over the same stores. */
export interface Replica {
  readonly daemon: Daemon;
  /** The same session by way of this replica's proxy. */
  proxyOf(session: Session): Session;
  /** Kills all its processes at one moment. */
  murder(): Promise<void>;
  /** Folders of sessions in its spool. */
  sessionFolders(): Promise<string[]>;
}

/** Two replicas of two processes each, over one PostgreSQL and one S3 server, behind nginx. */
export interface ReplicaScene {
  readonly replicas: readonly [Replica, Replica];
  readonly stores: SharedStores;
  readonly balancer: Balancer;
  /** The control API by way of the balancer. */
  readonly control: Control;
  /** Created and used by way of the balancer. */
  openSession(fields: SessionFields): Promise<Session>;
  /** New connections go to all but this one. */
  leaveOut(replica: Replica): Promise<void>;
  /** New connections go to both again. */
  takeIn(): Promise<void>;
}

export interface ReplicaSceneOptions {
  readonly upstreamCa: ThrowawayCa;
  readonly inspectors: unknown;
  readonly args?: readonly string[];
}

/** @param keep closes what is opened, last first */
export async function openReplicaScene(
  keep: <Thing extends Closable>(thing: Thing) => Thing,
  { upstreamCa, inspectors, args = [] }: ReplicaSceneOptions,
): Promise<ReplicaScene> {
  const stores = keep(await createSharedStores());
  // What replicas have in common beside the stores: credentials, the key that seals secrets, the root certificate.
  const compiled = keep(await createTempDir());
  const env = {
    ...stores.env,
    // They are started often: half of the time to start is reading their own code.
    NODE_COMPILE_CACHE: compiled.path,
    FETCH_SERVICE_AUTH: `craft:${randomBytes(9).toString('hex')}`,
    FETCH_SERVICE_SECRETS_KEY: randomBytes(32).toString('base64'),
  };
  const start = async (more: readonly string[]) =>
    keep(
      await startDaemon({
        upstreamCa,
        inspectors,
        env,
        ports: await freePorts(),
        args: ['--processes=2', ...stores.args, ...args, ...more],
      }),
    );
  const first = await start([]);
  const root = join(first.dir, 'spool', '.waybill', 'ca');
  const second = await start([`--cert=${join(root, 'root-ca.pem')}`, `--key=${join(root, 'root-ca.key.pem')}`]);
  const replicas = [toReplica(first), toReplica(second)] as const;
  const members = [portsOf(replicas[0]), portsOf(replicas[1])] as const;
  const balancer = keep(await startBalancer([...members]));
  const control: Control = (method, path, body) =>
    fetch(new URL(path, balancer.controlOrigin), {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(env.FETCH_SERVICE_AUTH).toString('base64')}`,
        'content-type': 'application/json',
        // The balancer hands out connections: each call is to be for another replica.
        connection: 'close',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const place = { proxyOrigin: balancer.proxyOrigin, caFile: first.runtime['ca-file'] };
  return {
    replicas,
    stores,
    balancer,
    control,
    openSession: (fields) => openSession(control, place, fields),
    leaveOut: (replica) => balancer.use(members.filter((_, n) => replicas[n] !== replica)),
    takeIn: () => balancer.use(members),
  };
}

function toReplica(daemon: Daemon): Replica {
  return {
    daemon,
    proxyOf(session) {
      const proxyOrigin = daemon.runtime['proxy-url'];
      return { ...session, proxyOrigin, proxyUrl: proxyOrigin.replace('//', `//${session.id}:${session.token}@`) };
    },
    async murder() {
      const [, serving = ''] = [...daemon.output().matchAll(/"processes":\[([\d,]+)\][^\n]*"started"/g)].at(-1) ?? [];
      if (serving === '') throw new Error(`it does not say which its processes are:\n${daemon.output()}`);
      const gone = daemon.kill('SIGKILL');
      for (const pid of serving.split(',').map(Number)) process.kill(pid, 'SIGKILL');
      await gone;
    },
    sessionFolders: async () => (await readdir(join(daemon.dir, 'spool'))).filter((name) => name !== '.waybill'),
  };
}

function portsOf({ daemon }: Pick<Replica, 'daemon'>): { readonly control: number; readonly proxy: number } {
  const { 'control-url': control, 'proxy-url': proxy } = daemon.runtime;
  return { control: Number(new URL(control).port), proxy: Number(new URL(proxy).port) };
}

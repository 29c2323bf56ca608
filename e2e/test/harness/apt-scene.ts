import {
  type AptSandbox,
  type AptUpstream,
  type BuiltAptRepository,
  buildAptRepository,
  createAptSandbox,
  createThrowawayCa,
  startAptUpstream,
  type ThrowawayCa,
} from '@waybill/testkit';
import { type Daemon, startDaemon } from './daemon.js';
import type { Closable } from './keep.js';
import type { Session } from './session.js';
import { createTempDir, type TempDir } from './temp-dir.js';

/** Which sessions, and which apt, a test wants. */
export interface AptChoice {
  /** Armored key that the session trusts. Default the repository's. */
  readonly key?: string;
  readonly from?: Pick<AptUpstream, 'url'>;
  readonly suite?: string;
  /** More of apt.conf. */
  readonly config?: string;
}

/** What every apt test starts from: a signed repository with two packages, its upstream and a daemon. */
export interface AptScene {
  readonly dir: TempDir;
  readonly repository: BuiltAptRepository;
  readonly upstream: AptUpstream;
  /** The daemon trusts its leaves. */
  readonly ca: ThrowawayCa;
  readonly daemon: Daemon;
  /** A session that trusts the upstream's suite `stable`. */
  openSession(policy: 'strict' | 'permissive', choice?: AptChoice): Promise<Session>;
  /** An apt of its own that uses a session. */
  sandbox(session: Session, choice?: AptChoice): Promise<AptSandbox>;
}

/** Update as a build runs it: an index that cannot be had is an error. */
export const update = ['update', '-o', 'APT::Update::Error-Mode=any'];

/** The package that needs the other one. */
export const deb = 'pool/main/t/tiny/tiny_1.5_all.deb';

export interface AptSceneOptions {
  /** Whether sessions take what earlier ones stored. Default off: a test then sees all its requests upstream. */
  readonly reuse?: 'on' | 'off';
}

/** @param keep closes what is opened, last first */
export async function openAptScene(
  keep: <Thing extends Closable>(thing: Thing) => Thing,
  { reuse = 'off' }: AptSceneOptions = {},
): Promise<AptScene> {
  const dir = keep(await createTempDir());
  const repository = keep(
    await buildAptRepository({
      dir: dir.at('repository'),
      packages: [
        { name: 'libtiny', version: '1:2.0-1', arch: 'amd64', files: { 'usr/lib/tiny.txt': 'tiny\n' } },
        { name: 'tiny', version: '1.5', arch: 'all', depends: 'libtiny', files: { 'usr/bin/tiny': '#!/bin/sh\n' } },
      ],
    }),
  );
  const upstream = keep(await startAptUpstream({ dir: repository.dir }));
  const ca = await createThrowawayCa();
  const daemon = keep(await startDaemon({ upstreamCa: ca, inspectors: { limits: { reuse } } }));
  let sandboxes = 0;
  return {
    dir,
    repository,
    upstream,
    ca,
    daemon,
    openSession(policy, { key = repository.publicKeyArmor, from = upstream } = {}) {
      const test = { urls: [from.url], suites: ['stable'], components: ['main'], 'public-key': key };
      return daemon.createSession(policy, { 'inspectors-configuration': { apt: { repositories: { test } } } });
    },
    sandbox: (session, { from = upstream, suite = 'stable', config = '' } = {}) =>
      createAptSandbox({
        dir: dir.at(`apt-${sandboxes++}`),
        sources: [`deb ${from.url} ${suite} main`],
        keyring: repository.publicKeyArmor,
        proxy: session.proxyUrl,
        caFile: session.caFile,
        config,
      }),
  };
}

import { writeFile } from 'node:fs/promises';
import { createThrowawayCa, type ThrowawayCa } from '@waybill/testkit';
import { type Daemon, startDaemon } from './daemon.js';
import { type FileUpstream, startFileUpstream } from './file-upstream.js';
import { startForwardProxy } from './forward-proxy.js';
import type { Closable } from './keep.js';
import { type PreparedClient, prepareClient } from './prepared-client.js';
import type { Session } from './session.js';
import { createTempDir, type TempDir } from './temp-dir.js';

/** What the tests of an ecosystem start from: its files on an https server, and a daemon that allows that server. */
export interface EcosystemScene {
  readonly ca: ThrowawayCa;
  /** PEM file of `ca`, for real tools that reach the upstream without a session. */
  readonly caFile: string;
  /** For sources and whatever the tools make of them. */
  readonly dir: TempDir;
  readonly upstream: FileUpstream;
  readonly origin: string;
  readonly daemon: Daemon;
  /** A client of its own, in an empty directory with an empty home, set up as `client-setup` does it. */
  client(session: Session): Promise<PreparedClient>;
}

export interface EcosystemSceneOptions {
  /** `inspectors.yaml` for this origin. */
  readonly inspectors: (origin: string) => Readonly<Record<string, unknown>>;
  /** Name of the upstream, for clients that use no proxy for `localhost`. The daemon reaches it through a proxy. */
  readonly host?: string;
  /** What users have in their environment, and in their home as files by path. */
  readonly user?: (origin: string) => {
    readonly env?: NodeJS.ProcessEnv;
    readonly files?: Readonly<Record<string, string>>;
  };
}

/** @param keep closes what is opened, last first */
export async function openEcosystemScene(
  keep: <Thing extends Closable>(thing: Thing) => Thing,
  { inspectors, user, host }: EcosystemSceneOptions,
): Promise<EcosystemScene> {
  const ca = await createThrowawayCa();
  const dir = keep(await createTempDir());
  const caFile = dir.at('upstream-ca.pem');
  await writeFile(caFile, ca.certificatePem);
  const upstream = keep(await startFileUpstream(ca, host));
  const { origin } = upstream;
  const passage = host === undefined ? undefined : keep(await startForwardProxy({ isEverythingHere: true }));
  const daemon = keep(
    await startDaemon({
      upstreamCa: ca,
      // Without reuse a test sees all its requests upstream.
      inspectors: { ...inspectors(origin), limits: { reuse: 'off' } },
      ...(passage && { env: { HTTPS_PROXY: passage.url } }),
    }),
  );
  return {
    ...{ ca, caFile, dir, upstream, origin, daemon },
    client: (session) => prepareClient(session, { home: user?.(origin) ?? {} }),
  };
}

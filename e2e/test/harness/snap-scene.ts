import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  assertionType,
  buildSnapAssertions,
  createSnapKeys,
  createThrowawayCa,
  type HeaderChange,
  type HttpUpstream,
  type SnapKey,
  snapDigest,
  startHttpsUpstream,
} from '@waybill/testkit';
import { type Daemon, startDaemon } from './daemon.js';
import type { Closable } from './keep.js';
import { run } from './run.js';
import type { Session } from './session.js';
import { createTempDir } from './temp-dir.js';

export const snapId = 'buPKUD3TKqCOgLEjjHx5kSiCpIs5cMuQ';

/** What is odd about the store while a test runs. */
export interface StoreFault {
  /** Other bytes under the snap's URL. */
  readonly snap?: Buffer;
  /** Assertions are made for these bytes. Default the snap's. */
  readonly signed?: Buffer;
  readonly change?: { readonly [Type in 'key' | 'declaration' | 'revision']?: HeaderChange };
  readonly signer?: SnapKey;
  /** The snap's own revision is what the store says of any bytes. */
  readonly anyRevision?: boolean;
  /** Changes an assertion's text on its way. */
  tamper?(path: string, text: string): string;
}

/** A snap store with one snap, real assertions and real signatures; its downloads redirect to another host. */
export interface SnapScene {
  readonly store: HttpUpstream;
  readonly cdn: HttpUpstream;
  readonly daemon: Daemon;
  readonly snap: Buffer;
  /** A snap of the same name with other content. */
  readonly other: Buffer;
  readonly stranger: SnapKey;
  readonly snapUrl: string;
  fail(fault: StoreFault): void;
  openSession(policy: 'strict' | 'permissive', section?: Record<string, unknown>): Promise<Session>;
}

/** @param keep closes what is opened, last first */
export async function openSnapScene(keep: <Thing extends Closable>(thing: Thing) => Thing): Promise<SnapScene> {
  const dir = keep(await createTempDir());
  const build = async (name: string, content: string): Promise<Buffer> => {
    await mkdir(dir.at(name, 'meta'), { recursive: true });
    await writeFile(
      dir.at(name, 'meta/snap.yaml'),
      'name: hello\nversion: "2.10"\nsummary: Says hello\nlicense: MIT\n',
    );
    await writeFile(dir.at(name, 'content'), content);
    const made = await run('mksquashfs', [
      dir.at(name),
      dir.at(`${name}.snap`),
      '-comp',
      'xz',
      '-quiet',
      '-no-progress',
      '-all-root',
    ]);
    if (made.code !== 0) throw new Error(`mksquashfs: ${made.stderr}`);
    return readFile(dir.at(`${name}.snap`));
  };
  const [snap, other] = [await build('hello', 'hello\n'), await build('other', 'evil\n')];
  const keys = createSnapKeys();
  let fault: StoreFault = {};
  let assertions: Record<string, string> = {};
  const ca = await createThrowawayCa();
  const sendSnap = (response: ServerResponse): void => {
    response.setHeader('content-type', 'application/octet-stream').end(fault.snap ?? snap);
  };
  const cdn = keep(await startHttpsUpstream((_request, response) => sendSnap(response), { ca }));

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const path = new URL(request.url ?? '/', 'https://store.example').pathname.slice(1);
    if (path === `api/v1/snaps/download/${snapId}_42.snap`) {
      sendSnap(response);
      return;
    }
    if (path === `api/v1/snaps/download/${snapId}_43.snap`) {
      response.writeHead(302, { location: `${cdn.url}/download/${snapId}_42.snap?token=signed` }).end();
      return;
    }
    // As the store does: assertions are text for those who ask for them, and something else for others.
    const isAnother = fault.anyRevision === true && path.startsWith('v2/assertions/snap-revision/');
    const assertion = assertions[isAnother ? revisionPath(snap) : path];
    if (assertion !== undefined && request.headers.accept?.includes(assertionType)) {
      const text = fault.tamper?.(path, assertion) ?? assertion;
      response.setHeader('content-type', assertionType).end(text);
      return;
    }
    const answer = answers[`${request.method} ${path}`];
    if (answer === undefined) response.writeHead(404).end('{}');
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  }
  const answers: Record<string, unknown> = {
    'POST api/v1/snaps/auth/nonces': { nonce: 'n-123' },
    'GET v2/snaps/info/hello': { name: 'hello', 'snap-id': snapId, 'channel-map': [{ version: '2.10' }] },
    'POST v2/snaps/refresh': {
      results: [
        {
          'instance-key': 'install-1',
          result: 'install',
          name: 'hello',
          'snap-id': snapId,
          'effective-channel': 'latest/stable',
          snap: { revision: 42 },
        },
      ],
    },
  };
  const scene = (next: StoreFault) => {
    fault = next;
    const { change = {}, signer, signed = snap } = next;
    assertions = buildSnapAssertions({
      ...keys,
      snap: signed,
      snapId,
      name: 'hello',
      revision: '42',
      change,
      ...(signer && { signer }),
    });
  };
  scene({});
  const store = keep(await startHttpsUpstream(serve, { ca }));
  const daemon = keep(await startDaemon({ upstreamCa: ca, inspectors: { limits: { reuse: 'off' } } }));
  return {
    store,
    cdn,
    daemon,
    snap,
    other,
    stranger: keys.stranger,
    snapUrl: `${store.url}/api/v1/snaps/download/${snapId}_42.snap`,
    fail: scene,
    openSession: (policy, section = {}) =>
      daemon.createSession(policy, {
        'inspectors-configuration': {
          snap: {
            'snap-declaration': [{ name: 'publisher-id', value: ['publisher1'] }],
            store: store.url,
            downloads: [`${cdn.url}/**`],
            'root-account-keys': [keys.root.id],
            ...section,
          },
        },
      }),
  };
}

/** Path of the snap-revision of some bytes. */
export function revisionPath(bytes: Uint8Array): string {
  return `v2/assertions/snap-revision/${snapDigest(bytes)}`;
}

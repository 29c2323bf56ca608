import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import {
  createAptSigningKey,
  createThrowawayCa,
  type HttpUpstream,
  mustRun,
  startHttpsUpstream,
} from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf } from './harness/report.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';

const keep = keepForFile();
let dir: TempDir;
let upstream: HttpUpstream;
let daemon: Daemon;
let tampered: string | undefined;

beforeAll(async () => {
  dir = keep(await createTempDir());
  const key = await createAptSigningKey();
  keep({ close: () => key.remove() });
  await writeFile(dir.at('tool.tar.gz'), 'the archive');
  await writeFile(dir.at('unlisted.tar.gz'), 'another archive');
  const list = await mustRun('sha256sum', ['tool.tar.gz'], { cwd: dir.path });
  await writeFile(dir.at('SHA256SUMS'), list);
  await writeFile(dir.at('SHA256SUMS.asc'), await key.detach(list));
  const ca = await createThrowawayCa();
  upstream = keep(
    await startHttpsUpstream(
      async (request, response) => {
        const name = basename(request.url ?? '');
        const body =
          name === tampered ? Buffer.from('something else') : await readFile(dir.at(name)).catch(() => undefined);
        response.writeHead(body ? 200 : 404).end(body);
      },
      { ca },
    ),
  );
  const checksums = [{ url: `${upstream.url}/releases/*/SHA256SUMS`, 'public-key': key.publicKeyArmor }];
  const inspectors = { generic: { checksums }, limits: { reuse: 'off' } };
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors }));
});
afterEach(() => {
  tampered = undefined;
});

describe('files with a signed SHA256SUMS, in a strict session', () => {
  const at = (name: string) => `${upstream.url}/releases/1.0/${name}`;

  it('are approved by their list, which its key signed', async () => {
    const session = await daemon.createSession('strict');
    for (const name of ['tool.tar.gz', 'SHA256SUMS', 'SHA256SUMS.asc', 'tool.tar.gz']) {
      expect(await curl(session, at(name)), name).toMatchObject({ status: 200 });
    }
    const report = await session.finish();
    expect(report.refusals).toEqual([]);
    const chain = 'generic.checksums:SHA256SUMS ← key:Test Archive <archive@deb.registry.example>';
    expect(chainsOf(artifactAt(report, '/tool.tar.gz'))).toEqual([chain]);
  });

  it.each([
    ['other bytes', 'tool.tar.gz', 'tool.tar.gz', /expected sha256:/],
    ['a list that was changed', 'SHA256SUMS', 'tool.tar.gz', /proves nothing: its signature does not count/],
    ['a signature that is none', 'SHA256SUMS.asc', 'tool.tar.gz', /proves nothing: its signature cannot be read/],
    ['a file that is not listed', undefined, 'unlisted.tar.gz', /does not list unlisted\.tar\.gz/],
  ])('%s: refused, and curl shows why', async (_name, changed, asked, reason) => {
    tampered = changed;
    const session = await daemon.createSession('strict');
    const got = await curl(session, at(asked));
    expect(got).toMatchObject({ status: 403 });
    expect(got.text).toMatch(reason);
    expect((await session.finish()).refusals).toMatchObject([{ inspector: 'generic.checksums', delivered: false }]);
  });
});

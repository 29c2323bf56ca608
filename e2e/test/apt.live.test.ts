import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AptSandbox, createAptSandbox } from '@waybill/testkit';
import { describe, expect, it } from 'vitest';
import { keepForTest } from './harness/keep.js';
import { skipUnlessReached, startConfiguredDaemon } from './harness/live.js';
import { chainsOf, downloadsOf, sha256 } from './harness/report.js';
import { run } from './harness/run.js';
import { createTempDir } from './harness/temp-dir.js';

const etc = '/etc/apt';
/** Small, without dependencies worth mentioning, in every suite. */
const tiny = 'hello';

describe('the archive that apt is configured for', () => {
  it('update and download in strict: everything is approved down to the archive’s key (promises 1, 2)', async (context) => {
    const sources = await debianSources();
    if (sources === '') context.skip('apt has no source here that is signed with Debian’s keyring');
    const direct = await sandboxOf(sources);
    skipUnlessReached(context, await direct.aptGet('update', '-o', 'APT::Update::Error-Mode=any'));

    const daemon = await startConfiguredDaemon('--apt');
    const session = await daemon.createSession('strict');
    const apt = await sandboxOf(sources, session.proxyUrl);
    const update = await apt.aptGet('update', '-o', 'APT::Update::Error-Mode=any');
    const download = await apt.aptGet('download', tiny);
    const report = await session.finish();
    const refused = JSON.stringify(report.refusals.map(({ url, reason }) => `${url}: ${reason}`));
    expect(update, update.stdout + update.stderr + refused).toMatchObject({ code: 0 });
    expect(download, download.stdout + download.stderr + refused).toMatchObject({ code: 0 });
    expect(report.refusals).toEqual([]);

    const [name = ''] = await apt.downloads();
    const bytes = await readFile(join(apt.dir, 'downloads', name));
    const listed = /^SHA256: (\w+)$/m.exec((await direct.aptCache('show', '--no-all-versions', tiny)).stdout)?.[1];
    const [deb, ...others] = report.artifacts.filter(({ metadata }) => metadata.sha256 === sha256(bytes));
    expect(others).toEqual([]);
    expect(deb).toMatchObject({
      result: 'Approved',
      metadata: { name: tiny, sha256: listed, purl: expect.stringMatching(/^pkg:deb\//) },
    });
    expect(deb && chainsOf(deb)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^apt\.packages:Packages ← apt\.release:InRelease ← key:/)]),
    );
    expect(downloadsOf(report).every(({ result }) => result === 'Approved')).toBe(true);
    // What apt keeps of the update is what it keeps without a proxy, unless the archive changed meanwhile.
    expect(await apt.lists()).toEqual(await direct.lists());
  });
});

async function sandboxOf(sources: string, proxy?: string): Promise<AptSandbox> {
  const dir = keepForTest(await createTempDir());
  const architecture = (await run('dpkg', ['--print-architecture'])).stdout.trim();
  const apt = await createAptSandbox({
    dir: dir.path,
    sources: [],
    keyring: '',
    architecture,
    ...(proxy && { proxy }),
  });
  await writeFile(dir.at('etc', 'sources.list.d', 'debian.sources'), sources);
  await cp(join(etc, 'trusted.gpg.d'), dir.at('etc', 'trusted.gpg.d'), { recursive: true }).catch(() => undefined);
  return apt;
}

/** Of the machine's sources those whose key is in Debian's keyring, as deb822 stanzas. */
async function debianSources(): Promise<string> {
  const parts = await readdir(join(etc, 'sources.list.d')).catch((): string[] => []);
  const texts = await Promise.all(
    parts.filter((name) => name.endsWith('.sources')).map((name) => read('sources.list.d', name)),
  );
  const stanzas = texts
    .flatMap((text) => text.split(/\n\s*\n/))
    .filter((stanza) => /^Signed-By:.*debian-archive/m.test(stanza));
  return [...stanzas, ...oneLineSources(await read('sources.list'))].join('\n\n');
}

/** Lines of sources.list: without `signed-by` they are checked with the keys that apt trusts for everything. */
function oneLineSources(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, options = '', uri, suite, components] =
      /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim()) ?? [];
    const key = /signed-by=(\S*?)[\s\]]/.exec(options)?.[1];
    if (uri === undefined || (key !== undefined && !key.includes('debian-archive'))) return [];
    const fields = ['Types: deb', `URIs: ${uri}`, `Suites: ${suite}`, `Components: ${components}`];
    return [[...fields, ...(key === undefined ? [] : [`Signed-By: ${key}`])].join('\n')];
  });
}

function read(...names: string[]): Promise<string> {
  return readFile(join(etc, ...names), 'utf8').catch(() => '');
}

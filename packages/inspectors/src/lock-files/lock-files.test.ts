import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { type InspectorsConfig, inspectorsConfigSchema } from '@waybill/contracts';
import { buildPackageTarball, buildTgz } from '@waybill/testkit';
import { describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { createFakeSession } from '../../test/fake-session.js';
import { createInspectorRegistry } from '../registry.js';
import { lockFileProblems } from './lock-files.js';

const digest = (bytes: Uint8Array | string, algorithm = 'sha256', form: 'hex' | 'base64' = 'hex') =>
  createHash(algorithm).update(bytes).digest(form);

const tarball = buildPackageTarball({ manifest: { name: 'left-pad', version: '1.3.0' } });
const sdist = buildTgz([{ path: 'tool-1.0/PKG-INFO', body: 'Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n' }]);
const crate = buildTgz([{ path: 'a-1.0.0/Cargo.toml', body: '[package]\nname = "a"\nversion = "1.0.0"\n' }]);
const goMod = 'module mod.example/m\n';

async function moduleZip(): Promise<Buffer> {
  const zip = new ZipFile();
  zip.addBuffer(Buffer.from(goMod), 'mod.example/m@v1.0.0/go.mod', { mtime: new Date(0) });
  zip.end();
  return buffer(zip.outputStream as never);
}
const h1 = (name: string, text: string) => `h1:${digest(`${digest(text)}  ${name}\n`, 'sha256', 'base64')}`;

const origins = {
  npm: { registries: { main: { url: 'https://registry.example/' } } },
  pip: { indexes: { main: { url: 'https://index.example/simple/', files: ['https://files.example/**'] } } },
  cargo: {
    registries: {
      main: { index: 'sparse+https://crates.example/index/', downloads: ['https://crates.example/dl/**'] },
    },
  },
  go: { proxies: { main: { url: 'https://go.example/' } } },
};

function configure(files: readonly { name: string; content: string }[]): InspectorsConfig {
  return inspectorsConfigSchema.parse({ ...origins, 'lock-files': files });
}

interface Case {
  readonly lock: { readonly name: string; readonly content: string };
  readonly url: string;
  readonly body: () => Uint8Array | string | Promise<Uint8Array>;
  readonly by: string;
  readonly named: string;
}

const integrity = `sha512-${digest(tarball, 'sha512', 'base64')}`;
const cases: Readonly<Record<string, Case>> = {
  npm: {
    lock: {
      name: 'package-lock.json',
      content: JSON.stringify({
        lockfileVersion: 3,
        packages: { 'node_modules/left-pad': { version: '1.3.0', integrity } },
      }),
    },
    url: 'https://registry.example/left-pad/-/left-pad-1.3.0.tgz',
    body: () => tarball,
    by: 'npm.tarball',
    named: 'package-lock.json: left-pad@1.3.0',
  },
  'npm, by pnpm': {
    lock: {
      name: 'web/pnpm-lock.yaml',
      content: `lockfileVersion: '9.0'\npackages:\n  left-pad@1.3.0:\n    resolution: {integrity: ${integrity}}\n`,
    },
    url: 'https://registry.example/left-pad/-/left-pad-1.3.0.tgz',
    body: () => tarball,
    by: 'npm.tarball',
    named: 'web/pnpm-lock.yaml: left-pad@1.3.0',
  },
  pip: {
    lock: { name: 'requirements.txt', content: `tool==1.0 --hash=sha256:${digest(sdist)}\n` },
    url: 'https://files.example/tool-1.0.tar.gz',
    body: () => sdist,
    by: 'pip.sdist',
    named: 'requirements.txt: tool@1.0',
  },
  uv: {
    lock: {
      name: 'uv.lock',
      content: `[[package]]\nname = "tool"\nversion = "1.0"\nsdist = { url = "https://files.example/tool-1.0.tar.gz", hash = "sha256:${digest(sdist)}" }\n`,
    },
    url: 'https://files.example/tool-1.0.tar.gz',
    body: () => sdist,
    by: 'pip.sdist',
    named: 'uv.lock: tool@1.0',
  },
  cargo: {
    lock: {
      name: 'Cargo.lock',
      content: `[[package]]\nname = "a"\nversion = "1.0.0"\nchecksum = "${digest(crate)}"\n`,
    },
    url: 'https://crates.example/dl/a/1.0.0/download',
    body: () => crate,
    by: 'cargo.crate',
    named: 'Cargo.lock: a@1.0.0',
  },
  'go, a zip': {
    lock: { name: 'go.sum', content: `mod.example/m v1.0.0 ${h1('mod.example/m@v1.0.0/go.mod', goMod)}\n` },
    url: 'https://go.example/mod.example/m/@v/v1.0.0.zip',
    body: moduleZip,
    by: 'go.zip',
    named: 'go.sum: mod.example/m@v1.0.0',
  },
  'go, a go.mod': {
    lock: { name: 'go.sum', content: `mod.example/m v1.0.0/go.mod ${h1('go.mod', goMod)}\n` },
    url: 'https://go.example/mod.example/m/@v/v1.0.0.mod',
    body: () => goMod,
    by: 'go.mod',
    named: 'go.sum: mod.example/m@v1.0.0',
  },
};

describe('a lock file of the configuration', () => {
  it.each(Object.entries(cases))('vouches for what it pins, without any index: %s', async (_name, c) => {
    const session = createFakeSession({ inspectors: createInspectorRegistry(configure([c.lock])) });
    const { artifact, result } = await session.download(c.url, { body: await c.body() });
    expect(result, artifact.get(c.by)?.reason).toBe('Approved');
    expect(artifact.get(c.by)?.reason).toMatch(/the lock file lists it/);
    expect(artifact.get(c.by)?.vouchedBy).toEqual([{ kind: 'digest', id: 'lock-files[0]', name: c.named }]);
    expect(session.companionsAsked).toEqual([]);
  });

  it.each(Object.entries(cases))('refuses other bytes than it pins: %s', async (_name, c) => {
    const session = createFakeSession({ inspectors: createInspectorRegistry(configure([c.lock])) });
    const body = Buffer.from(await c.body());
    const longer = Buffer.concat([body, Buffer.from('\n')]);
    for (const other of [longer, body.subarray(0, -1), Buffer.from('x')]) {
      expect((await session.download(c.url, { body: other })).result).toBe('Rejected');
    }
  });

  it.each(Object.entries(cases))('vouches for nothing else: %s', async (_name, c) => {
    const content = c.lock.content
      .replaceAll('left-pad', 'other')
      .replaceAll('tool', 'other')
      .replaceAll('"a"', '"b"')
      .replaceAll('/m v1', '/n v1');
    const session = createFakeSession({ inspectors: createInspectorRegistry(configure([{ ...c.lock, content }])) });
    expect((await session.download(c.url, { body: await c.body() })).result).toBe('Rejected');
  });

  it.each(Object.entries(cases))('opens no origin that is not configured: %s', async (_name, { lock, url }) => {
    const config = inspectorsConfigSchema.parse({ 'lock-files': [lock] });
    const session = createFakeSession({ inspectors: createInspectorRegistry(config) });
    expect([...session.request(url).values()].map(({ opinion }) => opinion)).not.toContain('Pending');
  });

  it('is told of in the configuration’s check', () => {
    expect(lockFileProblems(configure(Object.values(cases).map(({ lock }) => lock)))).toEqual([]);
    const problems = lockFileProblems(
      configure([
        { name: 'yarn.lock', content: '__metadata:\n' },
        { name: 'go.sum', content: '' },
      ]),
    );
    expect(problems).toMatchObject([
      { index: 0, message: expect.stringMatching(/^yarn\.lock is of yarn 2 or later/) },
      { index: 1, message: 'go.sum pins nothing by a digest' },
    ]);
  });

  it('that cannot be read vouches for nothing', async () => {
    const lock = { name: 'package-lock.json', content: '{' };
    const session = createFakeSession({ inspectors: createInspectorRegistry(configure([lock])) });
    const { url, body } = cases.npm as Case;
    expect((await session.download(url, { body: await body() })).result).toBe('Rejected');
  });

  it('of a name that tells no type needs one', () => {
    expect(() => configure([{ name: 'lock', content: '' }])).toThrow(/the name does not tell/);
    const config = { 'lock-files': [{ name: 'lock', type: 'go-sum', content: '' }] };
    const once = inspectorsConfigSchema.parse(config);
    expect(inspectorsConfigSchema.parse(JSON.parse(JSON.stringify(once)))).toEqual(once);
  });
});

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, readlink, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  buildAptRepository,
  createAptSandbox,
  type NpmRegistry,
  startAptUpstream,
  startNpmRegistry,
} from '@waybill/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import { artifactTime, packArtifact } from '../src/pack/pack-artifact.js';
import { createFixture, type Fixture } from './build-fixture.js';

// The registry runs in this process, so nothing here may block.
const run = promisify(execFile);

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.remove());

describe('the npm plugin', () => {
  let registry: NpmRegistry;
  beforeAll(async () => {
    registry = await startNpmRegistry({
      packages: {
        left: {
          '1.0.0': { files: { 'index.js': 'module.exports = "left";' } },
          '1.1.0': { files: { 'index.js': 'module.exports = "newer";' } },
        },
        builder: {
          '2.0.0': {
            manifest: { bin: { 'build-it': 'cli.js' } },
            files: {
              'cli.js': '#!/usr/bin/env node\nrequire("node:fs").writeFileSync("built.js", "module.exports = 1;");\n',
            },
          },
        },
      },
    });
  });
  afterAll(() => registry.close());

  const manifest = (more: object = {}) =>
    JSON.stringify({
      name: '@team/tool',
      version: '3.0.0',
      bin: { tool: 'cli.js' },
      files: ['cli.js', 'built.js'],
      dependencies: { left: '^1.0.0' },
      devDependencies: { builder: '^2.0.0' },
      scripts: { prepare: 'build-it' },
      ...more,
    });
  const cli = '#!/usr/bin/env node\nconsole.log(require("left"), require("./built.js"));\n';
  const yaml = 'parts: {tool: {plugin: npm, source: web}}';
  const context = () => {
    const plain = fixture.context(yaml);
    return {
      ...plain,
      baseEnv: {
        ...plain.baseEnv,
        npm_config_registry: registry.url,
        npm_config_cache: join(fixture.dir, 'npm-cache'),
      },
    };
  };
  const installed = 'prime/lib/node_modules/@team/tool';

  it('installs what the lock file says, built with what is not installed, each tarball downloaded once', async () => {
    await fixture.files({ 'web/package.json': manifest(), 'web/cli.js': cli, 'web/secret.txt': 'not packed' });
    const env = { PATH: process.env.PATH, HOME: fixture.dir, npm_config_registry: registry.url };
    await run('npm', ['install', '--package-lock-only', '--ignore-scripts', 'left@1.0.0'], {
      cwd: join(fixture.dir, 'web'),
      env,
    });
    await fixture.files({ 'web/package.json': manifest({ dependencies: { left: '^1.0.0' } }) });
    const before = registry.requests.length;
    await runLifecycle(context(), 'prime');
    expect(await fixture.tree('prime')).toEqual([
      'bin/tool',
      'lib/node_modules/@team/tool/built.js',
      'lib/node_modules/@team/tool/cli.js',
      'lib/node_modules/@team/tool/node_modules/left/index.js',
      'lib/node_modules/@team/tool/node_modules/left/package.json',
      'lib/node_modules/@team/tool/package.json',
    ]);
    expect(await readlink(join(fixture.dir, 'prime/bin/tool'))).toBe('../lib/node_modules/@team/tool/cli.js');
    expect((await run(join(fixture.dir, 'prime/bin/tool'), { env: { PATH: process.env.PATH } })).stdout).toBe(
      'left 1\n',
    );
    const tarballs = registry.requests.slice(before).filter((request) => request.endsWith('.tgz'));
    expect(tarballs).toHaveLength(2);
    expect(registry.requests.slice(before).some((request) => request.includes('/security/'))).toBe(false);
  });

  it('takes the newest that fits without a lock file', async () => {
    await fixture.files({ 'web/package.json': manifest(), 'web/cli.js': cli });
    await runLifecycle(context(), 'prime');
    expect(await fixture.read(`${installed}/node_modules/left/index.js`)).toContain('newer');
  });

  it('packs the same bytes in another directory', async () => {
    await fixture.files({ 'web/package.json': manifest(), 'web/cli.js': cli });
    const first = context();
    await runLifecycle(first, 'prime');
    const { sha256 } = await packArtifact(first, fixture.dir, artifactTime({}));
    const other = await createFixture();
    await cp(join(fixture.dir, 'web'), join(other.dir, 'web'), { recursive: true });
    const plain = other.context(yaml);
    const second = {
      ...plain,
      baseEnv: { ...plain.baseEnv, npm_config_registry: registry.url, npm_config_cache: join(other.dir, 'npm-cache') },
    };
    await runLifecycle(second, 'prime');
    expect((await packArtifact(second, other.dir, artifactTime({}))).sha256).toBe(sha256);
    await other.remove();
  });

  it.each([
    ['a program that is not packed', { bin: { tool: 'absent.js' } }, 'bin tool names absent.js'],
    ['a dependency that nobody has', { dependencies: { nobody: '^1.0.0' } }, 'nobody'],
    ['a program outside of the package', { bin: { tool: '../../../../etc/passwd' } }, ''],
  ])('fails for %s', async (_name, more, text) => {
    await fixture.files({ 'web/package.json': manifest({ scripts: {}, ...more }), 'web/cli.js': cli });
    await expect(runLifecycle(context(), 'build')).rejects.toMatchObject({
      code: 'CRAFT_PART_FAILED',
      details: expect.arrayContaining([expect.stringContaining(text)]),
    });
  });
});

describe('stage packages', () => {
  let dir: string;
  let repository: Awaited<ReturnType<typeof buildAptRepository>>;
  let upstream: Awaited<ReturnType<typeof startAptUpstream>>;
  let env: Record<string, string>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'craft-apt-'));
    repository = await buildAptRepository({
      dir: join(dir, 'repository'),
      packages: [
        {
          name: 'greeter',
          version: '1.0',
          arch: 'amd64',
          depends: 'greeter-data',
          files: { 'usr/bin/greet': '#!/bin/sh\n' },
        },
        { name: 'greeter-data', version: '1.0', arch: 'all', files: { 'usr/share/greeter/text': 'hello' } },
        // A name that every Debian machine has installed.
        { name: 'dpkg', version: '99.0', arch: 'amd64', files: { 'usr/bin/dpkg-of-the-test': 'x' } },
      ],
      indexes: { 'main/dep11/Components-amd64.yml': 'not needed' },
    });
    upstream = await startAptUpstream({ dir: repository.dir });
    const sandbox = await createAptSandbox({
      dir: join(dir, 'apt'),
      sources: [`deb ${upstream.url} stable main`],
      keyring: repository.publicKeyArmor,
      config: 'APT::Update::Post-Invoke { "touch /tmp/craft-test-hook-ran; exit 1"; };\n',
    });
    env = { APT_CONFIG: String(sandbox.env.APT_CONFIG) };
  });
  afterAll(async () => {
    await upstream.close();
    await repository.close();
    await rm(dir, { recursive: true, force: true });
  });

  const context = (yaml: string) => {
    const plain = fixture.context(yaml);
    return { ...plain, baseEnv: { ...plain.baseEnv, ...env } };
  };

  it('come with what the base lacks, and with digests of their files', async () => {
    const pulled = context(
      'base: bare\nparts: {app: {plugin: nil, stage-packages: [greeter], prime: [-usr/share/doc]}}',
    );
    await runLifecycle(pulled, 'prime');
    expect(await fixture.tree('prime')).toEqual(['usr/bin/greet', 'usr/share/greeter/text']);
    const outcome = (await pulled.states.read('app', 'pull'))?.outcome;
    expect(Object.keys(outcome ?? {})).toEqual(['greeter-data_1.0_all.deb', 'greeter_1.0_amd64.deb']);
    for (const deb of repository.debs) {
      const [name] = deb.split('/').slice(-1);
      if (!outcome?.[name as string]) continue;
      const sum = (await run('sha256sum', [join(repository.dir, deb)])).stdout.split(' ')[0];
      expect(outcome[name as string]).toBe(sum);
    }
  });

  it('come even when the machine has them, and without the hooks and indexes of the machine', async () => {
    await rm('/tmp/craft-test-hook-ran', { force: true });
    await runLifecycle(
      context('parts: {app: {plugin: nil, stage-packages: [dpkg], prime: [-usr/share/doc]}}'),
      'prime',
    );
    expect(await fixture.tree('prime')).toEqual(['usr/bin/dpkg-of-the-test']);
    expect(upstream.requests.some(({ path }) => path.includes('dep11'))).toBe(false);
    await expect(readFile('/tmp/craft-test-hook-ran')).rejects.toThrow();
  });

  it('are there for an override script and for organize', async () => {
    await runLifecycle(
      context(`base: bare
parts:
  app:
    plugin: nil
    stage-packages: [greeter-data]
    organize: {usr/share/greeter/text: text}
    override-build: test -e "$CRAFT_PART_INSTALL/usr/share/greeter/text"
    prime: [text]
`),
      'prime',
    );
    expect(await fixture.read('prime/text')).toBe('hello');
  });

  it('fail with what apt said when there is no such package', async () => {
    await expect(
      runLifecycle(context('parts: {app: {plugin: nil, stage-packages: [no-such-package]}}'), 'pull'),
    ).rejects.toMatchObject({
      code: 'CRAFT_STAGE_PACKAGES_FAILED',
      details: expect.arrayContaining([expect.stringContaining('no-such-package')]),
    });
  });

  it('fail, and do not wait for ever, when transfers break off', async () => {
    // A proxy that lets the signed release through and breaks every index off before its end, as a late refusal does.
    const proxy = createServer(async (request, response) => {
      const answer = await fetch(request.url ?? '');
      const body = Buffer.from(await answer.arrayBuffer());
      response.writeHead(answer.status, { 'content-length': body.length });
      if (answer.status !== 200 || request.url?.endsWith('InRelease')) return response.end(body);
      response.write(body.subarray(0, -4));
      return setTimeout(() => response.destroy(), 20);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const behindProxy = await createAptSandbox({
      dir: join(dir, 'apt-behind-proxy'),
      sources: [`deb ${upstream.url} stable main`],
      keyring: repository.publicKeyArmor,
      proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      config: 'Acquire::Retries "3";\n',
    });
    const plain = fixture.context('base: bare\nparts: {app: {plugin: nil, stage-packages: [greeter]}}');
    const baseEnv = { ...plain.baseEnv, APT_CONFIG: String(behindProxy.env.APT_CONFIG) };
    const pulled = runLifecycle({ ...plain, baseEnv }, 'pull');
    await expect(pulled).rejects.toMatchObject({
      code: 'CRAFT_STAGE_PACKAGES_FAILED',
      details: expect.arrayContaining([expect.stringContaining('closed connection')]),
    });
    proxy.close();
  }, 30_000);

  it('fail when a package was changed underway', async () => {
    upstream.setTamper((path, content) =>
      path.endsWith('.deb') ? content().then((bytes) => Buffer.concat([bytes, Buffer.from('x')])) : undefined,
    );
    await expect(
      runLifecycle(context('base: bare\nparts: {app: {plugin: nil, stage-packages: [greeter-data]}}'), 'pull'),
    ).rejects.toMatchObject({ code: 'CRAFT_STAGE_PACKAGES_FAILED' });
    upstream.setTamper(undefined);
  });
});

describe('build packages', () => {
  it('are checked, not installed', async () => {
    const { checkBuildPackages } = await import('../src/sources/build-packages.js');
    await checkBuildPackages(fixture.context('parts: {app: {plugin: nil, build-packages: [dpkg]}}'));
    await expect(
      checkBuildPackages(fixture.context('parts: {app: {plugin: nil, build-packages: [dpkg, no-such-package]}}')),
    ).rejects.toMatchObject({
      code: 'CRAFT_BUILD_PACKAGE_MISSING',
      hint: 'install them first: apt-get install no-such-package',
    });
  });
});

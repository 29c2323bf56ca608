import { execFileSync } from 'node:child_process';
import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runLifecycle } from '../src/lifecycle/run-lifecycle.js';
import { artifactTime, packArtifact } from '../src/pack/pack-artifact.js';
import { createFixture, type Fixture } from './build-fixture.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
  await fixture.files({ 'src/bin/run*': '#!/bin/sh\n', 'src/etc/motd': 'hello' });
  await symlink('run', join(fixture.dir, 'src/bin/link'));
});
afterEach(() => fixture.remove());

const yaml = `summary: A sample
license: Apache-2.0
type: oci
base: bare
image:
  entrypoint: [/bin/run, --serve]
  command: [--port, "8080"]
  environment: {MODE: production}
  user: "1000:1000"
  working-directory: /srv
  ports: ["8080", 53/udp]
  labels: {team: web}
parts: {all: {plugin: dump, source: src}}`;

async function pack(text = yaml) {
  const context = fixture.context(text);
  await runLifecycle(context, 'prime');
  return { context, artifact: await packArtifact(context, fixture.dir, artifactTime({})) };
}

const skopeo = (...args: string[]) =>
  execFileSync('skopeo', ['--insecure-policy', '--tmpdir', fixture.dir, ...args]).toString();

describe('container images', () => {
  it('are what skopeo takes for an image of this platform and configuration', async () => {
    const { artifact } = await pack();
    expect(artifact.file).toBe('sample_1.0_amd64.oci.tar');
    const image = `oci-archive:${artifact.path}:1.0`;
    expect(JSON.parse(skopeo('inspect', image))).toMatchObject({
      Architecture: 'amd64',
      Os: 'linux',
      Created: '1980-01-01T00:00:00Z',
      Labels: { team: 'web' },
      Env: ['MODE=production'],
    });
    expect(JSON.parse(skopeo('inspect', '--config', image)).config).toEqual({
      User: '1000:1000',
      ExposedPorts: { '8080/tcp': {}, '53/udp': {} },
      Env: ['MODE=production'],
      Entrypoint: ['/bin/run', '--serve'],
      Cmd: ['--port', '8080'],
      WorkingDir: '/srv',
      Labels: { team: 'web' },
    });
  });

  it('hold what was primed in one layer, whose digests skopeo checks as it copies', async () => {
    const { artifact } = await pack();
    const copy = join(fixture.dir, 'copy');
    skopeo('copy', '--quiet', `oci-archive:${artifact.path}`, `dir:${copy}`);
    const manifest = JSON.parse(await readFile(join(copy, 'manifest.json'), 'utf8'));
    expect(manifest.annotations).toEqual({
      'org.opencontainers.image.created': '1980-01-01T00:00:00Z',
      'org.opencontainers.image.title': 'sample',
      'org.opencontainers.image.version': '1.0',
      'org.opencontainers.image.description': 'A sample',
      'org.opencontainers.image.licenses': 'Apache-2.0',
    });
    expect(manifest.layers).toHaveLength(1);
    const layer = join(copy, manifest.layers[0].digest.slice('sha256:'.length));
    const listing = execFileSync('tar', ['-tzf', layer]).toString().trim().split('\n');
    expect(listing.map((name) => name.replace(/\/$/, ''))).toEqual(['bin', 'bin/link', 'bin/run', 'etc', 'etc/motd']);
    const plain = execFileSync('sh', ['-c', 'gzip -dc "$0" | sha256sum', layer]).toString().slice(0, 64);
    const image = `oci-archive:${artifact.path}`;
    expect(JSON.parse(skopeo('inspect', '--config', image)).rootfs.diff_ids).toEqual([`sha256:${plain}`]);
  });

  it('are the same, bit for bit, and leave nothing beside', async () => {
    const { context, artifact } = await pack();
    const again = await packArtifact(context, fixture.dir, artifactTime({}));
    expect(again.sha256).toBe(artifact.sha256);
    expect((await readdir(fixture.dir)).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('of type rock differ in their name alone', async () => {
    const { artifact } = await pack();
    const { artifact: rock } = await pack(yaml.replace('type: oci', 'type: rock'));
    expect([rock.file, rock.sha256]).toEqual(['sample_1.0_amd64.rock', artifact.sha256]);
  });
});

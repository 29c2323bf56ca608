import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InspectorsConfigInput, RuntimeFile } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentProgress } from '../output/progress.js';
import { sessionSections } from './session-sections.js';

let dir: string;
const later = '2999-01-01T00:00:00.000Z';
const earlier = '2001-01-01T00:00:00.000Z';
const git = (...urls: string[]) => ({ git: { urls } });

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-sections-'));
  for (const name of ['config', 'state/config', 'other']) await mkdir(join(dir, name), { recursive: true });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const write = (path: string, content: object | string) =>
  writeFile(join(dir, path), typeof content === 'string' ? content : JSON.stringify(content, undefined, 1));

/** Sections for a service with a configuration directory that was started at a time. */
async function sections(directory: string | undefined, startedAt: string, project?: InspectorsConfigInput) {
  const warnings: string[] = [];
  const runtime = {
    pid: 4711,
    'started-at': startedAt,
    ...(directory === undefined ? {} : { 'config-directory': join(dir, directory) }),
  } as RuntimeFile;
  const directories = {
    state: join(dir, 'state'),
    config: join(dir, 'config'),
    cache: join(dir, 'cache'),
    runtimeFile: join(dir, 'run/waybill/fetch-service.json'),
  };
  const progress = { ...silentProgress, warn: (text: string) => warnings.push(text) };
  return { sections: await sessionSections({ runtime, project, directories, progress }), warnings };
}

describe('sessionSections', () => {
  it('leaves everything to a service that has the file as it is', async () => {
    await write('config/inspectors.yaml', git('https://a.example:443/**'));
    expect(await sections('config', later)).toEqual({ sections: undefined, warnings: [] });
  });

  it('joins what the project adds with what the service has there', async () => {
    await write('config/inspectors.yaml', { ...git('https://a.example:443/**'), npm: { registries: {} } });
    const { sections: found } = await sections('config', later, git('https://b.example:443/**'));
    expect(found).toEqual(git('https://a.example:443/**', 'https://b.example:443/**'));
  });

  it('tells all of a file that is newer than the service, also what it no longer allows', async () => {
    await write('config/inspectors.yaml', git('https://a.example:443/**'));
    const { sections: found } = await sections('config', earlier, { generic: { files: [] } });
    expect(found).toMatchObject({
      ...git('https://a.example:443/**'),
      npm: { registries: {} },
      apt: { repositories: {} },
      generic: { files: [] },
    });
  });

  it('tells a file that the user wrote while a generated one was in use', async () => {
    await write('config/inspectors.yaml', git('https://a.example:443/**'));
    await write('state/config/inspectors.yaml', { npm: { registries: {} } });
    expect((await sections('state/config', later)).sections).toMatchObject(git('https://a.example:443/**'));
    await rm(join(dir, 'config/inspectors.yaml'));
    expect((await sections('state/config', later)).sections).toBeUndefined();
  });

  it('says where a newer file is wrong', async () => {
    await write('config/inspectors.yaml', 'gti:\n  urls: []\n');
    await expect(sections('config', earlier)).rejects.toMatchObject({
      code: 'CRAFT_CONFIG_INVALID',
      message: expect.stringMatching(/config\/inspectors\.yaml:1:1: .*did you mean `git`/),
    });
  });

  it('takes the base of a service that was started by hand from where that has it, and tells nothing of it', async () => {
    await write('config/inspectors.yaml', git('https://a.example:443/**'));
    await write('other/inspectors.yaml', git('https://o.example:443/**'));
    await write('other/acl.yaml', '');
    expect(await sections('other', earlier)).toEqual({ sections: undefined, warnings: [] });
    const { sections: found } = await sections('other', earlier, git('https://b.example:443/**'));
    expect(found).toEqual(git('https://o.example:443/**', 'https://b.example:443/**'));
  });

  it('knows only our own files of a service that does not name any', async () => {
    await write('config/inspectors.yaml', git('https://a.example:443/**'));
    const { sections: found } = await sections(undefined, earlier, git('https://b.example:443/**'));
    expect(found).toEqual(git('https://a.example:443/**', 'https://b.example:443/**'));
  });

  it('says that an access list is newer: no session can change that', async () => {
    await write('config/inspectors.yaml', {});
    await write('config/acl.yaml', '');
    expect((await sections('config', later)).warnings).toEqual([]);
    const { warnings } = await sections('config', earlier);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('config/acl.yaml is newer than the running fetch service (process 4711)');
    expect(warnings[0]).toContain(`fetchctl --socket ${join(dir, 'run/waybill/fetchctl.socket')} update-config`);
  });
});

import { inspectorsConfigSchema } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { defaultInspector } from './default.js';
import { assertUniqueIds, createInspectorRegistry } from './registry.js';

describe('createInspectorRegistry', () => {
  const ids = createInspectorRegistry({}).map(({ id }) => id);

  it('lists each id once, `<ecosystem>.<format>` or one word, default last', () => {
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.at(-1)).toBe('default');
    for (const id of ids) expect(id).toMatch(/^(x-)?[a-z0-9]+(\.[a-z0-9-]+)*$/);
  });

  it('claims nothing without configuration', () => {
    const url = new URL('https://registry.example/left-pad');
    const headers = { get: () => undefined, raw: [] };
    for (const inspector of createInspectorRegistry({})) {
      const claim = inspector.inspectRequest({
        method: 'GET',
        url,
        normalizedUrl: 'https://registry.example:443/left-pad',
        headers,
      });
      expect(claim?.opinion ?? 'Unknown').toBe('Unknown');
    }
  });

  it('keeps the order of the earlier service among what builds on each other', () => {
    const wanted = [
      'snap',
      'snap.assertion',
      'snap.info',
      'snap.refresh',
      'snap.sections',
      'snap.names',
      'snap.auth-nonce',
    ];
    wanted.push(
      'store.info-api',
      'bld.bin',
      'apt.release',
      'apt.packages',
      'deb',
      'git.smart-query',
      'git.upload-pack',
    );
    wanted.push(
      'craft.sourcecraft',
      'craft.bincraft',
      'go.module.git',
      'lxd.simple-streams.index',
      'chisel.release',
      'default',
    );
    expect(ids.filter((id) => wanted.includes(id))).toEqual(wanted);
  });

  it('takes every section of the earlier service as it was written', () => {
    // specs/fetch-service.md §6.1: shape of its default configuration, other hosts.
    const armor = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n';
    const repository = { urls: ['http://*.archive.example/**'], components: ['*'], 'public-key': armor };
    const config = {
      git: { urls: ['https://git.example:443/**', 'https://*.git.example:443/**'] },
      crafts: { urls: ['https://git.example:443/**'] },
      chisel: { urls: ['https://code.example:443/*/chisel-releases/tar.gz/**'] },
      store: { urls: ['https://api.store.example:443/**', 'https://api.store.example:443/site_media/appmedia/**'] },
      bldbin: { urls: ['https://{a,b}.cdn.store.example:443/**'] },
      snap: { 'snap-declaration': [{ name: 'publisher-id', value: ['canonical', 'other'] }] },
      apt: {
        repositories: {
          default: { ...repository, suites: ['*'], 'base-url-alias': 'http://archive.example' },
          old: { ...repository, dists: ['*'] },
        },
      },
    };
    expect(createInspectorRegistry(inspectorsConfigSchema.parse(config)).map(({ id }) => id)).toEqual(ids);
  });

  it('refuses patterns that cannot be compiled', () => {
    const bad = { generic: { files: [{ url: 'https://h/{a', sha256: '0'.repeat(64) }] } };
    expect(() => createInspectorRegistry(bad)).toThrowError(expect.objectContaining({ code: 'POLICY_GLOB_INVALID' }));
  });

  it('refuses duplicate ids and a list without default', () => {
    const code = expect.objectContaining({ code: 'INSPECTOR_DUPLICATE_ID' });
    expect(() => assertUniqueIds([defaultInspector(), defaultInspector()])).toThrowError(code);
    expect(() => assertUniqueIds([])).toThrowError(code);
  });
});

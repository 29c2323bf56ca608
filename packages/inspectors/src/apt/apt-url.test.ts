import { describe, expect, it } from 'vitest';
import { aptConfig, base, dists, hex } from '../../test/apt-fixtures.js';
import { fakeRequest } from '../../test/fakes.js';
import { type AptTarget, parseAptUrl, parseDebName } from './apt-url.js';
import { compileRepositories } from './repositories.js';

const sha = hex('sha256', 'x');
const sha512 = hex('sha512', 'x');
const key = '-----BEGIN PGP PUBLIC KEY BLOCK-----';

function parse(url: string, repository: Record<string, unknown> = {}, method = 'GET'): AptTarget | undefined {
  return parseAptUrl(fakeRequest({ url, method }), compileRepositories(aptConfig(key, repository)));
}

/** The readings of a URL, short. */
function places(target: AptTarget | undefined): string[] {
  if (!target) return [];
  return target.places.map((place) =>
    [
      place.origin,
      'suite' in place && place.suite,
      'component' in place && place.component,
      'path' in place && place.path,
    ]
      .filter((part) => typeof part === 'string')
      .join(' | '),
  );
}

describe('parseAptUrl', () => {
  it.each<[string, Partial<AptTarget> & Record<string, unknown>, string[]]>([
    [`${dists}/InRelease`, { kind: 'release', file: 'InRelease' }, [`${base} | stable`]],
    [`${dists}/Release`, { kind: 'release', file: 'Release' }, [`${base} | stable`]],
    [`${dists}/Release.gpg`, { kind: 'release', file: 'Release.gpg' }, [`${base} | stable`]],
    [
      `${dists}/main/binary-amd64/Packages`,
      { kind: 'index', family: 'packages', architecture: 'amd64', fileName: 'Packages' },
      [`${base} | stable | main`],
    ],
    [
      `${dists}/main/binary-amd64/Packages.xz`,
      { family: 'packages', fileName: 'Packages.xz' },
      [`${base} | stable | main`],
    ],
    [`${dists}/main/binary-all/Packages.gz`, { architecture: 'all' }, [`${base} | stable | main`]],
    [
      `${dists}/main/binary-amd64/by-hash/SHA256/${sha}`,
      { family: 'packages', byHash: { algorithm: 'sha256', hex: sha } },
      [`${base} | stable | main`],
    ],
    [
      `${dists}/main/binary-amd64/by-hash/SHA512/${sha512}`,
      { byHash: { algorithm: 'sha512', hex: sha512 } },
      [`${base} | stable | main`],
    ],
    [
      `${dists}/main/i18n/Translation-en.xz`,
      { family: 'translations', fileName: 'Translation-en.xz' },
      [`${base} | stable | main`],
    ],
    [`${dists}/main/i18n/Translation-pt_BR`, { family: 'translations' }, [`${base} | stable | main`]],
    [`${dists}/main/i18n/by-hash/SHA256/${sha}`, { family: 'translations' }, [`${base} | stable | main`]],
    [`${dists}/main/cnf/Commands-amd64.xz`, { family: 'commands' }, [`${base} | stable | main`]],
    [`${dists}/main/cnf/by-hash/SHA256/${sha}`, { family: 'commands' }, [`${base} | stable | main`]],
    [
      `${base}/pool/main/h/hello/hello_1.0-1_amd64.deb`,
      { kind: 'deb', named: { name: 'hello', version: '1.0-1', architecture: 'amd64' } },
      [`${base} | pool/main/h/hello/hello_1.0-1_amd64.deb`],
    ],
    [
      `${base}/pool/main/g/g%2b%2b/g%2b%2b_1%3a2%7erc_amd64.deb`,
      { kind: 'deb' },
      [`${base} | pool/main/g/g++/g++_1:2~rc_amd64.deb`],
    ],
    [`${base}/pool/x.udeb`, { kind: 'deb', named: undefined }, [`${base} | pool/x.udeb`]],
    [`${base}/flat/x_1_all.deb`, { kind: 'deb' }, [`${base} | flat/x_1_all.deb`]],
    [
      `${dists}/main/source/Sources.xz`,
      { kind: 'index', family: 'sources', directory: 'source' },
      [`${base} | stable | main`],
    ],
    ...[
      '1.0-1.dsc',
      '1.0.orig.tar.gz',
      '1.0.orig-more.tar.xz',
      '1.0.orig.tar.xz.asc',
      '1.0-1.debian.tar.xz',
      '1.0-1.diff.gz',
    ]
      .map((end) => `pool/main/h/hello/hello_${end}`)
      .map((path): [string, { kind: 'source' }, string[]] => [
        `${base}/${path}`,
        { kind: 'source' },
        [`${base} | ${path}`],
      ]),
  ])('reads %s', (url, wanted, where) => {
    const target = parse(url);
    expect(target).toMatchObject(wanted);
    expect(places(target)).toEqual(where);
  });

  it('reads a suite or component with a slash in every way that is allowed', () => {
    expect(places(parse(`${base}/dists/stable/updates/InRelease`, { suites: ['**'] }))).toEqual([
      `${base} | stable/updates`,
    ]);
    expect(places(parse(`${dists}/main/debian-installer/binary-amd64/Packages.xz`))).toEqual([
      `${base} | stable | main/debian-installer`,
    ]);
    expect(places(parse(`${dists}/updates/main/binary-amd64/Packages.xz`, { suites: ['*', '*/*'] }))).toEqual([
      `${base} | stable | updates/main`,
      `${base} | stable/updates | main`,
    ]);
  });

  it.each<[string, string, string[]]>([
    ['main/dep11/Components-amd64.yml.gz', 'dep11', [`${base} | stable | main`]],
    ['main/dep11/icons-64x64@2.tar', 'dep11', [`${base} | stable | main`]],
    [`main/dep11/by-hash/SHA256/${sha}`, 'dep11', [`${base} | stable | main`]],
    ['main/Contents-amd64.gz', '', [`${base} | stable | main`]],
    ['Contents-source', '', [`${base} | stable | `]],
    [`by-hash/SHA256/${sha}`, '', [`${base} | stable | `]],
    [`main/by-hash/SHA256/${sha}`, '', [`${base} | stable | main`]],
  ])('reads %s as an index that its digest alone verifies', (path, directory, where) => {
    const target = parse(`${dists}/${path}`);
    expect(target).toMatchObject({ kind: 'index', family: 'listed', directory });
    expect(places(target)).toEqual(where);
  });

  it('reads packages below dists, as some vendors have them', () => {
    const url = `${dists}/pool/stable/amd64/tool_1_amd64.deb`;
    expect(places(parse(url))).toEqual([`${base} | dists/stable/pool/stable/amd64/tool_1_amd64.deb`]);
    const wide = places(parse(url, { urls: ['http://deb.registry.example/**'] }));
    expect(wide).toContain(`${base} | dists/stable/pool/stable/amd64/tool_1_amd64.deb`);
    expect(wide).toContain('http://deb.registry.example | debian/dists/stable/pool/stable/amd64/tool_1_amd64.deb');
  });

  it.each<[string, string[]]>([
    ['the base', [base]],
    ['the base with a slash', [`${base}/`]],
    ['everything below it', [`${base}/**`]],
    ['a glob of hosts', ['http://*.registry.example/debian']],
    ['the second of two', ['http://other.example/debian', base]],
  ])('matches `urls` that describe %s', (_name, urls) => {
    expect(places(parse(`${dists}/InRelease`, { urls }))).toEqual([`${base} | stable`]);
  });

  it('matches https with its port', () => {
    const url = 'https://deb.registry.example/debian/dists/stable/InRelease';
    expect(places(parse(url, { urls: ['https://deb.registry.example:443/debian'] }))).toEqual([
      'https://deb.registry.example:443/debian | stable',
    ]);
    expect(parse(url)).toBeUndefined();
  });

  it.each<[string, string[], Record<string, unknown>, string[]]>([
    ['InRelease', ['./'], { kind: 'release', file: 'InRelease' }, [`${base} | ./`]],
    ['Release.gpg', ['/'], { kind: 'release', file: 'Release.gpg' }, [`${base} | /`]],
    ['stable/Release', ['stable/'], { kind: 'release', file: 'Release' }, [`${base} | stable/`]],
    ['Packages.xz', ['./'], { kind: 'index', family: 'packages', isFlat: true }, [`${base} | ./ | `]],
    ['a/b/Sources', ['a/b/'], { kind: 'index', family: 'sources', isFlat: true }, [`${base} | a/b/ | `]],
    ['Contents-amd64.gz', ['./'], { kind: 'index', family: 'listed' }, [`${base} | ./ | `]],
    ['i18n/Translation-en', ['./'], { kind: 'index', family: 'translations' }, [`${base} | ./ | `]],
    [
      `by-hash/SHA256/${sha}`,
      ['./'],
      { family: 'any', byHash: { algorithm: 'sha256', hex: sha } },
      [`${base} | ./ | `],
    ],
    ['hello_1_all.deb', ['./'], { kind: 'deb' }, [`${base} | hello_1_all.deb`]],
    ['Packages.diff/Index', ['./'], { kind: 'refused', reason: expect.stringMatching(/pdiff/) }, [`${base} | ./`]],
  ])('reads %s of the flat repository %s', (path, suites, wanted, where) => {
    const target = parse(`${base}/${path}`, { suites });
    expect(target).toMatchObject(wanted);
    expect(places(target)).toEqual(where);
  });

  it('takes no suite for a flat repository because a glob fits', () => {
    expect(parse(`${base}/stable/InRelease`, { suites: ['**', '*'] })).toBeUndefined();
    expect(parse(`${base}/other/InRelease`, { suites: ['stable/'] })).toBeUndefined();
  });

  it('uses base-url-alias as origin, and keeps the base', () => {
    const target = parse(`${dists}/InRelease`, { 'base-url-alias': 'http://alias.example/debian' });
    expect(target?.places[0]).toMatchObject({ origin: 'http://alias.example/debian', base });
  });

  it.each<[string, string, Record<string, unknown>?]>([
    ['another host', 'http://evil.example/debian/dists/stable/InRelease'],
    ['another base', 'http://deb.registry.example/ubuntu/dists/stable/InRelease'],
    ['a longer base', 'http://deb.registry.example/debian2/dists/stable/InRelease'],
    ['a query', `${dists}/InRelease?x=1`],
    ['an encoded slash', `${base}/dists/stable%2fInRelease`],
    ['an encoded slash in a package', `${base}/pool/x%2fy_1_all.deb`],
    ['an encoded backslash', `${base}/pool/x%5cy_1_all.deb`],
    ['encoded control characters', `${base}/pool/x%0ay_1_all.deb`],
    ['broken encoding', `${base}/pool/x%zz_1_all.deb`],
    ['encoding that is no UTF-8', `${base}/pool/x%ff_1_all.deb`],
    ['an empty segment', `${base}//dists/stable/InRelease`],
    ['an archive that is no source package', `${base}/pool/main/h/hello/hello-1.0.tar.gz`],
    ['a flat release that is not configured', `${base}/InRelease`],
    ['a flat index that is not configured', `${base}/Packages.xz`],
    ['the base itself', `${base}/`],
    ['no repository at all', `${dists}/InRelease`, { urls: [] }],
  ])('claims nothing with %s', (_name, url, repository) => {
    expect(parse(url, repository)).toBeUndefined();
  });

  it('claims GET and HEAD only', () => {
    expect(parse(`${dists}/InRelease`, {}, 'HEAD')).toBeDefined();
    expect(parse(`${dists}/InRelease`, {}, 'POST')).toBeUndefined();
    expect(parse(`${dists}/InRelease`, {}, 'PUT')).toBeUndefined();
  });

  it.each<[string, RegExp, Record<string, unknown>?]>([
    [`${dists}/InRelease`, /suite is not among/, { suites: ['bookworm*'] }],
    [`${base}/dists/a/b/InRelease`, /suite is not among/],
    [`${dists}/main/binary-amd64/Packages.xz`, /suite or component/, { components: ['universe'] }],
    [`${dists}/main/binary-amd64/Packages.diff/Index`, /pdiff/],
    [`${dists}/main/binary-amd64/Packages.diff/by-hash/SHA256/${sha}`, /pdiff/],
    [`${dists}/main/binary-amd64/by-hash/MD5Sum/${hex('md5', 'x')}`, /MD5 or SHA1/],
    [`${dists}/main/binary-amd64/by-hash/SHA1/${hex('sha1', 'x')}`, /MD5 or SHA1/],
    [`${dists}/main/binary-amd64/by-hash/SHA256/abc`, /not an apt index/],
    [`${dists}/main/source/Sources.xz`, /suite or component/, { components: ['universe'] }],
    [`${dists}/main/binary-amd64/Release.xz`, /not an apt index/],
    [`${dists}/main/installer-amd64/current/images/SHA256SUMS`, /not an apt index/],
    [`${dists}/ChangeLog`, /not an apt index/],
  ])('says why it refuses %s', (url, reason, repository) => {
    const target = parse(url, repository);
    expect(target?.kind === 'refused' ? target.reason : target).toMatch(reason);
  });

  it('looks at a bounded number of readings', () => {
    const deep = (count: number) =>
      parse(`http://deb.registry.example/${'dists/'.repeat(count)}x_1_all.deb`, { urls: ['**'] });
    expect(places(deep(60))).toHaveLength(16);
    expect(deep(64)).toBeUndefined();
  });
});

describe('parseDebName', () => {
  it.each([
    ['hello_1.0-1_amd64.deb', { name: 'hello', version: '1.0-1', architecture: 'amd64' }],
    [
      'libstdc++6_12.2.0-14+deb12u1_amd64.deb',
      { name: 'libstdc++6', version: '12.2.0-14+deb12u1', architecture: 'amd64' },
    ],
    ['hello.deb', undefined],
    ['a_b.deb', undefined],
    ['a_b_c_d.deb', undefined],
  ])('reads %s', (file, wanted) => {
    expect(parseDebName(file)).toEqual(wanted);
  });
});

import { describe, expect, it } from 'vitest';
import { artifactsConfigSchema, cacheServerSchema } from './config.js';
import { remotesFor, remotesOf } from './remotes-for.js';
import { remoteName } from './settings.js';

const parse = (config: unknown) => artifactsConfigSchema.parse(config);
const places = (config: unknown) =>
  remotesOf(parse(config), '/home/alice/.config/craft').map(({ pull, push }) => ({
    pull: pull && `${pull.url.href} ${pull.namespace}`,
    push: push && `${push.url.href} ${push.namespace}`,
  }));

describe('remotes of a configuration', () => {
  it.each<[string, unknown, { pull?: string; push?: string }]>([
    ['pull only', { 'pull-url': 'https://cache.example/main' }, { pull: 'https://cache.example/ main' }],
    [
      'the three keys, scp-like',
      { 'pull-url': 'https://cache.example/main', 'push-url': 'artifacts@cache.example:main', 'push-port': 2222 },
      { pull: 'https://cache.example/ main', push: 'ssh://artifacts@cache.example:2222/ main' },
    ],
    [
      'the three keys, as URL',
      { 'pull-url': 'https://cache.example/team/x', 'push-url': 'ssh://a@cache.example', 'push-port': 666 },
      { pull: 'https://cache.example/ team/x', push: 'ssh://a@cache.example:666 team/x' },
    ],
    [
      'a namespace of its own for what is pushed',
      { 'pull-url': 'https://cache.example/main', 'push-url': 'a@cache.example:pr/7' },
      { pull: 'https://cache.example/ main', push: 'ssh://a@cache.example/ pr/7' },
    ],
    [
      'a server with a name',
      { servers: [{ url: 'https://cache.example:8443/base', 'instance-name': 'main', push: true }] },
      { pull: 'https://cache.example:8443/base main', push: 'https://cache.example:8443/base main' },
    ],
    ['an ssh server', { servers: [{ url: 'ssh://a@cache.example/main' }] }, { push: 'ssh://a@cache.example/ main' }],
  ])('%s', (_what, config, expected) => {
    const [found] = places(config);
    expect(found).toEqual({ pull: undefined, push: undefined, ...expected });
  });

  it.each<[string, unknown, string]>([
    ['both forms', { 'pull-url': 'https://c.example/a', servers: [] }, 'use one form'],
    ['a port without a URL', { 'pull-url': 'https://c.example/a', 'push-port': 22 }, 'push-url of ssh'],
    ['two ports', { 'push-url': 'ssh://a@c.example:1/a', 'push-port': 22 }, 'names a port already'],
    ['a port out of range', { 'push-url': 'a@c.example:a', 'push-port': 70_000 }, '65535'],
    ['another scheme', { 'pull-url': 'ftp://c.example/a' }, 'http'],
    ['an ssh pull-url', { 'pull-url': 'ssh://c.example/a' }, 'http'],
    ['an option in place of a host', { 'push-url': '-oProxyCommand=x:main' }, 'expected user@host'],
    ['an unknown key', { 'pull-uri': 'https://c.example/a' }, 'pull-uri'],
    [
      'half a client certificate',
      { servers: [{ url: 'https://c.example/a', auth: { 'client-cert': 'c' } }] },
      'belong together',
    ],
    [
      'a storage of its own',
      { servers: [{ url: 'https://c.example/a', type: 'storage' }] },
      'index and storage in one',
    ],
    ['a namespace that climbs', { servers: [{ url: 'https://c.example/', 'instance-name': '../x' }] }, 'namespace'],
    ['only a name', { 'instance-name': 'main' }, 'needs pull-url or push-url'],
  ])('refuses %s', (_what, config, text) => {
    const result = artifactsConfigSchema.safeParse(config);
    expect(JSON.stringify(result.error?.issues)).toContain(text);
  });

  it('wants a namespace', () => {
    expect(() => places({ 'pull-url': 'https://cache.example/' })).toThrow(
      expect.objectContaining({ code: 'CACHE_CONFIG_INVALID', hint: expect.stringContaining('instance-name') }),
    );
  });

  it('finds the files of auth beside the configuration', () => {
    const server = cacheServerSchema.parse({
      url: 'https://cache.example/main',
      auth: { 'access-token': 'token', 'server-cert': '/etc/ca.pem' },
    });
    const [remote] = remotesOf(parse({ servers: [server] }), '/home/alice/.config/craft');
    expect(remote?.auth).toMatchObject({ accessToken: '/home/alice/.config/craft/token', serverCert: '/etc/ca.pem' });
  });
});

describe('whose remotes count', () => {
  const artifacts = (host: string, more = {}) =>
    parse({ servers: [{ url: `https://${host}.example/main`, push: true }], ...more });
  const user = {
    artifacts: artifacts('mine'),
    projects: { special: { artifacts: artifacts('special') } },
    directory: '/u',
  };
  const recommended = { artifacts: artifacts('theirs'), directory: '/p' };
  const names = (remotes: ReturnType<typeof remotesFor>) =>
    remotes.map((remote) => `${remoteName(remote)}${remote.push ? ' push' : ''}`);

  it("takes the user's first, the project's after them and only to read", () => {
    expect(names(remotesFor({ project: 'demo', user, recommended }))).toEqual([
      'https://mine.example/main push',
      'https://theirs.example/main',
    ]);
  });

  it("takes the user's for this project in place of those for all", () => {
    expect(names(remotesFor({ project: 'special', user }))).toEqual(['https://special.example/main push']);
    expect(names(remotesFor({ project: 'constructor', user }))).toEqual(['https://mine.example/main push']);
  });

  it("leaves the project's out when told to, and does not list one twice", () => {
    const own = { ...user, artifacts: artifacts('mine', { 'override-project-caches': true }) };
    expect(names(remotesFor({ project: 'demo', user: own, recommended }))).toEqual(['https://mine.example/main push']);
    const same = { artifacts: artifacts('mine'), directory: '/p' };
    expect(names(remotesFor({ project: 'demo', user, recommended: same }))).toEqual(['https://mine.example/main push']);
  });

  it("never sends a user's token where only the project says so", () => {
    const theirs = parse({
      servers: [{ url: 'https://evil.example/main', push: true, auth: { 'access-token': '/home/alice/.token' } }],
    });
    const [remote] = remotesFor({ project: 'demo', recommended: { artifacts: theirs, directory: '/p' } });
    expect(remote?.auth).toEqual({ serverCert: undefined });
  });
});

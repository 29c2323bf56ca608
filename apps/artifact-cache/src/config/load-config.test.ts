import { describe, expect, it } from 'vitest';
import { readConfig } from './load-config.js';
import { configuredNamespaces } from './namespace-rules.js';
import { parseDuration, parseSize } from './units.js';

const file = '/etc/artifact-cache/config.yaml';
const storage = 'storage: { blobs: "file:blobs", database: "file:index.sqlite" }\n';

function faults(text: string, environment = {}): string {
  try {
    readConfig(text, file, environment);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('sizes and durations', () => {
  it.each([
    ['20G', 20 * 1024 ** 3],
    ['1.5T', 1.5 * 1024 ** 4],
    ['512MiB', 512 * 1024 ** 2],
    ['0', 0],
    [4096, 4096],
    ['20X', undefined],
    ['-1', undefined],
    ['', undefined],
    ['1e9', undefined],
    ['999999999999999T', undefined],
  ])('%s is %s bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ['90d', 90 * 86_400_000],
    ['12h', 12 * 3_600_000],
    ['0s', undefined],
    ['90', undefined],
    ['d', undefined],
    ['-1d', undefined],
  ])('%s is %s ms', (text, ms) => expect(parseDuration(text)).toBe(ms));
});

describe('the configuration', () => {
  it('takes bounds, and how long a lease is', () => {
    const { limits } = readConfig(`${storage}limits: { max-blob: 2G, max-batch: 500, lease: 45m }\n`, file);
    expect(limits).toEqual({ 'max-blob': 2 * 1024 ** 3, 'max-batch': 500, lease: 45 * 60_000 });
    expect(() => readConfig(`${storage}limits: { lease: 0s }\n`, file)).toThrow(/limits.lease.*is no duration/s);
  });

  it('has defaults for all but storage, and paths beside the file', () => {
    const config = readConfig(storage, file);
    expect(config.listen).toEqual([
      { address: { host: '127.0.0.1', port: 8980 }, anonymous: 'none', certified: 'none' },
    ]);
    expect(config.storage).toEqual({
      blobs: 'file:/etc/artifact-cache/blobs',
      database: 'file:/etc/artifact-cache/index.sqlite',
    });
  });

  it.each([
    ['an unknown key', `${storage}listn: []\n`, 'config.yaml:2:1: listn: unknown key'],
    [
      'a wrong size',
      `${storage}namespaces:\n  main: { quota: 20X }\n`,
      ':3:11: namespaces.main.quota: "20X" is no size',
    ],
    ['no storage', 'log: info\n', 'storage:'],
    ['a wrong address', `${storage}listen: [{ address: "cache.example:99999" }]\n`, 'is no address'],
    ['no YAML', `${storage}log: [\n`, 'config.yaml:3:1'],
    ['credentials in a URL', 'storage: { blobs: "s3://key:secret@b/", database: "file:x" }\n', 'it holds credentials'],
    ['another database', 'storage: { blobs: "file:b", database: "mysql://x" }\n', 'storage.database: expected'],
    ['certified without a CA', `${storage}listen: [{ address: 1, certified: write }]\n`, 'need tls.client-ca'],
    ['a wrong pattern', `${storage}namespaces: { "../x": {} }\n`, 'namespaces'],
    ['a parent that is not there', `${storage}namespaces: { a: { reads-through: b } }\n`, 'there is no namespace "b"'],
    [
      'a circle',
      `${storage}namespaces: { a: { reads-through: b }, b: { reads-through: a } }\n`,
      'it leads back to where it began',
    ],
    ['a limit below the quota', `${storage}namespaces: { a: { quota: 2G, hard-limit: 1G } }\n`, 'below the quota'],
  ])('says where %s is', (_name, text, message) => {
    expect(faults(text)).toContain(message);
  });

  it('shows no secret of a URL that it refuses', () => {
    expect(faults('storage: { blobs: "s3://key:secret@b/", database: "file:x" }\n')).not.toContain('secret');
  });

  it('lets the environment decide', () => {
    const config = readConfig(`${storage}listen: [{ address: "127.0.0.1:1", anonymous: read }]\nlog: warn\n`, file, {
      ARTIFACT_CACHE_LISTEN: '[::]:8443',
      ARTIFACT_CACHE_DATABASE: 'postgres://db.example/cache',
    });
    expect(config.listen).toMatchObject([{ address: { host: '::', port: 8443 }, anonymous: 'read' }]);
    expect(config.storage).toEqual({
      blobs: 'file:/etc/artifact-cache/blobs',
      database: 'postgres://db.example/cache',
    });
    expect(config.log).toBe('warn');
    expect(faults(storage, { ARTIFACT_CACHE_LOG: 'loud' })).toContain('log');
  });
});

describe('rules of namespaces', () => {
  const text = `${storage}namespaces: { main: { quota: 1G }, "pr/*": { reads-through: main }, "pr/big/*": { quota: 2G, public: false } }\n`;
  const { rules, isPublic, patternOf } = configuredNamespaces(readConfig(text, file));

  it('the most exact pattern counts', () => {
    expect(rules('main')?.quotaBytes).toBe(1024 ** 3);
    expect(rules('pr/12')).toMatchObject({ readsThrough: 'main' });
    expect(rules('pr/big/1')?.quotaBytes).toBe(2 * 1024 ** 3);
    expect([isPublic('pr/big/1'), isPublic('main')]).toEqual([false, undefined]);
    expect(patternOf('pr/12')).toBe('pr/*');
  });

  it.each(['other', 'pr', 'toString', '__proto__', 'constructor'])('%s is none', (name) => {
    expect(rules(name)).toBeUndefined();
  });
});

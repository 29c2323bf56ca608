import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type CacheStore, createMemoryCacheStore } from '@waybill/cache-store';
import { encodeReceiveFrame, type ReceiveFrameType, readReceiveFrames } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createServing } from '../serving/create-serving.js';
import { sshFingerprint } from '../serving/ssh-key.js';
import { askedNamespace, findRepository } from './asked-namespace.js';
import { type ReceiveOptions, receive } from './receive.js';

const key = 'AAAAC3NzaC1lZDI1NTE5AAAAIEr2v3pQ6Qy6N0oWm8bJ3Z0iUuZ8pYV3vWm0C4y5d9kF';
const print = sshFingerprint(Buffer.from(key, 'base64'));

interface Sent {
  readonly type: ReceiveFrameType;
  readonly payload?: Uint8Array | object;
}

async function storeWith(right: 'read' | 'write' = 'write', namespace = 'main'): Promise<CacheStore> {
  const store = createMemoryCacheStore();
  const credential = { kind: 'ssh-key' as const, value: print };
  await store.principals.add({ id: 'alice', credential, grants: [{ namespace, right }] }, { principal: 'test' });
  return store;
}

/** Runs a session on frames, or on raw bytes, that all lie there from the beginning. */
async function session(store: CacheStore, sent: readonly (Sent | Buffer)[], options: Partial<ReceiveOptions> = {}) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  for (const one of sent) stdin.write(Buffer.isBuffer(one) ? one : encodeReceiveFrame(one.type, one.payload));
  stdin.end();
  const serving = createServing({ store, links: { pullUrl: 'https://cache.example/' } });
  const answers = (async () => {
    const found: [string, unknown][] = [];
    for await (const { type, payload } of readReceiveFrames(stdout)) found.push([type, JSON.parse(payload.toString())]);
    return found;
  })();
  const code = await receive(async () => serving, { key: print, env: {}, stdin, stdout, stderr, ...options });
  stdout.end();
  return { code, answers: await answers, stderr: String(stderr.read() ?? '') };
}

const hello: Sent = { type: 'hello', payload: { client: 'test/1', namespace: 'main' } };
const blobOf = (text: string) => ({
  sha256: createHash('sha256').update(text).digest('hex'),
  size: Buffer.byteLength(text),
});
const blob = (text: string): Sent => ({ type: 'blob', payload: blobOf(text) });
const data = (text: string): Sent => ({ type: 'data', payload: Buffer.from(text) });
const done: Sent = { type: 'done' };
const publish = (name: string, text: string): Sent => ({
  type: 'publish',
  payload: { keys: [name], value: blobOf(text) },
});

describe('a session of receive', () => {
  it('says who the client is and where is pulled', async () => {
    const { code, answers } = await session(await storeWith(), [hello, done]);
    expect(code).toBe(0);
    expect(answers).toEqual([
      [
        'info',
        expect.objectContaining({
          principal: 'alice',
          'pull-url': 'https://cache.example/',
          grants: [{ namespace: 'main', right: 'write' }],
        }),
      ],
      ['bye', {}],
    ]);
  });

  it('takes what is missing and sets the name with all that it needs, visible at once', async () => {
    const store = await storeWith();
    const { code, answers } = await session(store, [
      hello,
      { type: 'has', payload: { key: 'k' } },
      { type: 'ask', payload: { blobs: [blobOf('value'), blobOf('file')] } },
      blob('value'),
      data('val'),
      data('ue'),
      blob('file'),
      data('file'),
      blob(''),
      { type: 'references', payload: { blobs: [blobOf('file')] } },
      publish('k', 'value'),
      { type: 'has', payload: { key: 'k' } },
      done,
    ]);
    expect(answers.map(([type]) => type)).toEqual([
      'info',
      'present',
      'missing',
      'stored',
      'stored',
      'stored',
      'published',
      'present',
      'bye',
    ]);
    expect(answers[6]).toEqual(['published', { outcome: 'created' }]);
    expect(code).toBe(0);
    const entry = await store.namespace('main').lookup('artifact', ['k']);
    expect(entry).toMatchObject({ references: [blobOf('file')], writer: { principal: 'alice', client: 'test/1' } });
  });

  it.each<[string, readonly (Sent | Buffer)[], string]>([
    ['another digest', [hello, blob('value'), data('VALUE')], 'CACHE_BLOB_MISMATCH'],
    ['more bytes than announced', [hello, blob('value'), data('value and more')], 'CACHE_BLOB_MISMATCH'],
    ['fewer bytes, then the end', [hello, blob('value'), data('val')], 'RECEIVE_UNEXPECTED'],
    ['fewer bytes, then another request', [hello, blob('value'), data('val'), done], 'RECEIVE_UNEXPECTED'],
    ['empty data for ever', [hello, blob('value'), data('')], 'RECEIVE_UNEXPECTED'],
    ['data without a blob', [hello, data('x')], 'RECEIVE_UNEXPECTED'],
    ['no hello', [blob('value')], 'RECEIVE_UNEXPECTED'],
    ['a second hello', [hello, hello], 'RECEIVE_UNEXPECTED'],
    ["the server's own words", [hello, { type: 'stored', payload: blobOf('x') }], 'RECEIVE_UNEXPECTED'],
    ['a name without its blob', [hello, publish('k', 'nowhere')], 'CACHE_BLOB_MISSING'],
    ['a key that is none', [hello, blob('v'), data('v'), publish('a\u0000b', 'v')], 'CACHE_KEY_INVALID'],
    ['nothing at all', [], 'RECEIVE_UNEXPECTED'],
    ['what is no frame', [Buffer.from('GET / HTTP/1.1\r\n\r\n')], 'CONTRACT_DOCUMENT_INVALID'],
    ['a frame of 4 GiB', [Buffer.from([0x57, 0x42, 1, 1, 255, 255, 255, 255])], 'CONTRACT_DOCUMENT_INVALID'],
    ['a hello that is no JSON', [{ type: 'hello', payload: Buffer.from('{{{') }], 'CONTRACT_DOCUMENT_INVALID'],
    [
      'a digest that climbs',
      [hello, { type: 'blob', payload: { sha256: '../../etc/passwd', size: 1 } }],
      'CONTRACT_DOCUMENT_INVALID',
    ],
    ['a negative size', [hello, { type: 'blob', payload: { ...blobOf('x'), size: -1 } }], 'CONTRACT_DOCUMENT_INVALID'],
    ['a namespace that climbs', [{ type: 'hello', payload: { client: 'x', namespace: '../main' } }], 'FORBIDDEN'],
    ["somebody else's namespace", [{ type: 'hello', payload: { client: 'x', namespace: 'other' } }], 'FORBIDDEN'],
  ])('refuses %s and keeps nothing of it', async (_what, sent, error) => {
    const store = await storeWith();
    const { code, answers, stderr } = await session(store, sent);
    expect(answers.at(-1)).toEqual(['error', expect.objectContaining({ error })]);
    expect(code).toBe(1);
    expect(stderr).not.toBe('');
    expect((await store.usage()).reduce((sum, { entries }) => sum + entries, 0)).toBe(0);
    expect(await store.namespace('main').present([blobOf('value')])).toEqual([false]);
  });

  it('lets somebody who may only read do no more than that', async () => {
    const store = await storeWith('read');
    expect((await session(store, [hello, done])).code).toBe(0);
    for (const request of [blob('x'), publish('k', 'x'), { type: 'ask' as const, payload: { blobs: [] } }]) {
      const { answers } = await session(store, [hello, request, data('x')]);
      expect(answers.at(-1)).toEqual(['error', expect.objectContaining({ error: 'FORBIDDEN' })]);
    }
    expect(await store.audit({ limit: 10, namespace: 'main' })).not.toEqual([]);
  });

  it('knows nobody without a key, by a wrong key or by one that was removed', async () => {
    const store = await storeWith();
    for (const options of [{ key: undefined }, { key: 'SHA256:other' }, { key: undefined, principal: 'bob' }]) {
      const { code, answers } = await session(store, [hello, done], options);
      expect(answers).toEqual([['error', expect.objectContaining({ error: 'RECEIVE_KEY_UNKNOWN' })]]);
      expect(code).toBe(1);
    }
    await store.principals.remove('alice', { principal: 'test' });
    expect((await session(store, [hello, done])).code).toBe(1);
  });

  it('knows the key that sshd says the log-in was done with', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'waybill-receive-'));
    const file = join(dir, 'auth');
    await writeFile(file, `publickey ssh-ed25519 ${key}\n`);
    const env = {
      SSH_USER_AUTH: file,
      SSH_CONNECTION: '192.0.2.7 5000 192.0.2.1 22',
      SSH_ORIGINAL_COMMAND: 'artifact-cache receive main',
    };
    const { code, answers } = await session(await storeWith(), [hello, done], { key: undefined, env });
    await rm(dir, { recursive: true });
    expect(code).toBe(0);
    expect(answers[0]?.[1]).toMatchObject({ principal: 'alice' });
  });

  it('keeps a session to the namespace of its command', async () => {
    const store = await storeWith('write', '*');
    const { answers } = await session(store, [hello], { namespace: 'other' });
    expect(answers.at(-1)).toEqual(['error', expect.objectContaining({ error: 'RECEIVE_NAMESPACE' })]);
  });

  it('ends a session in which nothing comes', async () => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    const serving = createServing({ store: await storeWith() });
    stdin.write(encodeReceiveFrame('hello', hello.payload));
    stdout.resume();
    const code = await receive(async () => serving, { key: print, env: {}, stdin, stdout, stderr, silenceMs: 50 });
    expect(code).toBe(1);
    expect(String(stderr.read())).toContain('nothing came');
  });
});

describe('what a client may ask sshd to run', () => {
  it.each<[Record<string, string>, string | undefined]>([
    [{}, undefined],
    [{ SSH_CONNECTION: 'x', SSH_ORIGINAL_COMMAND: 'artifact-cache receive' }, undefined],
    [{ SSH_CONNECTION: 'x', SSH_ORIGINAL_COMMAND: 'artifact-cache receive main' }, 'main'],
    [{ SSH_CONNECTION: 'x', SSH_ORIGINAL_COMMAND: 'artifact-cache receive --verbose team/x' }, 'team/x'],
  ])('%j', (env, namespace) => {
    expect(askedNamespace(env)).toBe(namespace);
  });

  it.each([
    undefined,
    '',
    'sh',
    'artifact-cache serve',
    'artifact-cache receive main; sh',
    'artifact-cache receive $(id)',
    'artifact-cache receive main\nsh',
    'artifact-cache receive --principal root main',
    'artifact-cache receive ../main',
    'internal-sftp',
    `scp -f ${'x'.repeat(5000)}`,
  ])('refuses %j', (asked) => {
    const env = { SSH_CONNECTION: 'x', SSH_ORIGINAL_COMMAND: asked };
    expect(() => askedNamespace(env)).toThrow(expect.objectContaining({ code: 'RECEIVE_COMMAND_REFUSED' }));
  });
});

describe('the repository of a command', () => {
  it('is the nearest directory with a configuration; what stands below it is the namespace', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'waybill-receive-'));
    await mkdir(join(dir, 'artifacts'));
    await writeFile(join(dir, 'artifacts/config.yaml'), '');
    const config = join(dir, 'artifacts/config.yaml');
    expect(findRepository('artifacts', dir)).toEqual({ config, namespace: undefined });
    expect(findRepository('artifacts/team/x', dir)).toEqual({ config, namespace: 'team/x' });
    expect(() => findRepository('elsewhere', dir)).toThrow(expect.objectContaining({ code: 'RECEIVE_REPOSITORY' }));
    await rm(dir, { recursive: true });
  });
});

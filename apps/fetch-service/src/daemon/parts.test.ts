import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRootCa } from '@waybill/ca';
import type { AclConfig, EgressGuard, RuntimeFile } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FetchServiceError } from '../errors.js';
import { Cleanup } from './cleanup.js';
import { createEgress } from './egress.js';
import { createIdleShutdown } from './idle-shutdown.js';
import { allInterfaces, listenError, localUrl, ownEndpoints } from './listen.js';
import { removeRuntimeFile, writeRuntimeFile } from './runtime-file.js';
import { prepareSpool } from './spool-directory.js';
import { lockSpool } from './spool-lock.js';
import { areBodiesShared } from './storage.js';
import { upstreamSettings } from './upstream.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-parts-'));
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(directory, { recursive: true });
});

describe('idle shutdown', () => {
  it('fires once nothing happened for its time, and only without sessions', async () => {
    vi.useFakeTimers();
    let sessions = 1;
    const onIdle = vi.fn();
    const idle = createIdleShutdown(10, () => sessions > 0, onIdle);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onIdle, 'before it was ready').not.toHaveBeenCalled();
    idle.touch();
    await vi.advanceTimersByTimeAsync(9_000);
    idle.touch();
    await vi.advanceTimersByTimeAsync(9_000);
    expect(onIdle).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1_000);
    // It came to its end with a session: it stays quiet until something happens.
    sessions = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onIdle).not.toHaveBeenCalled();
    idle.touch();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(onIdle).toHaveBeenCalledTimes(1);
  });

  it('does not fire when it is used while others are asked for sessions, or when these do not answer', async () => {
    vi.useFakeTimers();
    const onIdle = vi.fn();
    let ask = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 2_000));
    const idle = createIdleShutdown(10, () => ask(), onIdle);
    idle.touch();
    await vi.advanceTimersByTimeAsync(11_000);
    idle.touch();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(onIdle).not.toHaveBeenCalled();
    ask = () => Promise.reject(new Error('gone'));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(onIdle).not.toHaveBeenCalled();
    ask = () => Promise.resolve(false);
    idle.touch();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(onIdle).toHaveBeenCalledTimes(1);
  });

  it('never fires when it is off or stopped', () => {
    vi.useFakeTimers();
    const onIdle = vi.fn();
    createIdleShutdown(0, () => false, onIdle).touch();
    const stopped = createIdleShutdown(1, () => false, onIdle);
    stopped.stop();
    stopped.touch();
    vi.advanceTimersByTime(2 ** 31);
    expect(onIdle).not.toHaveBeenCalled();
  });
});

describe('egress', () => {
  it('lets nothing out before the listeners are known, then never to ourselves', () => {
    let listeners: { host: string; port: number }[] | undefined;
    let acl: AclConfig | undefined;
    const guards: EgressGuard[] = [];
    const egress = createEgress({
      acl: () => acl,
      listeners: () => listeners,
      onChange: (guard) => guards.push(guard),
    });
    egress.refresh();
    expect(egress.guard.refusalFor('192.0.2.1', 443)).toBe('the service is still starting');
    listeners = [{ host: '::', port: 9999 }];
    egress.refresh();
    expect(egress.guard.refusalFor('203.0.113.9', 443)).toBe(guards[0]?.refusalFor('203.0.113.9', 443));
    const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    for (const { address } of own) expect(egress.guard.refusalFor(address.replace(/%.*/, ''), 9999)).toBeDefined();
    acl = { 'http-proxy': { policy: 'allow', rules: [{ dst: ['127.0.0.1'], access: 'allow' }] } };
    egress.refresh();
    expect(egress.guard.refusalFor('127.0.0.1', 8443)).toBeUndefined();
    expect(egress.guard.refusalFor('127.0.0.1', 9999)).toContain('this service itself');
  });

  it('lets nobody in at the addresses of this machine, whatever the port', () => {
    const egress = createEgress({
      acl: () => undefined,
      listeners: () => [{ host: '127.0.0.1', port: 9 }],
      onChange: () => {},
    });
    egress.refresh();
    const own = Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address));
    expect(own).not.toEqual([]);
    for (const address of own)
      expect(egress.guard.refusalFor(address, 5432)).toMatch(/loopback|link-local|this machine/);
  });

  it('looks for changes every now and then, until it is told to stop', () => {
    vi.useFakeTimers();
    let acl: AclConfig | undefined;
    const egress = createEgress({
      acl: () => acl,
      listeners: () => [{ host: '127.0.0.1', port: 9 }],
      onChange: () => {},
    });
    egress.refresh();
    const stop = egress.watch(1000);
    acl = { 'http-proxy': { policy: 'deny', rules: [] } };
    vi.advanceTimersByTime(1000);
    expect(egress.guard.refusalFor('203.0.113.9', 443)).toContain('policy is deny');
    stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('makes a new guard only when something changed: kept connections depend on it', () => {
    const onChange = vi.fn();
    const egress = createEgress({ acl: () => undefined, listeners: () => [{ host: '127.0.0.1', port: 1 }], onChange });
    egress.refresh();
    egress.refresh();
    expect(onChange).toHaveBeenCalledTimes(1);
  });
});

describe('listening', () => {
  it.each([
    ['::', 80, 'http://127.0.0.1:80'],
    ['0.0.0.0', 80, 'http://127.0.0.1:80'],
    ['192.0.2.7', 80, 'http://192.0.2.7:80'],
    ['::1', 80, 'http://[::1]:80'],
  ])('on %s is reached at %s', (host, port, url) => {
    expect(localUrl(host, port)).toBe(url);
  });

  it('on all interfaces means both families where there are both', async () => {
    const host = await allInterfaces();
    expect(['::', '0.0.0.0']).toContain(host);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    server.close();
    expect(ownEndpoints([{ host, port: 7 }])).toContainEqual({ address: '127.0.0.1', port: 7 });
    expect(ownEndpoints([{ host: '192.0.2.7', port: 7 }])).toEqual([{ address: '192.0.2.7', port: 7 }]);
  });

  it.each([
    ['EADDRINUSE', 'FETCH_PORT_IN_USE', /^port 80 of the proxy: address already in use$/, /--proxy-port/],
    ['EACCES', 'FETCH_LISTEN_FAILED', /^the proxy cannot listen on :: port 80/, /above 1023/],
    ['EADDRNOTAVAIL', 'FETCH_LISTEN_FAILED', /cannot listen/, /--proxy-host must be an address of this machine/],
  ])('that fails with %s says what to do', (code, expected, message, hint) => {
    const cause = Object.assign(new Error(code), { code });
    const wrapped = new FetchServiceError('FETCH_LISTEN_FAILED', 'no', { cause });
    for (const failure of [cause, wrapped]) {
      const error = listenError(failure, { name: 'proxy', option: '--proxy' }, { host: undefined, port: 80 }, '::');
      expect(error).toMatchObject({
        code: expected,
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
      });
    }
  });
});

describe('upstreams', () => {
  it('are reached through the proxies of the environment, upper case first', async () => {
    expect(await upstreamSettings({ HTTP_PROXY: 'http://a', http_proxy: 'http://b', no_proxy: 'x' }, [])).toMatchObject(
      { httpProxy: 'http://a', httpsProxy: undefined, noProxy: 'x' },
    );
    expect(await upstreamSettings({ https_proxy: 'http://s', ALL_PROXY: 'http://all' }, [])).toMatchObject({
      httpProxy: 'http://all',
      httpsProxy: 'http://s',
    });
    expect(await upstreamSettings({ HTTP_PROXY: '', all_proxy: 'http://all' }, [])).toMatchObject({
      httpProxy: 'http://all',
    });
  });

  it('are verified against roots that are named, too', async () => {
    const { certificatePem } = await createRootCa();
    const file = join(directory, 'ca.pem');
    await writeFile(file, `comment\n${certificatePem}${certificatePem}`);
    const { ca } = await upstreamSettings({}, [file]);
    expect(ca.filter((pem) => pem.trim() === certificatePem.trim())).toHaveLength(1);
    expect(ca.length).toBeGreaterThan(1);
    await writeFile(file, 'nothing');
    await expect(upstreamSettings({}, [file])).rejects.toMatchObject({ code: 'FETCH_OPTION_INVALID' });
  });
});

describe('the runtime file', () => {
  const content: RuntimeFile = {
    version: '1',
    pid: process.pid,
    'started-at': '2026-01-02T03:04:05.000Z',
    'control-url': 'http://127.0.0.1:1',
    'proxy-url': 'http://127.0.0.1:2',
    auth: 'u:p',
    'ca-file': '/ca.pem',
    'ca-sha256': 'a'.repeat(64),
    permissive: false,
  };

  it('is private, and removed only by its writer', async () => {
    const path = join(directory, 'run', 'waybill', 'fetch-service.json');
    await writeRuntimeFile(path, content);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(directory, 'run', 'waybill'))).mode & 0o777).toBe(0o700);
    await writeRuntimeFile(path, { ...content, pid: process.pid + 1 });
    await removeRuntimeFile(path);
    expect(JSON.parse(await readFile(path, 'utf8')).pid).toBe(process.pid + 1);
    await writeRuntimeFile(path, content);
    await removeRuntimeFile(path);
    await expect(stat(path)).rejects.toThrow();
    await removeRuntimeFile(path);
  });

  it('is not written through a file, or into the folder of somebody else', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(writeRuntimeFile(join(directory, 'file', 'waybill', 'x.json'), content)).rejects.toMatchObject({
      code: 'FETCH_OPTION_INVALID',
    });
    await mkdir(join(directory, 'target'));
    await symlink(join(directory, 'target'), join(directory, 'link'));
    // A link of ours is ours.
    await writeRuntimeFile(join(directory, 'link', 'waybill', 'x.json'), content);
    expect(await readFile(join(directory, 'target', 'waybill', 'x.json'), 'utf8')).toContain('u:p');
  });
});

describe('the spool', () => {
  it('is made for its user alone, with nothing left of the probe', async () => {
    const root = join(directory, 'a', 'spool');
    const paths = await prepareSpool(root);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    expect(paths.database).toBe(join(root, '.waybill', 'sessions.db'));
    await expect(stat(join(root, '.waybill', 'probe'))).rejects.toThrow();
    await prepareSpool(root);
  });

  it('in a folder where everybody may write is refused', async () => {
    const root = join(directory, 'open');
    await mkdir(root);
    await chmod(root, 0o777);
    await expect(prepareSpool(root)).rejects.toMatchObject({
      code: 'FETCH_SPOOL_UNWRITABLE',
      message: expect.stringContaining('everybody may write there'),
    });
    // As in /tmp: others may add, but not replace.
    await chmod(root, 0o1777);
    await prepareSpool(root);
  });

  it('whose inner folder somebody made before us is refused or made private', async () => {
    const [linked, loose] = [join(directory, 'linked'), join(directory, 'loose')];
    await mkdir(linked);
    await mkdir(join(directory, 'elsewhere'));
    await symlink(join(directory, 'elsewhere'), join(linked, '.waybill'));
    await expect(prepareSpool(linked)).rejects.toMatchObject({ message: expect.stringContaining('a link to one') });
    await mkdir(join(loose, '.waybill'), { recursive: true });
    await chmod(join(loose, '.waybill'), 0o777);
    await prepareSpool(loose);
    expect((await stat(join(loose, '.waybill'))).mode & 0o777).toBe(0o700);
    if (process.getuid?.() !== 0) return;
    const foreign = join(directory, 'foreign');
    await mkdir(join(foreign, '.waybill'), { recursive: true });
    await chown(join(foreign, '.waybill'), 65_534, 65_534);
    await expect(prepareSpool(foreign)).rejects.toMatchObject({ message: expect.stringContaining('another user') });
  });

  it('in the place of a file, or below /proc, cannot be used', async () => {
    await writeFile(join(directory, 'file'), '');
    for (const root of [join(directory, 'file'), join(directory, 'file', 'x'), '/proc/waybill/x']) {
      await expect(prepareSpool(root)).rejects.toMatchObject({
        code: 'FETCH_SPOOL_UNWRITABLE',
        hint: expect.stringContaining('--spool=DIR'),
      });
    }
  });
});

describe('cleanup', () => {
  it('undoes everything, last thing first, whatever fails', async () => {
    const done: string[] = [];
    const errors: unknown[] = [];
    const cleanup = new Cleanup();
    cleanup.add('first', () => done.push('first'));
    cleanup.add('second', () => {
      throw new Error('no');
    });
    cleanup.add('third', async () => done.push('third'));
    const logger = { debug() {}, info() {}, warn() {}, error: (fields: unknown) => void errors.push(fields) };
    expect(await cleanup.run(logger)).toBe(false);
    expect([done, errors]).toEqual([['third', 'first'], [{ step: 'second', error: 'no' }]]);
    expect(await cleanup.run(logger)).toBe(true);
  });
});

describe('whether others may be about to refer to a body', () => {
  it.each([
    ['a spool of its own', undefined, undefined, false],
    ['processes that share a spool', 0, undefined, true],
    ['a bucket', undefined, 's3://bucket', true],
    ['processes that share a bucket', 1, 's3://bucket', true],
  ])('%s', (_name, slot, bodiesUrl, areShared) => {
    expect(areBodiesShared(slot, bodiesUrl)).toBe(areShared);
  });
});

describe('the lock of a spool', () => {
  it('lets one daemon in at a time', async () => {
    await prepareSpool(directory);
    const lock = await lockSpool(directory);
    await expect(lockSpool(directory)).rejects.toMatchObject({ code: 'FETCH_SPOOL_IN_USE', hint: expect.any(String) });
    await lock.release();
    await (await lockSpool(directory)).release();
  });
});

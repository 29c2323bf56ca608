import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FetchServiceError } from '../errors.js';
import { type ControlSocket, openControlSocket, type SocketAnswer } from './control-socket.js';
import { JsonFramer } from './json-framer.js';
import { askDaemon } from './socket-client.js';

let directory: string;
let path: string;
let socket: ControlSocket | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-socket-'));
  path = join(directory, 'fetchctl.socket');
});

afterEach(async () => {
  await socket?.close();
  socket = undefined;
  await rm(directory, { recursive: true });
});

async function open(operate: () => Promise<SocketAnswer>): Promise<void> {
  socket = await openControlSocket(path, operate, silentLogger);
}

describe('a request and its reply', () => {
  it('are one JSON object each, whole however long', async () => {
    const long = 'ä"\\\n🦊'.repeat(20_000);
    await open(async () => long);
    expect(await askDaemon(path, { operation: 'version' })).toEqual({ result: 'ok', message: long });
  });

  it('may come in pieces', async () => {
    await open(async () =>
      (async function* () {
        yield '[\n';
        yield '"\ud83e'; // half of a character
        yield '\udd8a"';
        yield '\n]';
      })(),
    );
    expect(await askDaemon(path, { operation: 'list-artifacts' })).toEqual({ result: 'ok', message: '[\n"🦊"\n]' });
  });

  it('an operation may take longer than a request may', async () => {
    const slow = () => new Promise<string>((resolve) => setTimeout(() => resolve('done'), 200));
    socket = await openControlSocket(path, slow, silentLogger, 50);
    const asked = [1, 2].map(() => askDaemon(path, { operation: 'x' }));
    expect(await Promise.all(asked)).toEqual(Array(2).fill({ result: 'ok', message: 'done' }));
  });

  it('say what failed, with the next step', async () => {
    await open(async () => {
      throw new FetchServiceError('FETCH_REQUEST_INVALID', 'no such thing', { hint: 'try another' });
    });
    expect(await askDaemon(path, { operation: 'x' })).toEqual({
      result: 'error',
      message: 'no such thing\ntry another',
    });
  });

  it('break off when the answer fails in its middle', async () => {
    await open(async () =>
      (async function* () {
        yield 'begun';
        throw new Error('disk gone');
      })(),
    );
    await expect(askDaemon(path, { operation: 'x' })).rejects.toMatchObject({ code: 'FETCH_SOCKET_UNREACHABLE' });
  });

  it.each([
    ['no JSON', 'hello', 'the request is not a JSON object'],
    ['broken JSON', '{"operation": }', 'the request is not valid JSON'],
    ['another shape', '{"operation": 7}', /^the request is not one: operation: /],
  ])('refuse %s', async (_name, text, message) => {
    await open(async () => 'never');
    expect(JSON.parse(await raw(text))).toMatchObject({ result: 'error', message: expect.stringMatching(message) });
  });

  it('do not wait for a newline or for the other side to close', async () => {
    await open(async () => 'answered');
    expect(JSON.parse(await raw('{"operation":"x","payload":"}{\\"["}'))).toEqual({
      result: 'ok',
      message: 'answered',
    });
  });
});

describe('the path', () => {
  it('is private from the first moment', async () => {
    await open(async () => 'x');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('is made with its directory', async () => {
    path = join(directory, 'new', 'fetchctl.socket');
    await open(async () => 'x');
    expect((await stat(join(directory, 'new'))).mode & 0o777).toBe(0o700);
    expect((await askDaemon(path, { operation: 'version' })).message).toBe('x');
  });

  it('is taken over from a daemon that is gone', async () => {
    const abandoned = createServer();
    await new Promise<void>((listening) => abandoned.listen(path, listening));
    // Closing would remove the path; a killed process does not.
    await abandon(abandoned);
    await open(async () => 'new');
    expect((await askDaemon(path, { operation: 'version' })).message).toBe('new');
  });

  it('is bound in a folder that goes, also when its process was killed in between', async () => {
    const gone = spawnSync('true').pid;
    for (const pid of [gone, process.pid]) {
      await mkdir(join(directory, `.fs${pid}`));
      await writeFile(join(directory, `.fs${pid}`, 's'), '');
    }
    await mkdir(join(directory, `.fs${gone}x`));
    await open(async () => 'answered');
    expect((await readdir(directory)).sort()).toEqual([`.fs${gone}x`, 'fetchctl.socket']);
  });

  it('is refused while another daemon answers', async () => {
    await open(async () => 'x');
    await expect(openControlSocket(path, async () => 'y', silentLogger)).rejects.toMatchObject({
      code: 'FETCH_SOCKET_IN_USE',
    });
    expect((await askDaemon(path, { operation: 'version' })).message).toBe('x');
  });

  it('never removes or follows what is no socket', async () => {
    const file = join(directory, 'precious');
    await writeFile(file, 'keep');
    await symlink(file, path);
    await expect(open(async () => 'x')).rejects.toMatchObject({
      code: 'FETCH_SOCKET_REFUSED',
      message: expect.stringContaining('is a symbolic link'),
    });
    expect(await readlink(path)).toBe(file);
    await rm(path);
    await writeFile(path, 'keep');
    await expect(open(async () => 'x')).rejects.toMatchObject({ message: expect.stringContaining('is not a socket') });
  });

  it('says so when it cannot be made', async () => {
    await writeFile(join(directory, 'file'), '');
    path = join(directory, 'file', 'fetchctl.socket');
    await expect(open(async () => 'x')).rejects.toMatchObject({ code: 'FETCH_SOCKET_REFUSED' });
    path = join(directory, 'x'.repeat(120));
    await expect(open(async () => 'x')).rejects.toMatchObject({ code: 'FETCH_SOCKET_REFUSED' });
  });

  it('leads nowhere without a daemon', async () => {
    await expect(askDaemon(path, { operation: 'version' })).rejects.toMatchObject({ code: 'FETCH_SOCKET_UNREACHABLE' });
    await writeFile(path, '');
    await expect(askDaemon(path, { operation: 'version' })).rejects.toMatchObject({ code: 'FETCH_SOCKET_REFUSED' });
  });
});

describe('JsonFramer', () => {
  it('finds the end wherever the stream is cut', () => {
    const text = ' {"a": "}\\"{", "b": [{"c": "\\\\"}], "d": "ü"} trailing';
    const end = text.lastIndexOf('}') + 1;
    for (let size = 1; size < text.length; size++) {
      const framer = new JsonFramer(1000);
      const bytes = Buffer.from(text);
      let found: string | undefined;
      for (let at = 0; at < bytes.length && found === undefined; at += size)
        found = framer.push(bytes.subarray(at, at + size));
      expect(found).toBe(text.slice(0, end));
    }
  });

  it('is bounded', () => {
    const framer = new JsonFramer(10);
    expect(framer.push(Buffer.from('{"a":'))).toBeUndefined();
    expect(() => framer.push(Buffer.from('"........."'))).toThrow(RangeError);
  });
});

/** Leaves the bound path behind although the server closes. */
async function abandon(server: ReturnType<typeof createServer>): Promise<void> {
  const { rename } = await import('node:fs/promises');
  const kept = join(directory, 'kept');
  await rename(path, kept);
  await new Promise((closed) => server.close(closed));
  await rename(kept, path);
}

function raw(text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  const client = connect(path, () => client.write(text));
  client.on('data', (chunk) => (answer += chunk));
  client.once('end', () => resolve(answer));
  client.once('error', reject);
  return promise;
}

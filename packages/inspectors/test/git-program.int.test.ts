import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { deflateSync } from 'node:zlib';
import type { InspectionServices } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runGit } from '../src/git/git-program.js';
import { createScratchRepository } from '../src/git/scratch-repository.js';
import { createInspectorRuntime } from '../src/run.js';
import { chunked, fakeArtifact } from './fakes.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-git-program-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const never = new AbortController().signal;

/** A pack of one object, with whatever header and trailer. */
function packOf(type: number, claimedSize: number, content: Buffer, count = 1): Buffer {
  const header = Buffer.alloc(12);
  header.write('PACK');
  header.writeUInt32BE(2, 4);
  header.writeUInt32BE(count, 8);
  const size = [(type << 4) | (claimedSize & 15)];
  for (let rest = Math.floor(claimedSize / 16); rest > 0; rest = Math.floor(rest / 128)) {
    size[size.length - 1] = (size.at(-1) ?? 0) | 0x80;
    size.push(rest % 128);
  }
  const body = Buffer.concat([header, Buffer.from(size), deflateSync(content)]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

describe('git on data that nobody trusts', () => {
  it('reads no configuration of the machine, the user or the environment', async () => {
    await writeFile(join(directory, '.gitconfig'), '[alias]\n\tevil = !touch evil\n');
    vi.stubEnv('GIT_CONFIG_COUNT', '1');
    vi.stubEnv('GIT_CONFIG_KEY_0', 'core.pager');
    vi.stubEnv('GIT_CONFIG_VALUE_0', 'evil');
    const { stdout } = await runGit(['config', '--list', '--show-origin'], {
      home: directory,
      signal: never,
      maxFileBytes: 1e6,
    });
    expect(stdout).toContain('protocol.allow=never');
    expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('command line:'))).toEqual([]);
  });

  it('cannot reach anything', async () => {
    const run = { home: directory, signal: never, maxFileBytes: 1e6 };
    for (const url of ['https://git.example/x.git', `file://${directory}`, 'ext::sh -c true']) {
      const { status, stderr } = await runGit(['ls-remote', url], run);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(/not allowed/);
    }
  });

  it('is killed when the inspection is broken off', async () => {
    const controller = new AbortController();
    const work = runGit(['-c', 'alias.wait=!exec sleep 5', 'wait'], {
      home: directory,
      signal: controller.signal,
      maxFileBytes: 1e6,
    });
    setTimeout(() => controller.abort(new Error('session revoked')), 50);
    await expect(work).rejects.toThrow('session revoked');
  });

  it('that is not installed is an error with the next step', async () => {
    vi.stubEnv('PATH', directory);
    await expect(runGit(['version'], { home: directory, signal: never, maxFileBytes: 1e6 })).rejects.toMatchObject({
      code: 'INSPECTOR_PROGRAM_FAILED',
      hint: expect.stringContaining('install git'),
    });
  });

  it('may not write more than it is told', async () => {
    const run = { home: directory, signal: never, maxFileBytes: 4096 };
    await runGit(['init', '--quiet', '--bare', 'r.git'], run);
    const { status } = await runGit(['--git-dir', 'r.git', 'hash-object', '-w', '--stdin'], {
      ...run,
      stdin: Array.from({ length: 20_000 }, (_, i) => createHash('sha1').update(String(i)).digest('hex')).join(''),
    });
    expect(status).not.toBe(0);
  });
});

describe('hostile packs', () => {
  const content = Buffer.from('hello\n');
  const id = createHash('sha1').update('blob 6\0hello\n').digest('hex');

  async function add(pack: Buffer, check: 'links' | 'objects' = 'links') {
    const repository = await createScratchRepository({ directory, objectFormat: 'sha1', signal: never });
    await repository.addPack(Readable.from([pack]) as AsyncIterable<Buffer>, check);
    return repository.missing([id]);
  }

  it('an honest one for comparison', async () => expect(await add(packOf(3, 6, content))).toEqual([]));

  it.each([
    ['an object that claims 64 GiB', packOf(1, 2 ** 36, content), /memory|inflate|too large|index-pack/i],
    ['a blob that claims 64 GiB', packOf(3, 2 ** 36, content), /index-pack/],
    ['an object longer than it claims', packOf(3, 3, content), /inflate/],
    ['an object of a type that does not exist', packOf(5, 6, content), /unknown object type|bad object|index-pack/],
    ['a delta without a base', packOf(7, 6, Buffer.concat([Buffer.alloc(20), content])), /index-pack/],
    ['more objects claimed than there are', packOf(3, 6, content, 1000), /index-pack/],
    ['fewer objects claimed than there are', packOf(3, 6, content, 0), /index-pack/],
    ['junk behind the trailer', Buffer.concat([packOf(3, 6, content), Buffer.from('junk')]), /junk/],
    ['a second pack behind the first', Buffer.concat([packOf(3, 6, content), packOf(3, 6, content)]), /junk/],
    ['a commit that is no commit', packOf(1, 6, content), /index-pack/],
    ['no pack', Buffer.from('hello'), /holds no pack/],
    ['nothing', Buffer.alloc(0), /holds no pack/],
  ])('%s', async (_name, pack, reason) => {
    await expect(add(pack)).rejects.toThrow(reason);
  });
});

describe('an inspection of git in the runtime', () => {
  const oid = 'a'.repeat(40);
  const line = (text: string) => `${(text.length + 5).toString(16).padStart(4, '0')}${text}\n`;
  const body = Buffer.from(`${line('command=fetch')}0001${line(`want ${oid}`)}${line('done')}0000`);
  const request = {
    url: 'https://git.example/team/tool.git/git-upload-pack',
    method: 'POST',
    headers: { 'content-type': 'application/x-git-upload-pack-request' },
    body,
  };

  function bind() {
    const runtime = createInspectorRuntime({
      blobs: { open: () => chunked(Buffer.alloc(0)) },
      scratchDir: join(directory, 'scratch'),
    });
    return { runtime, session: runtime.bind({ git: { urls: ['https://git.example:443/**'] } }) };
  }

  function services(signal: AbortSignal): InspectionServices {
    return {
      signal,
      sessionId: '0'.repeat(32),
      policy: 'strict',
      companion: async () => undefined,
      trustedCatalogs: async () => [],
      openArtifact: () => chunked(Buffer.alloc(0)),
    };
  }

  function answer(stream: () => Readable) {
    const artifact = fakeArtifact(request, {
      body: 'x',
      headers: { 'content-type': 'application/x-git-upload-pack-result' },
    });
    return { ...artifact, open: stream, openRaw: stream };
  }

  it('is over at once when the session is revoked, and leaves nothing behind', async () => {
    const { session, runtime } = bind();
    const controller = new AbortController();
    const endless = () => {
      const stream = new Readable({ read() {} });
      stream.push(Buffer.from(`${line('packfile')}000e\x01PACK\0\0\0\x02\0`, 'latin1'));
      return stream;
    };
    const artifact = answer(endless);
    const work = session.inspectArtifact(
      artifact,
      session.inspectRequest(artifact.request),
      services(controller.signal),
    );
    setTimeout(() => controller.abort(new Error('session revoked')), 100);
    const { inspections } = await work;
    expect(inspections.get('git.upload-pack')).toMatchObject({
      opinion: 'Rejected',
      reason: expect.stringMatching(/session revoked/),
    });
    await runtime.close();
    expect(await readdir(join(directory, 'scratch'))).toEqual([]);
  });

  it('ends with a reason and an empty scratch directory', async () => {
    const { session, runtime } = bind();
    const pack = packOf(3, 6, Buffer.from('hello\n'));
    const packet = Buffer.concat([
      Buffer.from((pack.length + 5).toString(16).padStart(4, '0')),
      Buffer.from([1]),
      pack,
    ]);
    const artifact = answer(() => chunked(Buffer.concat([Buffer.from(line('packfile')), packet, Buffer.from('0000')])));
    const { inspections } = await session.inspectArtifact(
      artifact,
      session.inspectRequest(artifact.request),
      services(never),
    );
    expect(inspections.get('git.upload-pack')?.reason).toBe(`the pack does not hold the wanted object ${oid}`);
    await runtime.close();
    expect(await readdir(join(directory, 'scratch'))).toEqual([]);
  });
});

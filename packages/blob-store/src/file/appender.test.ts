import { beforeEach, describe, expect, it } from 'vitest';
import { Appender, type SegmentHandle } from './appender.js';
import { Catalog, type Segment } from './catalog.js';
import { decodeHeader, hashBody, headerBytes } from './record.js';

/** A disk that does what it is told, including the wrong thing. */
class FakeDisk {
  readonly segments: { bytes: Buffer; synced: Buffer; closed: boolean }[] = [];
  readonly indexes: number[] = [];
  writes = 0;
  syncs = 0;
  /** Bytes that may still be written. */
  room = Number.POSITIVE_INFINITY;
  /** Bytes that one write takes at most. */
  atOnce = Number.POSITIVE_INFINITY;
  failSync: string | undefined;
  failCreate: string | undefined;
  /** Holds each sync until released. */
  gate: Promise<void> = Promise.resolve();

  path = (segment: Segment) => `segment ${segment.number}`;

  writeIndex = async (segment: Segment) => {
    this.indexes.push(segment.number);
  };

  create = async (): Promise<SegmentHandle> => {
    if (this.failCreate) throw failure(this.failCreate);
    const state = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0), closed: false };
    this.segments.push(state);
    return {
      writev: async (buffers: readonly NodeJS.ArrayBufferView[], position: number) => {
        this.writes++;
        const bytes = Buffer.concat(buffers as Uint8Array[]);
        const taken = bytes.subarray(0, Math.min(bytes.length, this.room, this.atOnce));
        if (taken.length === 0) throw failure('ENOSPC');
        this.room -= taken.length;
        const grown = Buffer.alloc(Math.max(state.bytes.length, position + taken.length));
        state.bytes.copy(grown);
        taken.copy(grown, position);
        state.bytes = grown;
        return { bytesWritten: taken.length, buffers };
      },
      truncate: async (length: number) => {
        state.bytes = state.bytes.subarray(0, length);
      },
      datasync: async () => {
        this.syncs++;
        await this.gate;
        if (this.failSync) {
          // What a failed fsync covered is gone although it looks written. fsync(2), EIO
          const code = this.failSync;
          state.bytes = Buffer.concat([state.synced, Buffer.alloc(state.bytes.length - state.synced.length)]);
          throw failure(code);
        }
        state.synced = Buffer.from(state.bytes);
      },
      close: async () => {
        state.closed = true;
      },
    } as unknown as SegmentHandle;
  };
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('Appender', () => {
  let disk: FakeDisk;
  let catalog: Catalog;
  let appender: Appender;

  beforeEach(() => {
    disk = new FakeDisk();
    catalog = new Catalog();
    appender = new Appender({ files: disk, catalog, segmentBytes: 10_000, guard: () => undefined });
  });

  async function add(text: string): Promise<string> {
    const body = Buffer.from(text);
    const digests = hashBody(body);
    await appender.append({
      header: { kind: 'packed', size: body.length, digests, usedAt: 0 },
      body,
      placed: (segment, entry) => catalog.apply(segment, entry),
    });
    return digests.sha256;
  }

  /** What a reader finds at the place the index names. */
  function stored(name: string): string | undefined {
    const location = catalog.index.get(name);
    const bytes = location && disk.segments[location.segment - 1]?.bytes.subarray(location.offset);
    if (!bytes || decodeHeader(bytes)?.digests.sha256 !== name) return undefined;
    return bytes.toString('utf8', headerBytes, headerBytes + location.size);
  }

  it('writes what arrives together at once, and syncs once for all who ask', async () => {
    const names = await Promise.all(['a', 'b', 'c', ''].map(add));
    expect(disk.writes).toBe(1);
    await Promise.all([appender.flush(), appender.flush(), appender.flush()]);
    expect(disk.syncs).toBe(1);
    await appender.flush();
    expect(disk.syncs).toBe(1);
    expect(names.map(stored)).toEqual(['a', 'b', 'c', '']);
  });

  it('syncs again for what was appended during a sync', async () => {
    let open = () => {};
    disk.gate = new Promise((resolve) => {
      open = resolve;
    });
    await add('a');
    const first = appender.flush();
    const same = appender.flush();
    await add('b');
    let done = false;
    const second = appender.flush().then(() => {
      done = true;
    });
    open();
    await Promise.all([first, same]);
    expect(done).toBe(false);
    await second;
    expect(disk.syncs).toBe(2);
    expect(disk.segments[0]?.synced).toEqual(disk.segments[0]?.bytes);
  });

  it('finishes what the system writes only in part', async () => {
    disk.atOnce = 1_000;
    const long = 'x'.repeat(4_321);
    expect(stored(await add(long))).toBe(long);
    expect(disk.writes).toBeGreaterThan(4);
  });

  it('loses nothing when the disk is full for a while', async () => {
    const kept = await add('kept');
    disk.room = 50;
    const attempts = await Promise.allSettled([add('one'), add('two')]);
    for (const attempt of attempts) {
      expect(attempt).toMatchObject({ status: 'rejected', reason: { code: 'BLOB_STORAGE_FULL' } });
    }
    expect(disk.segments[0]?.bytes.length).toBe(headerBytes + 4);
    disk.room = Number.POSITIVE_INFINITY;
    const names = [kept, await add('one'), await add('two')];
    await appender.flush();
    expect(names.map(stored)).toEqual(['kept', 'one', 'two']);
  });

  it('writes again what a failed fsync may have dropped', async () => {
    const before = await add('before');
    await appender.flush();
    const lost = await Promise.all(['one', 'two'].map(add));
    disk.failSync = 'EIO';
    await expect(appender.flush()).rejects.toMatchObject({ code: 'BLOB_STORAGE_FAILED' });
    expect(lost.map(stored)).toEqual([undefined, undefined]);
    const during = await add('during');
    await expect(appender.flush()).rejects.toMatchObject({ code: 'BLOB_STORAGE_FAILED' });
    disk.failSync = undefined;
    await appender.flush();
    expect([before, ...lost, during].map(stored)).toEqual(['before', 'one', 'two', 'during']);
    expect(disk.segments[0]?.synced).toEqual(disk.segments[0]?.bytes);
  });

  it('tells a caller who asks during a failing sync', async () => {
    disk.failSync = 'ENOSPC';
    await add('a');
    const results = await Promise.allSettled([appender.flush(), appender.flush()]);
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'BLOB_STORAGE_FULL' } });
    }
  });

  it('goes on to a new segment, the old one synced and indexed', async () => {
    const names: string[] = [];
    for (let at = 0; at < 30; at++) names.push(await add(`${at}`.padEnd(900)));
    expect(disk.segments.length).toBe(4);
    for (const segment of disk.segments.slice(0, -1)) {
      expect(segment.bytes.length).toBeLessThanOrEqual(10_000);
      expect(segment.synced).toEqual(segment.bytes);
      expect(segment.closed).toBe(true);
    }
    expect(disk.indexes).toEqual([1, 2, 3]);
    expect(names.map((name) => stored(name)?.trim())).toEqual(names.map((_, at) => `${at}`));
  });

  it('gives a body that is larger than a segment one of its own', async () => {
    const names = [await add('a'), await add('y'.repeat(20_000)), await add('b')];
    expect(names.map((name) => stored(name)?.length)).toEqual([1, 20_000, 1]);
    expect(disk.segments.length).toBe(3);
  });

  it('refuses while no segment can be made, and works again afterwards', async () => {
    disk.failCreate = 'EMFILE';
    await expect(add('a')).rejects.toMatchObject({ code: 'BLOB_STORAGE_FAILED' });
    await appender.flush();
    disk.failCreate = undefined;
    expect(stored(await add('a'))).toBe('a');
  });

  it('writes nothing once the guard says no', async () => {
    const guarded = new Appender({
      files: disk,
      catalog,
      segmentBytes: 10_000,
      guard: () => {
        throw failure('no');
      },
    });
    const header = { kind: 'packed', size: 0, digests: hashBody(Buffer.alloc(0)), usedAt: 0 } as const;
    await expect(guarded.append({ header })).rejects.toThrow('no');
    await expect(guarded.append({ header })).rejects.toThrow('no');
    expect(disk.segments).toEqual([]);
  });

  it('syncs by itself before it holds too much in memory', async () => {
    const large = new Appender({ files: disk, catalog, segmentBytes: 1 << 30, guard: () => undefined });
    const body = Buffer.alloc(1 << 20);
    disk.segments.length = 0;
    for (let at = 0; at < 20; at++) {
      await large.append({ header: { kind: 'packed', size: body.length, digests: hashBody(body), usedAt: 0 }, body });
    }
    expect(disk.syncs).toBe(1);
  });

  it('seals what it is asked to and closes in order', async () => {
    await add('a');
    await Promise.all([appender.seal(), add('b')]);
    expect(catalog.segments.get(1)?.sealed).toBe(true);
    await appender.close();
    expect(disk.segments.every((segment) => segment.closed)).toBe(true);
    expect(disk.indexes).toEqual([1, 2]);
  });
});

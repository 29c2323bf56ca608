import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { chunked } from '../../test/fakes.js';
import { readFetchResult } from './fetch-result.js';
import { parsePkts } from './pkt-line.js';
import { readAdvertisement, readLsRefs } from './refs.js';
import { type FetchRequest, parseUploadRequest } from './upload-request.js';

const a = 'a'.repeat(40);
const b = 'b'.repeat(40);
const wide = 'c'.repeat(64);

/** Packets: text gets a newline, `flush`, `delim` and `end` are what they say, bytes go as they are. */
function pkts(...parts: (string | Buffer)[]): Buffer {
  const specials: Record<string, string> = { flush: '0000', delim: '0001', end: '0002' };
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string' && specials[part]) return Buffer.from(specials[part]);
      const payload = typeof part === 'string' ? Buffer.from(`${part}\n`) : part;
      return Buffer.concat([Buffer.from((payload.length + 4).toString(16).padStart(4, '0')), payload]);
    }),
  );
}

const band = (number: number, data: string) => Buffer.concat([Buffer.from([number]), Buffer.from(data)]);
const pieces = [1, 3, 1000];

describe('packets', () => {
  it.each([
    ['a length that is no number', 'zzzz'],
    ['a signed length', '-001'],
    ['a length of three', '0003'],
    ['a length beyond the limit', 'ffff'],
    ['a length cut off', '00'],
    ['a payload cut off', '0010abc'],
  ])('refuse %s', async (_name, text) => {
    expect(() => parsePkts(Buffer.from(text), 10)).toThrow(/length|ends|packet/);
    for (const piece of pieces)
      await expect(readLsRefs(chunked(Buffer.from(text), piece))).rejects.toThrow(/length|ends|packet/);
  });

  it('are bounded in number', () => {
    expect(() => parsePkts(Buffer.from('0000'.repeat(11)), 10)).toThrow('more than 10 packets');
  });
});

describe('advertisement', () => {
  const service = '# service=git-upload-pack';
  const caps = 'multi_ack side-band-64k agent=git/2';

  it.each([
    [
      'protocol 2',
      pkts(service, 'flush', 'version 2', 'agent=git/2', 'ls-refs=unborn', 'flush'),
      { version: '2', capabilities: ['agent=git/2', 'ls-refs=unborn'] },
    ],
    ['protocol 2 without the service line', pkts('version 2', 'fetch=shallow', 'flush'), { version: '2' }],
    [
      'protocol 1',
      pkts(service, 'flush', 'version 1', `${a} HEAD\0${caps}`, 'flush'),
      { version: '1', refs: new Map([['HEAD', a]]) },
    ],
    [
      'protocol 0 with tags and shallow commits',
      pkts(
        service,
        'flush',
        `${a} HEAD\0${caps}`,
        `${b} refs/tags/v1`,
        `${a} refs/tags/v1^{}`,
        `shallow ${a}`,
        'flush',
      ),
      {
        version: '0',
        refs: new Map([
          ['HEAD', a],
          ['refs/tags/v1', b],
        ]),
        peeled: new Map([['refs/tags/v1', a]]),
        capabilities: caps.split(' '),
      },
    ],
    [
      'an empty repository',
      pkts(service, 'flush', `${'0'.repeat(40)} capabilities^{}\0${caps}`, 'flush'),
      { version: '0', refs: new Map() },
    ],
    [
      'sha256',
      pkts(service, 'flush', `${wide} HEAD\0object-format=sha256`, 'flush'),
      { refs: new Map([['HEAD', wide]]) },
    ],
  ])('reads %s', async (_name, bytes, expected) => {
    for (const piece of pieces) expect(await readAdvertisement(chunked(bytes, piece))).toMatchObject(expected);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['the dumb protocol', Buffer.from(`${a}\trefs/heads/main\n`)],
    ['html', Buffer.from('<!doctype html>')],
    ['no flush after the service line', pkts(service, `${a} HEAD\0`, 'flush')],
    ['no flush at the end', pkts(service, 'flush', `${a} HEAD\0${caps}`)],
    ['a ref without a name', pkts(service, 'flush', `${a} \0`, 'flush')],
    ['a short id', pkts(service, 'flush', 'abc HEAD\0', 'flush')],
    ['an error', pkts(service, 'flush', 'ERR access denied', 'flush')],
    ['an error in protocol 2', pkts('version 2', 'ERR access denied', 'flush')],
    ['something behind', pkts(service, 'flush', `${a} HEAD\0`, 'flush', 'more')],
    ['protocol 3', pkts('version 3', 'flush')],
    ['another service', pkts('# service=git-receive-pack', 'flush', `${a} HEAD\0`, 'flush')],
  ])('refuses %s', async (_name, bytes) => {
    await expect(readAdvertisement(chunked(bytes))).rejects.toThrow(/./);
  });
});

describe('ls-refs', () => {
  it('reads refs, symbolic, peeled and unborn ones', async () => {
    const bytes = pkts(
      `${a} HEAD symref-target:refs/heads/main`,
      `${b} refs/tags/v1 peeled:${a}`,
      'unborn refs/heads/new',
      'flush',
    );
    expect(await readLsRefs(chunked(bytes, 5))).toEqual({
      refs: new Map([
        ['HEAD', a],
        ['refs/tags/v1', b],
      ]),
      peeled: new Map([['refs/tags/v1', a]]),
    });
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a delimiter', pkts('delim', 'flush')],
    ['no id', pkts('refs/heads/main', 'flush')],
    ['a bad peeled id', pkts(`${a} refs/tags/v1 peeled:zz`, 'flush')],
    ['an error', pkts('ERR no', 'flush')],
    ['something behind', pkts('flush', 'flush')],
  ])('refuses %s', async (_name, bytes) => {
    await expect(readLsRefs(chunked(bytes))).rejects.toThrow(/./);
  });
});

describe('request', () => {
  it.each([
    ['ls-refs', pkts('command=ls-refs', 'agent=x', 'delim', 'peel', 'symrefs', 'flush'), { command: 'ls-refs' }],
    [
      'another command',
      pkts('command=object-info', 'delim', 'size', 'flush'),
      { command: 'other', name: 'object-info' },
    ],
    ['a probe', Buffer.from('0000'), { command: 'probe' }],
    [
      'a fetch of protocol 2',
      pkts(
        'command=fetch',
        'agent=x',
        'object-format=sha1',
        'delim',
        'thin-pack',
        'ofs-delta',
        `want ${a}`,
        `want ${b}`,
        `want ${a}`,
        `have ${b}`,
        'done',
        'flush',
      ),
      {
        command: 'fetch',
        version: '2',
        wants: [a, b],
        haves: [b],
        done: true,
        isShallow: false,
        sideBand: 'pack',
        objectFormat: 'sha1',
      },
    ],
    [
      'want-ref and depth',
      pkts('command=fetch', 'delim', 'want-ref refs/heads/main', 'deepen 1', `shallow ${a}`, 'flush'),
      { wantRefs: ['refs/heads/main'], isShallow: true, shallow: [a], done: false },
    ],
    [
      'depth by date',
      pkts('command=fetch', 'delim', `want ${a}`, 'deepen-since 1700000000', 'deepen-not refs/tags/v1', 'flush'),
      { isShallow: true },
    ],
    ['a filter', pkts('command=fetch', 'delim', `want ${a}`, 'filter blob:none', 'flush'), { filter: 'blob:none' }],
    [
      'everything in side bands',
      pkts('command=fetch', 'delim', `want ${a}`, 'sideband-all', 'flush'),
      { sideBand: 'all' },
    ],
    [
      'sha256',
      pkts('command=fetch', 'object-format=sha256', 'delim', `want ${wide}`, 'flush'),
      { objectFormat: 'sha256' },
    ],
    [
      'a fetch of protocol 0',
      pkts(
        `want ${a} multi_ack_detailed no-done side-band-64k thin-pack ofs-delta agent=x`,
        `want ${b}`,
        `shallow ${b}`,
        'deepen 1',
        'flush',
        `have ${b}`,
        'done',
      ),
      { command: 'fetch', version: '0', wants: [a, b], haves: [b], isShallow: true, sideBand: 'pack', done: true },
    ],
    ['protocol 0 without side band', pkts(`want ${a}`, 'flush', 'done'), { sideBand: 'none' }],
    [
      'protocol 0 with sha256 that nobody names',
      pkts(`want ${wide} side-band`, 'flush', 'done'),
      { objectFormat: 'sha256' },
    ],
  ])('reads %s', (_name, body, expected) => {
    expect(parseUploadRequest(body)).toMatchObject(expected);
  });

  it.each([
    ['text', Buffer.from('hello'), /length/],
    ['nothing known', pkts('hello', 'flush'), /expected a want or a command/],
    ['no want', pkts('command=fetch', 'delim', 'done', 'flush'), /nothing is wanted/],
    ['an abbreviated id', pkts('command=fetch', 'delim', 'want abcdef', 'flush'), /not an object id/],
    ['an id in capitals', pkts('command=fetch', 'delim', `want ${a.toUpperCase()}`, 'flush'), /not an object id/],
    [
      'ids of two formats',
      pkts('command=fetch', 'delim', `want ${a}`, `want ${wide}`, 'flush'),
      /expected object ids of sha1/,
    ],
    [
      'a format that the ids contradict',
      pkts('command=fetch', 'object-format=sha256', 'delim', `want ${a}`, 'flush'),
      /expected object ids of sha256/,
    ],
    [
      'a format nobody knows',
      pkts('command=fetch', 'object-format=md5', 'delim', `want ${a}`, 'flush'),
      /unknown object format/,
    ],
    [
      'packs from elsewhere',
      pkts('command=fetch', 'delim', `want ${a}`, 'packfile-uris https', 'flush'),
      /packfile-uris/,
    ],
    ['an unknown line', pkts('command=fetch', 'delim', `want ${a}`, 'surprise', 'flush'), /unknown line/],
    ['no flush at the end', pkts('command=fetch', 'delim', `want ${a}`), /does not end with a flush/],
    ['a cut body', pkts('command=fetch', 'delim', `want ${a}`, 'flush').subarray(0, 30), /ends within a packet/],
  ])('refuses %s', (_name, body, reason) => {
    expect(() => parseUploadRequest(body)).toThrow(reason);
  });
});

describe('fetch result', () => {
  const v2 = { version: '2', sideBand: 'pack' } as const;
  const v0 = { version: '0', sideBand: 'pack' } as const;

  async function read(bytes: Buffer, form: Pick<FetchRequest, 'version' | 'sideBand'>, piece = 7) {
    const { pack, ...rest } = await readFetchResult(chunked(bytes, piece), form);
    return { ...rest, pack: pack && Buffer.concat(await Readable.from(pack).toArray()).toString() };
  }

  it.each([
    [
      'protocol 2',
      v2,
      pkts('packfile', band(2, 'Counting'), band(1, 'PACK'), band(1, 'data'), 'flush'),
      { pack: 'PACKdata' },
    ],
    [
      'all sections',
      v2,
      pkts(
        'acknowledgments',
        `ACK ${a}`,
        'ready',
        'delim',
        'shallow-info',
        `shallow ${a}`,
        `unshallow ${b}`,
        'delim',
        'wanted-refs',
        `${a} refs/heads/main`,
        'delim',
        'packfile',
        band(1, 'PACK'),
        'flush',
      ),
      { acks: [a], shallow: [a], unshallow: [b], wantedRefs: new Map([['refs/heads/main', a]]), pack: 'PACK' },
    ],
    ['a round of protocol 2', v2, pkts('acknowledgments', 'NAK', 'flush'), { acks: [], pack: undefined }],
    ['an end packet of http', v2, pkts('acknowledgments', `ACK ${a}`, 'flush', 'end'), { acks: [a] }],
    [
      'side bands everywhere',
      { version: '2', sideBand: 'all' } as const,
      pkts(
        band(1, 'acknowledgments\n'),
        band(2, 'hm'),
        band(1, `ACK ${a}\n`),
        'delim',
        band(1, 'packfile\n'),
        band(1, 'PACK'),
        'flush',
      ),
      { acks: [a], pack: 'PACK' },
    ],
    ['protocol 0', v0, pkts('NAK', band(2, 'Counting'), band(1, 'PACK'), 'flush'), { pack: 'PACK' }],
    [
      'protocol 0, shallow, acknowledged',
      v0,
      pkts(`shallow ${a}`, 'flush', `ACK ${b} common`, `ACK ${b} ready`, `ACK ${b}`, band(1, 'PACK'), 'flush'),
      { shallow: [a], acks: [b, b, b], pack: 'PACK' },
    ],
    [
      'protocol 0 without side band',
      { version: '0', sideBand: 'none' } as const,
      Buffer.concat([pkts('NAK'), Buffer.from('PACK and so on')]),
      { pack: 'PACK and so on' },
    ],
    ['a round of protocol 0', v0, pkts(`ACK ${a} continue`, 'NAK'), { acks: [a], pack: undefined }],
    ['shallow commits only', v0, pkts(`shallow ${a}`, 'flush'), { shallow: [a], pack: undefined }],
  ])('reads %s', async (_name, form, bytes, expected) => {
    for (const piece of pieces) expect(await read(bytes, form, piece)).toMatchObject(expected);
  });

  it.each([
    ['nothing', v2, Buffer.alloc(0), /expected a section/],
    ['an unknown section', v2, pkts('surprise', 'x', 'flush'), /unknown section/],
    [
      'packs from elsewhere',
      v2,
      pkts('packfile-uris', `${a} https://elsewhere.example/`, 'delim', 'packfile', 'flush'),
      /packfile-uris/,
    ],
    ['a section cut off', v2, pkts('acknowledgments', 'NAK'), /cut off/],
    ['a pack cut off', v2, pkts('packfile', band(1, 'PACK')), /cut off/],
    ['something behind the pack', v2, pkts('packfile', band(1, 'PACK'), 'flush', 'more'), /more bytes/],
    ['something behind a round', v2, pkts('acknowledgments', 'NAK', 'flush', 'more'), /more bytes/],
    ['an error', v2, pkts('ERR not our ref'), /the server answered with an error: "not our ref"/],
    ['an error of protocol 0', v0, pkts('ERR not our ref'), /the server answered with an error/],
    [
      'an error within the pack',
      v2,
      pkts('packfile', band(1, 'PACK'), band(3, 'out of memory'), 'flush'),
      /error: "out of memory"/,
    ],
    ['a fourth band', v2, pkts('packfile', band(4, 'x'), 'flush'), /side band 4/],
    ['an empty packet in a pack', v2, pkts('packfile', Buffer.alloc(0), 'flush'), /side band missing/],
    ['a strange acknowledgement', v2, pkts('acknowledgments', 'ACK me', 'flush'), /unexpected line/],
    ['a strange shallow line', v2, pkts('shallow-info', 'deep', 'flush'), /unexpected line/],
    ['a strange wanted ref', v2, pkts('wanted-refs', 'x y', 'flush'), /unexpected line/],
    ['a delimiter in protocol 0', v0, pkts('NAK', 'delim'), /unexpected delim/],
    ['html', v0, Buffer.from('<html>'), /length/],
  ])('refuses %s', async (_name, form, bytes, reason) => {
    for (const piece of pieces) await expect(read(bytes, form, piece)).rejects.toThrow(reason);
  });

  it('bounds progress text', async () => {
    const progress = Array.from({ length: 20 }, () => band(2, 'x'.repeat(60_000)));
    await expect(read(pkts('packfile', ...progress, 'flush'), v2, 65_536)).rejects.toThrow(/bytes of progress text/);
  });
});

import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatAnswer, formatPublished, parseLine } from './answer-line.js';
import { openAnswerLog } from './answer-log.js';
import { createAnswerMemory, type RememberedAnswer } from './answer-memory.js';

let dir = '';
let file = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill-answers-'));
  file = join(dir, 'answers');
});
afterEach(() => rm(dir, { recursive: true }));

const answer = (url: string, of: Partial<RememberedAnswer> = {}): RememberedAnswer => ({
  url,
  variant: 'accept:*/*',
  isPrivate: false,
  vary: {},
  sha256: 'a'.repeat(64),
  headers: ['ETag', '"v1"'],
  condition: ['If-None-Match', '"v1"'],
  ...of,
});

describe('the answers in memory', () => {
  it('keeps variants apart, and of each the latest', () => {
    const memory = createAnswerMemory();
    const [html, json] = [answer('u', { variant: 'html' }), answer('u', { variant: 'json' })];
    memory.remember(html);
    memory.remember(json);
    const newer = { ...html, sha256: 'b'.repeat(64) };
    memory.remember(newer);
    expect(memory.find('u')).toEqual([json, newer]);
    memory.remember({ ...newer, vary: { 'user-agent': 'x' } });
    expect(memory.find('u')).toHaveLength(3);
    expect(memory.size).toBe(1);
  });

  it('forgets what was used least, and what it is told to', () => {
    const memory = createAnswerMemory({ urls: 3 });
    for (const url of ['a', 'b', 'c']) memory.remember(answer(url));
    memory.find('a');
    memory.remember(answer('d'));
    expect(['a', 'b', 'c', 'd'].filter((url) => memory.find(url).length > 0)).toEqual(['a', 'c', 'd']);
    memory.forget(answer('a'));
    expect(memory.find('a')).toHaveLength(1);
    memory.forget(memory.find('a')[0] as RememberedAnswer);
    expect(memory.find('a')).toEqual([]);
    expect(memory.size).toBe(2);
  });

  it('keeps a few variants of one URL', () => {
    const memory = createAnswerMemory();
    for (let i = 0; i < 20; i += 1) memory.remember(answer('u', { variant: `${i}` }));
    expect(memory.find('u').map(({ variant }) => variant)).toEqual(['16', '17', '18', '19']);
  });
});

describe('public bodies in memory', () => {
  it('are those that were published; what was used least is forgotten, and private then', () => {
    const memory = createAnswerMemory();
    const digest = (i: number) => i.toString(16).padStart(64, '0');
    for (let i = 0; i < 2 ** 17; i += 1) memory.publish(digest(i));
    expect([memory.isPublic(digest(0)), memory.isPublic('f'.repeat(64))]).toEqual([true, false]);
    memory.publish('e'.repeat(64));
    expect([0, 1, 2].map((i) => memory.isPublic(digest(i)))).toEqual([true, false, true]);
    expect([...memory.published()]).toHaveLength(2 ** 17);
  });
});

describe('the answers in a file', () => {
  it('are there after a restart, but not those for credentials', async () => {
    const first = await openAnswerLog({ file });
    first.remember(answer('a', { vary: { 'user-agent': 'x' } }));
    first.remember(answer('secret', { isPrivate: true, variant: 'digest-of-credentials' }));
    await first.close();
    expect(await readFile(file, 'utf8')).not.toContain('digest-of-credentials');
    expect((await stat(file)).mode & 0o077).toBe(0);
    const second = await openAnswerLog({ file });
    expect(second.find('a')).toEqual([answer('a', { vary: { 'user-agent': 'x' } })]);
    expect(second.find('secret')).toEqual([]);
  });

  it('tell public bodies after a restart; what stands there of answers publishes none', async () => {
    const [given, other] = ['b'.repeat(64), 'c'.repeat(64)];
    const first = await openAnswerLog({ file, compactBytes: 600 });
    for (let i = 0; i < 3; i += 1) first.publish(given);
    first.remember(answer('a', { sha256: other }));
    await first.close();
    expect((await readFile(file, 'utf8')).split(given)).toHaveLength(2);
    // Written anew because it is too long by now.
    for (let i = 0; i < 4; i += 1) {
      first.remember(answer('a', { sha256: other }));
      await first.flush();
    }
    const second = await openAnswerLog({ file });
    expect([given, other].map((sha256) => second.isPublic(sha256))).toEqual([true, false]);
  });

  it('are those of all processes', async () => {
    const [one, two] = [await openAnswerLog({ file }), await openAnswerLog({ file })];
    one.remember(answer('a'));
    two.remember(answer('b'));
    await one.flush();
    await two.flush();
    await one.flush();
    expect([one.find('b'), two.find('a')]).toEqual([[answer('b')], [answer('a')]]);
  });

  it('are read as far as the file is whole', async () => {
    const first = await openAnswerLog({ file });
    for (const url of ['a', 'b', 'c']) first.remember(answer(url));
    await first.close();
    await appendFile(file, randomBytes(300));
    await appendFile(file, `\n${formatAnswer(answer('d')).replace('v1', 'v2')}${formatAnswer(answer('e'))}`);
    const { size } = await stat(file);
    await truncate(file, size - 5);
    const second = await openAnswerLog({ file });
    expect(['a', 'b', 'c', 'd', 'e'].filter((url) => second.find(url).length > 0)).toEqual(['a', 'b', 'c']);
    second.remember(answer('f'));
    await second.close();
    expect((await openAnswerLog({ file })).find('f')).toHaveLength(1);
  });

  it('do not make the file grow for ever', async () => {
    const log = await openAnswerLog({ file, compactBytes: 4_000, urls: 5 });
    const other = await openAnswerLog({ file });
    for (let round = 0; round < 50; round += 1) {
      log.remember(answer(`u${round}`));
      await log.flush();
    }
    expect((await stat(file)).size).toBeLessThan(5_000);
    await other.flush();
    expect(other.find('u49')).toHaveLength(1);
    expect((await openAnswerLog({ file })).find('u49')).toHaveLength(1);
  });

  it('do without the file when it cannot be written, and say so once', async () => {
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (_: unknown, text: string) => void warnings.push(text), error() {} };
    await writeFile(join(dir, 'plain'), '');
    const log = await openAnswerLog({ file: join(dir, 'plain', 'answers'), logger: logger as never });
    log.remember(answer('a'));
    await log.flush();
    log.remember(answer('b'));
    await log.close();
    expect(log.find('a')).toHaveLength(1);
    expect(warnings).toHaveLength(1);
  });
});

describe('a line', () => {
  it('holds all of an answer', () => expect(parseLine(formatAnswer(answer('a')).trimEnd())).toEqual(answer('a')));

  it('holds until when it is current', () => {
    const fresh = { since: 1_770_000_000_000, until: 1_770_000_300_000 };
    const line = formatAnswer(answer('a', { fresh })).trimEnd();
    expect(parseLine(line)).toEqual(answer('a', { fresh }));
  });

  it('holds a public digest', () => expect(parseLine(formatPublished('a'.repeat(64)).trimEnd())).toBe('a'.repeat(64)));

  it.each<[string, string]>([
    ['nothing', ''],
    ['text', 'hello world, this is no line'],
    ['no checksum', '[1,"a"]'],
    ['a wrong checksum', '00000000 [1,"a"]'],
    ['a changed one', formatAnswer(answer('a')).trimEnd().replace('v1', 'v2')],
    ['one cut short', formatAnswer(answer('a')).slice(0, -5)],
    ['one that is no digest', formatAnswer(answer('a', { sha256: '../../etc' })).trimEnd()],
    ['half a field', formatAnswer(answer('a', { headers: ['ETag'] })).trimEnd()],
    ['a public body that is none', formatPublished('../etc').trimEnd()],
    ['one too long', formatAnswer(answer('x'.repeat(20_000))).trimEnd()],
  ])('is passed over: %s', (_name, text) => expect(parseLine(text)).toBeUndefined());
});

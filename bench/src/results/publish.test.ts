import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { microMarkdown } from '../micro/micro-result.ts';
import { markdownReport } from './markdown.ts';
import { drawPicture } from './picture/picture.ts';
import { publish, publishedBlock, replaceBlock } from './publish.ts';
import { sampleResult } from './sample-result.ts';

describe('replaceBlock', () => {
  const [begin, end] = ['<!-- x:begin -->', '<!-- x:end -->'];

  it.each([
    ['empty', `a\n${begin}\n${end}\nb\n`],
    ['full', `a\n${begin}\nold\nlines\n${end}\nb\n`],
  ])('fills a place that is %s, and nothing around it', (_name, document) => {
    expect(replaceBlock(document, 'x', 'new')).toBe(`a\n${begin}\nnew\n${end}\nb\n`);
  });

  it.each([
    ['has none', 'a'],
    ['has no end', `${begin}`],
    ['has no begin', `${end}`],
    ['has them the wrong way round', `${end}${begin}`],
    ['has two begins', `${begin}${begin}${end}`],
    ['has two ends', `${begin}${end}${end}`],
  ])('leaves alone what %s', (_name, document) => {
    expect(replaceBlock(document, 'x', 'new')).toBeUndefined();
  });
});

describe('publish', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bench-docs-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const docs = () => pathToFileURL(`${dir}/`);

  it('writes text and picture, and a second time nothing else', async () => {
    await writeFile(join(dir, 'performance.md'), 'a\n<!-- bench:begin -->\n<!-- bench:end -->\n');
    expect(await publish(docs(), sampleResult, 'r.json')).toEqual(['performance.md', 'performance.svg']);
    const first = await Promise.all(
      ['performance.md', 'performance.svg'].map((name) => readFile(join(dir, name), 'utf8')),
    );
    expect(first[0]).toContain('![Bars and curves of the numbers below](performance.svg)');
    expect(first[1]).toContain('</svg>');
    await publish(docs(), sampleResult, 'r.json');
    expect(await readFile(join(dir, 'performance.md'), 'utf8')).toBe(first[0]);
    expect(await readFile(join(dir, 'performance.svg'), 'utf8')).toBe(first[1]);
  });

  it('shows processes where processes are spoken of', async () => {
    await writeFile(join(dir, 'scaling.md'), '<!-- bench-scaling:begin -->\n<!-- bench-scaling:end -->\n');
    const spread = { median: 1.8, min: 1.7, max: 1.9, rounds: 3 };
    const engines = ['waybill-1', 'waybill-2'].map((id) => ({ id, does: '', version: '1' }));
    const summary = { 'waybill-1': { 'kept.rate': spread }, 'waybill-2': { 'kept.rate': spread } };
    const ratios = { 'waybill-2/waybill-1': { 'kept.rate': spread }, 'waybill-1/waybill-2': { 'kept.rate': spread } };
    const result = { ...sampleResult, kind: 'scaling', engines, summary, ratios } as const;
    expect(await publish(docs(), result, 'r.json')).toEqual(['scaling.md']);
    const text = await readFile(join(dir, 'scaling.md'), 'utf8');
    expect(text).toContain('| waybill-2 ÷ waybill-1 | 1.80× (1.70–1.90) |');
    expect(text).not.toContain('waybill-1 ÷');
    expect(text).not.toContain('squid');
  });

  it('says what is missing when a document has no place', async () => {
    await expect(publish(docs(), sampleResult, 'r.json')).rejects.toMatchObject({
      code: 'BENCH_USAGE',
      hint: expect.stringContaining('<!-- bench:begin -->'),
    });
  });
});

describe('markdownReport', () => {
  const text = markdownReport(sampleResult, 'r.json');

  it.each([
    ['where and when', 'Measured (quick) on 2030-01-02: Some <Processor> & more, 2 cores, 8 GiB, Some Linux'],
    ['how often', '2 rounds, medians'],
    ['its file', '[r.json](../bench/results/r.json)'],
    ['engines and numbers', '| waybill-strict | 290 (280–300) | 11 500 (11 000–12 000) |'],
    ['targets', '| large body | at least 1.00 × squid | 0.97 | **missed** |'],
    ['what failed', '**Turns that did not count: 1**'],
  ])('says %s', (_name, part) => {
    expect(text).toContain(part);
  });

  it('has as many cells in each row as in its head', () => {
    for (const block of text.split('\n\n').filter((part) => part.startsWith('|'))) {
      expect(new Set(block.split('\n').map((row) => row.split('|').length)).size).toBe(1);
    }
  });
});

describe('microMarkdown', () => {
  it('says what was found and wanted', () => {
    const numbers = [
      { title: 'session creation', unit: 'ms', value: 3, below: 5 },
      { title: 'report', unit: 'MiB', value: 300, below: 200 },
      { title: 'whole', unit: 's', value: 1.5 },
    ];
    const text = microMarkdown(
      { format: 1, date: sampleResult.date, machine: sampleResult.machine, numbers },
      'm.json',
    );
    expect(text).toContain('| session creation | 3.00 ms | below 5.00 ms: met |');
    expect(text).toContain('| report | 300 MiB | below 200 MiB: **missed** |');
    expect(text).toContain('| whole | 1.50 s |  |');
  });
});

/** What docs/performance.md shows is what the command makes of the file that it names: nobody improved it by hand. */
describe('docs/performance.md', () => {
  const root = new URL('../../../', import.meta.url);
  const read = (path: string) => readFile(new URL(path, root), 'utf8');
  const blockOf = (document: string, name: string) =>
    new RegExp(`<!-- ${name}:begin -->\n([^]*)<!-- ${name}:end -->`).exec(document)?.[1]?.trimEnd();

  it('shows the numbers of a committed result', async () => {
    const block = blockOf(await read('docs/performance.md'), 'bench') as string;
    const file = /\]\(\.\.\/bench\/results\/([\w.-]+)\)/.exec(block)?.[1];
    if (file === undefined) return expect(block).toBe('Not measured yet in this form.');
    const result = JSON.parse(await read(`bench/results/${file}`));
    expect(block).toBe(publishedBlock(result, file));
    expect(await read('docs/performance.svg')).toBe(drawPicture(result));
  });

  it('shows the micro-benchmarks of a committed result', async () => {
    const block = blockOf(await read('docs/performance.md'), 'bench-micro') as string;
    const file = /\]\(\.\.\/bench\/results\/([\w.-]+)\)/.exec(block)?.[1];
    if (file === undefined) return expect(block).toBe('Not measured yet.');
    expect(block).toBe(microMarkdown(JSON.parse(await read(`bench/results/${file}`)), file));
  });
});

import { readFile, writeFile } from 'node:fs/promises';
import { BenchError } from '../bench-error.ts';
import type { BenchResult } from './bench-result.ts';
import { markdownReport } from './markdown.ts';
import { drawPicture } from './picture/picture.ts';

/** A place in a document that the command writes. */
export interface Place {
  /** Below docs/. */
  readonly document: string;
  readonly name: string;
}

export const performancePlace: Place = { document: 'performance.md', name: 'bench' };
export const scalingPlace: Place = { document: 'scaling.md', name: 'bench-scaling' };
export const microPlace: Place = { document: 'performance.md', name: 'bench-micro' };

const picture = 'performance.svg';

/** What stands in docs/performance.md (or scaling.md) of this result. */
export function publishedBlock(result: BenchResult, file: string): string {
  const text = markdownReport(result, file);
  return result.kind === 'scaling' ? text : `![Bars and curves of the numbers below](${picture})\n\n${text}`;
}

/**
 * Shows a result in docs/: text between markers, and the picture.
 * @param docs directory
 * @returns the files written
 * @throws BenchError `BENCH_USAGE` when the document has no such place
 */
export async function publish(docs: URL, result: BenchResult, file: string): Promise<string[]> {
  const place = result.kind === 'scaling' ? scalingPlace : performancePlace;
  await fillPlace(docs, place, publishedBlock(result, file));
  if (result.kind === 'scaling') return [place.document];
  await writeFile(new URL(picture, docs), drawPicture(result));
  return [place.document, picture];
}

/** @throws BenchError `BENCH_USAGE` */
export async function fillPlace(docs: URL, { document, name }: Place, text: string): Promise<void> {
  const before = await readFile(new URL(document, docs), 'utf8').catch(() => '');
  const after = replaceBlock(before, name, text);
  if (after === undefined) {
    throw new BenchError('BENCH_USAGE', `docs/${document} has no place for the numbers`, {
      hint: `write these two lines where they shall stand: <!-- ${name}:begin --> and <!-- ${name}:end -->`,
    });
  }
  await writeFile(new URL(document, docs), after);
}

/** Replaces what stands between the markers; undefined when they are not both there, once, in order. */
export function replaceBlock(document: string, name: string, text: string): string | undefined {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [before, rest, more] = document.split(begin);
  if (before === undefined || rest === undefined || more !== undefined) return undefined;
  const [old, after, even] = rest.split(end);
  if (old === undefined || after === undefined || even !== undefined) return undefined;
  return `${before}${begin}\n${text}\n${end}${after}`;
}

import { z } from 'zod';

/** Marks issues whose message says everything, so that a reader adds neither the key's name nor the value found. */
export const wholeMessage = { whole: true };

/** Text with something in it. */
export const nonEmpty = z.string().min(1, 'expected text, found nothing');
/** Text without a line break. */
export const line = nonEmpty.regex(/^[^\r\n\0]*$/, 'expected one line');
export const uniqueStrings = z
  .array(nonEmpty)
  .refine((list) => new Set(list).size === list.length, 'an entry stands twice');

/** A path inside a part's tree: relative, without `..`. */
export const insidePath = nonEmpty.refine(
  (path) => !path.startsWith('/') && !path.split('/').includes('..') && !path.includes('\0'),
  'expected a relative path without `..`',
);
export const uniqueInsidePaths = z
  .array(insidePath)
  .refine((list) => new Set(list).size === list.length, 'an entry stands twice');
export const fileset = z.array(
  nonEmpty.refine(
    (entry) => insidePath.safeParse(entry.replace(/^-/, '')).success,
    'expected a relative path or glob without `..`, with `-` in front to leave it out',
  ),
);

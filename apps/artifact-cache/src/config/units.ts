import { z } from 'zod';

const sizes: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };
const times: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** Bytes of `20G`, `1.5T`, `512MiB` or a plain number; units are powers of 1024. Undefined for anything else. */
export function parseSize(text: string | number): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(?:iB|B)?$/i.exec(String(text).trim()) ?? [];
  const bytes = Math.round(Number(digits) * (sizes[unit.toUpperCase()] ?? Number.NaN));
  return digits !== '' && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Milliseconds of `90d`, `12h`, `30m`, `45s`, `2w`. Undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)\s*([smhdw])$/.exec(text.trim()) ?? [];
  const ms = Math.round(Number(digits) * (times[unit] ?? Number.NaN));
  return digits !== '' && Number.isSafeInteger(ms) && ms > 0 ? ms : undefined;
}

/** A size of the configuration, in bytes. */
export const sizeSchema = z.union([z.string(), z.number()]).transform((text, context) => {
  const bytes = parseSize(text);
  if (bytes !== undefined) return bytes;
  context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} is no size, wanted e.g. 20G or 512M` });
  return z.NEVER;
});

/** A duration of the configuration, in milliseconds. */
export const durationSchema = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} is no duration, wanted e.g. 90d or 12h` });
  return z.NEVER;
});

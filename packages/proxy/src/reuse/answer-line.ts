import { crc32 } from 'node:zlib';
import { isHexDigest } from '@waybill/contracts';
import type { Freshness, RememberedAnswer } from './answer-memory.js';

/** Kinds of lines, by their number of fields too; others are passed over. */
const answerKind = 1;
const publishedKind = 2;
const longestLine = 16_384;

/** One line of the answer log: a checksum and the answer as a JSON list. */
export function formatAnswer({ url, variant, vary, sha256, headers, condition, fresh }: RememberedAnswer): string {
  const until = fresh ? [[fresh.since, fresh.until]] : [];
  return format([answerKind, url, variant, vary, sha256, headers, condition, ...until]);
}

/** The line that says of a body that anybody may have it. */
export function formatPublished(sha256: string): string {
  return format([publishedKind, sha256]);
}

/** What a line says: an answer, or the digest of a public body. undefined when it is damaged or of another kind. */
export function parseLine(line: string): RememberedAnswer | string | undefined {
  const json = line.slice(9);
  if (line.length > longestLine || line[8] !== ' ' || line.slice(0, 8) !== checksum(json)) return undefined;
  let fields: unknown;
  try {
    fields = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields)) return undefined;
  if (fields[0] === answerKind && (fields.length === 7 || fields.length === 8)) return toAnswer(fields);
  if (fields[0] !== publishedKind || fields.length !== 2) return undefined;
  return typeof fields[1] === 'string' && isHexDigest('sha256', fields[1]) ? fields[1] : undefined;
}

function toAnswer([, url, variant, vary, sha256, headers, condition, until]: readonly unknown[]):
  | RememberedAnswer
  | undefined {
  const fresh = toFreshness(until);
  const isWhole =
    typeof url === 'string' &&
    typeof variant === 'string' &&
    isTextMap(vary) &&
    typeof sha256 === 'string' &&
    isHexDigest('sha256', sha256) &&
    isTextList(headers) &&
    isTextList(condition);
  return isWhole
    ? { url, variant, isPrivate: false, vary, sha256, headers, condition, ...(fresh && { fresh }) }
    : undefined;
}

function toFreshness(value: unknown): Freshness | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [since, until] = value;
  return Number.isSafeInteger(since) && Number.isSafeInteger(until) ? { since, until } : undefined;
}

function format(fields: readonly unknown[]): string {
  const json = JSON.stringify(fields);
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.length % 2 === 0 && value.every((item) => typeof item === 'string');
}

function isTextMap(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((item) => typeof item === 'string');
}

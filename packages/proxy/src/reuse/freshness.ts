import type { HeaderView } from '@waybill/contracts';
import { listMembers } from '../http/headers.js';
import type { Freshness } from './answer-memory.js';

/** Origins say years of files that never change; an index that was approved that long ago is to be looked at again. */
const longestMs = 3_600_000;

/** What of an answer its freshness is read from. */
interface FreshAnswer {
  readonly headers: Pick<HeaderView, 'get'>;
}

/**
 * How long an origin lets a shared cache take its answer for current: by `s-maxage` or `max-age` alone, never by a guess; undefined
 * when it said nothing of the kind. RFC 9111 §4.2
 */
export function freshnessOf({ headers }: FreshAnswer, now: Date): Freshness | undefined {
  const directives = listMembers(headers.get('cache-control'));
  if (directives.some((one) => /^(?:no-cache|no-store|private)(?:=|$)/.test(one))) return undefined;
  const seconds = secondsOf(directives, 's-maxage') ?? secondsOf(directives, 'max-age');
  const age = ageOf({ headers }, now);
  if (seconds === undefined || age === undefined) return undefined;
  const since = now.getTime() - age;
  const until = Math.min(since + seconds * 1000, now.getTime() + longestMs);
  return until > now.getTime() ? { since, until } : undefined;
}

/** Milliseconds since the origin sent it, by its own word and by the clocks. RFC 9111 §4.2.3 */
function ageOf({ headers }: FreshAnswer, now: Date): number | undefined {
  const said = headers.get('age')?.trim() ?? '0';
  if (!/^\d{1,9}$/.test(said)) return undefined;
  const sentAt = Date.parse(headers.get('date') ?? '');
  const apparent = Number.isNaN(sentAt) ? 0 : Math.max(0, now.getTime() - sentAt);
  return Math.max(Number(said) * 1000, apparent);
}

/** undefined when it is not there, or said twice, or no number. */
function secondsOf(directives: readonly string[], name: string): number | undefined {
  const found = directives.filter((one) => one.startsWith(`${name}=`));
  const [, digits] = /^"?(\d{1,9})"?$/.exec(found[0]?.slice(name.length + 1) ?? '') ?? [];
  return found.length === 1 && digits !== undefined ? Number(digits) : undefined;
}

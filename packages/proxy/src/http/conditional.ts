import type { ByteRange, HeaderView } from '@waybill/contracts';
import { parseRange } from './byte-range.js';

/** How a whole, verified 200 is answered to this client. */
export type Selection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'unsatisfiable' }
  | { readonly kind: 'not-modified' };

/** What the client sent and the upstream answered. */
export interface SelectionInput {
  readonly method: string;
  readonly request: HeaderView;
  readonly response: HeaderView;
  /** Bytes of the whole body. */
  readonly size: number;
}

/** Whether the client's answer may differ from the upstream's whole 200. */
export function isSelective(method: string, request: HeaderView): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  return ['range', 'if-none-match', 'if-modified-since'].some((name) => request.get(name) !== undefined);
}

/**
 * Applies the client's own preconditions and range, in the order of RFC 9110 §13.2.2, to a 200 that was fetched whole.
 * `If-Match` and `If-Unmodified-Since` went upstream and were answered there.
 */
export function select({ method, request, response, size }: SelectionInput): Selection {
  if (!isSelective(method, request)) return { kind: 'whole' };
  if (isUnchanged(request, response)) return { kind: 'not-modified' };
  const range = request.get('range');
  if (method !== 'GET' || range === undefined || !mayRange(request, response)) return { kind: 'whole' };
  const answer = parseRange(range, size);
  if (answer === 'whole' || answer === 'unsatisfiable') return { kind: answer };
  return { kind: 'part', range: answer };
}

function isUnchanged(request: HeaderView, response: HeaderView): boolean {
  const tags = request.get('if-none-match');
  if (tags !== undefined) {
    const current = response.get('etag');
    if (current === undefined) return false;
    return tags.trim() === '*' || entityTags(tags).some((tag) => opaque(tag) === opaque(current.trim()));
  }
  const since = httpDate(request.get('if-modified-since'));
  const modified = httpDate(response.get('last-modified'));
  return since !== undefined && modified !== undefined && modified <= since;
}

/** RFC 9110 §13.1.5: a strong tag, or the exact date; anything else means the whole body. */
function mayRange(request: HeaderView, response: HeaderView): boolean {
  const condition = request.get('if-range')?.trim();
  if (condition === undefined) return true;
  if (condition.startsWith('"')) return condition === response.get('etag')?.trim();
  const date = httpDate(condition);
  return date !== undefined && date === httpDate(response.get('last-modified'));
}

function entityTags(list: string): string[] {
  return list.match(/(?:W\/)?"[^"]*"/g) ?? [];
}

/** Weak comparison: the flag does not count. RFC 9110 §8.8.3.2. */
function opaque(tag: string): string {
  return tag.replace(/^W\//, '');
}

function httpDate(text: string | undefined): number | undefined {
  // A date without GMT or a comma is no HTTP date; Date.parse would take it for local time.
  if (
    text === undefined ||
    !/^[A-Z][a-z]{2,8}, .* GMT$|^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4}$/.test(text)
  )
    return undefined;
  const time = Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

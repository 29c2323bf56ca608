/** What was asked for in a span of time. */
export interface HitSpan {
  /** Begin of the span, ms since 1970. */
  readonly at: number;
  readonly hits: number;
  readonly misses: number;
}

/** Hits and misses of the last day, in this process since its start: for people, not for alarms (that is what `/metrics` is for). */
export interface HitHistory {
  note(namespace: string, isHit: boolean): void;
  /** Spans in order, those in which nothing was asked for too. */
  spans(namespace: string): readonly HitSpan[];
}

/** Length of a span. */
export const spanMs = 15 * 60_000;
const spanCount = 96;

interface Counts {
  readonly hits: Uint32Array;
  readonly misses: Uint32Array;
  /** Number of the newest span that was counted in. */
  newest: number;
}

/** @param now ms since 1970. Some 800 bytes for each namespace; the caller bounds how many there are. */
export function createHitHistory(now: () => number = Date.now): HitHistory {
  const namespaces = new Map<string, Counts>();
  const current = () => Math.floor(now() / spanMs);

  /** Spans that went by without a request hold the counts of the day before. */
  function advance(counts: Counts, to: number): void {
    const gone = Math.min(to - counts.newest, spanCount);
    for (let span = to - gone + 1; span <= to; span++) {
      counts.hits[span % spanCount] = 0;
      counts.misses[span % spanCount] = 0;
    }
    counts.newest = Math.max(counts.newest, to);
  }

  return {
    note(namespace, isHit) {
      const span = current();
      let counts = namespaces.get(namespace);
      if (!counts) {
        counts = { hits: new Uint32Array(spanCount), misses: new Uint32Array(spanCount), newest: span };
        namespaces.set(namespace, counts);
      }
      advance(counts, span);
      const row = isHit ? counts.hits : counts.misses;
      const place = counts.newest % spanCount;
      row[place] = (row[place] as number) + 1;
    },
    spans(namespace) {
      const counts = namespaces.get(namespace);
      if (counts) advance(counts, current());
      const newest = counts?.newest ?? current();
      return Array.from({ length: spanCount }, (_, place) => {
        const span = newest - spanCount + 1 + place;
        const [hits, misses] = [counts?.hits[span % spanCount] ?? 0, counts?.misses[span % spanCount] ?? 0];
        return { at: span * spanMs, hits, misses };
      });
    },
  };
}

import type { HitSpan } from '../serving/hit-history.js';
import { formatCount } from './formats.js';
import { type Html, html } from './html.js';

/** Spans that one bar stands for: an hour. */
const perBar = 4;
const [width, height, gap] = [6, 28, 1];

/** Sum of some spans. */
export function sumOf(spans: readonly HitSpan[]): { readonly hits: number; readonly misses: number } {
  return spans.reduce((sum, { hits, misses }) => ({ hits: sum.hits + hits, misses: sum.misses + misses }), {
    hits: 0,
    misses: 0,
  });
}

/** `83 %`, or nothing when nothing was asked for. */
export function hitRate({ hits, misses }: { readonly hits: number; readonly misses: number }): string {
  const all = hits + misses;
  return all === 0 ? '–' : `${Math.round((hits / all) * 100)} %`;
}

/** A bar for each hour of the last day: its height is the share of hits, a line at the foot stands for hours without requests. */
export function hitChart(spans: readonly HitSpan[]): Html {
  const bars: Html[] = [];
  for (let from = 0; from < spans.length; from += perBar) {
    const part = spans.slice(from, from + perBar);
    const sum = sumOf(part);
    const all = sum.hits + sum.misses;
    const x = (from / perBar) * (width + gap);
    const time = `${new Date(part[0]?.at ?? 0).toISOString().slice(11, 16)} UTC`;
    if (all === 0) {
      bars.push(
        html`<rect class="idle" x="${x}" y="${height - 1}" width="${width}" height="1"><title>${time}: no request</title></rect>`,
      );
      continue;
    }
    const hit = Math.round((sum.hits / all) * height);
    const title = `${time}: ${formatCount(sum.hits)} of ${formatCount(all)} were there`;
    bars.push(
      html`<g><title>${title}</title><rect class="miss" x="${x}" y="0" width="${width}" height="${height}"/><rect class="hit" x="${x}" y="${height - hit}" width="${width}" height="${hit}"/></g>`,
    );
  }
  const total = (spans.length / perBar) * (width + gap) - gap;
  return html`<svg width="${total}" height="${height}" viewBox="0 0 ${total} ${height}" role="img" aria-label="share of hits by hour">${bars}</svg>`;
}

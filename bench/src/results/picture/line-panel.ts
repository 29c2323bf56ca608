import type { MemoryPoint } from '../../measure/memory.ts';
import { short } from '../format-number.ts';
import { type Frame, panelTitle } from './bar-panel.ts';
import { line, polyline, type Svg, textAt } from './svg.ts';

export interface Curve {
  readonly className: string;
  readonly points: readonly MemoryPoint[];
}

const top = 42;
const bottom = 20;
const left = 34;

/** Curves over time, and the level that they should stay below. */
export function linePanel(frame: Frame, title: string, curves: readonly Curve[], limit: number): Svg[] {
  const { x, y, width, height } = frame;
  const all = curves.flatMap(({ points }) => points);
  const lastMs = Math.max(1, ...all.map(({ atMs }) => atMs));
  const highest = Math.max(limit, ...all.map(({ mib }) => mib)) * 1.08;
  const [x0, x1, y0, y1] = [x + left, x + width - 12, y + height - bottom, y + top];
  const across = (atMs: number) => x0 + (atMs / lastMs) * (x1 - x0);
  const up = (mib: number) => y0 - (mib / highest) * (y0 - y1);
  const small = { size: 10, className: 'muted' };
  return [
    ...panelTitle(frame, title, 'MiB of the largest process, over time'),
    line([x0, y0], [x1, y0], 'axis'),
    line([x0, up(limit)], [x1, up(limit)], 'limit'),
    textAt(x0 - 4, up(limit) + 4, short(limit), { ...small, anchor: 'end' }),
    textAt(x0 - 4, y0 + 4, '0', { ...small, anchor: 'end' }),
    textAt(x1, y0 + 14, `${short(lastMs / 1000)} s`, { ...small, anchor: 'end' }),
    ...curves.map(({ className, points }) =>
      polyline(
        points.map(({ atMs, mib }) => [across(atMs), up(mib)] as const),
        `curve ${className}`,
      ),
    ),
  ];
}

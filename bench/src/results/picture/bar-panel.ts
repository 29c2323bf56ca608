import { short } from '../format-number.ts';
import type { Spread } from '../statistics.ts';
import { line, rectangle, type Svg, textAt } from './svg.ts';

/** Where a panel stands and how large it is. */
export interface Frame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Bar {
  readonly name: string;
  /** Class of its colour. */
  readonly className: string;
  readonly spread: Spread | undefined;
  /** Does not set the scale; where it is longer it is cut off. */
  readonly isLimit: boolean;
}

const titleHeight = 40;
export const barStep = 19;
const barHeight = 12;
const labelWidth = 96;
const valueWidth = 52;

export function barPanelHeight(bars: number): number {
  return titleHeight + bars * barStep + 12;
}

/** A bar for each engine with a whisker from the lowest to the highest round, and the median beside it. */
export function barPanel(frame: Frame, title: string, unit: string, bars: readonly Bar[]): Svg[] {
  const { x, y, width } = frame;
  const room = width - labelWidth - valueWidth - 8;
  const scaled = bars.filter(({ spread, isLimit }) => spread && !isLimit);
  const longest = Math.max(...(scaled.length > 0 ? scaled : bars).map(({ spread }) => spread?.max ?? 0));
  const end = (value: number) => (longest > 0 ? Math.min(Math.max(value / longest, 0), 1) * room : 0);
  const from = x + labelWidth;
  const rows = bars.flatMap(({ name, className, spread }, index) => {
    const top = y + titleHeight + index * barStep;
    const label = textAt(from - 6, top + 10, name, { anchor: 'end', size: 11, className: 'muted' });
    if (!spread) return [label, textAt(from + 2, top + 10, '–', { size: 11, className: 'muted' })];
    const { median, min, max } = spread;
    const isCut = median > longest;
    const middle = top + barHeight / 2;
    return [
      label,
      rectangle(from, top, end(median), barHeight, className),
      ...(max > min && !isCut ? [line([from + end(min), middle], [from + end(max), middle], 'whisker')] : []),
      ...(isCut ? [textAt(from + room - 8, top + 10, '»', { size: 12, className: 'cut' })] : []),
      textAt(from + (isCut ? room : end(Math.max(median, max))) + 5, top + 10, short(median), { size: 11 }),
    ];
  });
  return [...panelTitle(frame, title, unit), ...rows];
}

export function panelTitle({ x, y }: Frame, title: string, unit: string): Svg[] {
  return [
    textAt(x, y + 14, title, { size: 13, className: 'title' }),
    textAt(x, y + 30, unit, { size: 11, className: 'muted' }),
  ];
}

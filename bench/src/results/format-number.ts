import type { Spread } from './statistics.ts';

/** Three figures, thousands apart. */
export function short(value: number): string {
  const size = Math.abs(value);
  const decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return value.toFixed(decimals).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ' ');
}

/** The median, and behind it the lowest and highest round when there were several. */
export function withSpread(spread: Spread | undefined, sign = ''): string {
  if (!spread) return '–';
  const { median, min, max, rounds } = spread;
  const range = rounds > 1 ? ` (${short(min)}–${short(max)})` : '';
  return `${short(median)}${sign}${range}`;
}

/** A part of a picture, as text. */
export type Svg = string;

export interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly size?: number;
  readonly className?: string;
}

/** Coordinates with one decimal, so that the same result always gives the same file. */
export function coordinate(value: number): string {
  return String(Math.round(value * 10) / 10);
}

export function textAt(x: number, y: number, text: string, { anchor, size, className }: TextStyle = {}): Svg {
  const attributes = [
    className && ` class="${className}"`,
    size !== undefined && ` font-size="${size}"`,
    anchor && anchor !== 'start' && ` text-anchor="${anchor}"`,
  ];
  const style = attributes.filter(Boolean).join('');
  return `<text x="${coordinate(x)}" y="${coordinate(y)}"${style}>${escapeText(text)}</text>`;
}

export function rectangle(x: number, y: number, width: number, height: number, className: string): Svg {
  const [left, top, wide, high] = [x, y, Math.max(width, 0), height].map(coordinate);
  return `<rect class="${className}" x="${left}" y="${top}" width="${wide}" height="${high}" rx="2"/>`;
}

export function line(from: readonly [number, number], to: readonly [number, number], className: string): Svg {
  const [x1, y1, x2, y2] = [...from, ...to].map(coordinate);
  return `<line class="${className}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
}

export function polyline(points: readonly (readonly [number, number])[], className: string): Svg {
  return `<polyline class="${className}" points="${points.map((point) => point.map(coordinate).join()).join(' ')}"/>`;
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

import { isUtf8 } from 'node:buffer';
import { FormatProblem, quote } from './format-problem.js';

/** Field names in lower case; values without the leading blank, continuation lines joined by `\n` with their indent. */
export type Paragraph = ReadonlyMap<string, string>;

export interface Deb822Limits {
  /** Default 1 MiB. */
  readonly lineBytes?: number;
  /** Default 10 000. */
  readonly paragraphs?: number;
  /** Default 1 000. */
  readonly fields?: number;
}

/**
 * Paragraphs of `Field: value` lines, as in Release and control files. Comment lines (`#`) are left out.
 * @throws FormatProblem for a line of another shape, a field given twice in a paragraph, or a limit exceeded
 * @see deb822(5)
 */
export function parseDeb822(text: string, limits: Deb822Limits = {}): Paragraph[] {
  const { lineBytes = 1 << 20, paragraphs = 10_000, fields = 1_000 } = limits;
  const found: Paragraph[] = [];
  let current = new Map<string, string>();
  let open: { readonly name: string; readonly lines: string[] } | undefined;
  let number = 0;

  function closeField(): void {
    if (open) current.set(open.name, open.lines.join('\n'));
    open = undefined;
  }

  function closeParagraph(): void {
    closeField();
    if (current.size === 0) return;
    if (found.length === paragraphs) throw new FormatProblem(`has more than ${paragraphs} paragraphs`);
    found.push(current);
    current = new Map();
  }

  for (const line of linesOf(text)) {
    number += 1;
    if (line.length > lineBytes) throw new FormatProblem(`line ${number} is longer than ${lineBytes} characters`);
    if (line === '') closeParagraph();
    else if (line.startsWith('#')) continue;
    else if (line.startsWith(' ') || line.startsWith('\t')) {
      if (open) open.lines.push(line);
      else if (line.trim() !== '') throw new FormatProblem(`line ${number} continues a field, but none is open`);
    } else {
      closeField();
      const { name, value } = splitField(line, number);
      if (current.has(name)) throw new FormatProblem(`line ${number} gives the field ${quote(name)} a second time`);
      if (current.size === fields) throw new FormatProblem(`a paragraph has more than ${fields} fields`);
      open = { name, lines: [value] };
    }
  }
  closeParagraph();
  return found;
}

/**
 * Text of bytes that must be UTF-8.
 * @throws FormatProblem
 */
export function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new FormatProblem('is not valid UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** The lines of a field's value after its first, without indent; `.` alone is an empty line. */
export function continuationLines(value: string): string[] {
  return value
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .map((line) => (line === '.' ? '' : line));
}

function* linesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    yield text.charCodeAt(end - 1) === 0x0d && end > start ? text.slice(start, end - 1) : text.slice(start, end);
    start = end + 1;
  }
}

function splitField(line: string, number: number): { name: string; value: string } {
  const match = /^([!-9;-~]+):[ \t]*(.*)$/s.exec(line);
  if (!match?.[1] || match[1].startsWith('-')) {
    throw new FormatProblem(`line ${number} is no field: ${quote(line)}`);
  }
  return { name: match[1].toLowerCase(), value: (match[2] ?? '').trimEnd() };
}

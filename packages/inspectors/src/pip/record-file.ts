import { ArchiveError } from '../archive/expand.js';

/** A line of RECORD; hash and size as written, empty where none is given. */
export interface RecordEntry {
  /** `sha256=<base64url without padding>`. */
  readonly hash: string;
  readonly size: string;
}

/**
 * Reads RECORD: lines of three fields in CSV, quoted where a name has a comma or quote.
 * @throws ArchiveError
 * @see PEP 376, RFC 4180
 */
export function readRecord(bytes: Uint8Array): Map<string, RecordEntry> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ArchiveError('RECORD is not UTF-8', { cause });
  }
  const entries = new Map<string, RecordEntry>();
  for (const fields of rows(text)) {
    const [path = '', hash = '', size = ''] = fields;
    if (fields.length !== 3 || path === '') {
      throw new ArchiveError(
        `RECORD has a line of ${fields.length} fields: ${JSON.stringify(fields.join(',').slice(0, 100))}`,
      );
    }
    if (size !== '' && !/^\d{1,15}$/.test(size))
      throw new ArchiveError(`RECORD gives a size that is none: ${JSON.stringify(size.slice(0, 40))}`);
    if (entries.has(path)) throw new ArchiveError(`RECORD lists ${JSON.stringify(path.slice(0, 200))} twice`);
    entries.set(path, { hash, size });
  }
  return entries;
}

function* rows(text: string): Generator<string[]> {
  let fields: string[] = [];
  for (let at = 0; at < text.length; ) {
    const { field, end } = text[at] === '"' ? quoted(text, at) : plain(text, at);
    fields.push(field);
    const next = text[end];
    if (next !== ',') {
      if (fields.length > 1 || fields[0] !== '') yield fields;
      fields = [];
    } else if (end + 1 === text.length) fields.push('');
    at = next === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1;
  }
  if (fields.length > 0) yield fields;
}

function plain(text: string, start: number): { field: string; end: number } {
  let end = start;
  while (end < text.length && text[end] !== ',' && text[end] !== '\n' && text[end] !== '\r') end += 1;
  return { field: text.slice(start, end), end };
}

function quoted(text: string, start: number): { field: string; end: number } {
  let field = '';
  for (let at = start + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new ArchiveError('RECORD has a quote that is never closed');
    field += text.slice(at, quote);
    if (text[quote + 1] !== '"') return { field, end: quote + 1 };
    field += '"';
    at = quote + 2;
  }
}

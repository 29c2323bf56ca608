import type { HeaderView } from '@waybill/contracts';

/** Header fields as Node lists them: name, value, name, value … in the order and case received. */
export type RawHeaders = readonly string[];

/** Read access to a raw list; the map is built on the first look. */
export function headerView(raw: RawHeaders): HeaderView {
  let fields: Map<string, string> | undefined;
  return {
    raw,
    get(name) {
      fields ??= indexed(raw);
      return fields.get(name.toLowerCase());
    },
  };
}

function indexed(raw: RawHeaders): Map<string, string> {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const earlier = fields.get(name);
    fields.set(name, earlier === undefined ? (raw[i + 1] as string) : `${earlier}, ${raw[i + 1]}`);
  }
  return fields;
}

/** The list without the fields whose lower-case name `isDropped` says yes to. */
export function withoutFields(raw: RawHeaders, isDropped: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!isDropped(name.toLowerCase())) kept.push(name, raw[i + 1] as string);
  }
  return kept;
}

/** All values of a field, in order. */
export function fieldValues(raw: RawHeaders, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if ((raw[i] as string).toLowerCase() === name) values.push(raw[i + 1] as string);
  }
  return values;
}

/** Members of a comma-separated list field, lower case, empty ones left out. */
export function listMembers(value: string | undefined): string[] {
  if (!value) return [];
  return value
    .split(',')
    .map((member) => member.trim().toLowerCase())
    .filter((member) => member !== '');
}

/** Header bytes are latin-1 on the wire; undici hands them over as buffers. */
export function decodeRaw(raw: readonly (Buffer | string)[]): string[] {
  return raw.map((item) => (typeof item === 'string' ? item : item.toString('latin1')));
}

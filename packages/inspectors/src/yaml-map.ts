import { parseDocument } from 'yaml';

/** Read access to a YAML mapping that nobody trusts: no tags, few aliases, values as short text. */
export interface YamlMap {
  /** A scalar as text; empty when it is absent or none. */
  text(key: string): string;
  /** Texts of a list, or of one scalar. */
  texts(key: string): readonly string[];
  value(key: string): unknown;
  readonly keys: readonly string[];
}

const longestText = 2000;
const longestList = 1000;
/** An alias bomb expands to more. */
const maxAliasCount = 50;
/** Parsing is quick up to here and holds up nobody. */
const maxBytes = 1 << 20;

/**
 * @param what the file's name, for messages
 * @throws Error when it is no YAML mapping
 */
export function readYamlMap(text: string, what: string): YamlMap {
  const value = readYaml(text, what);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what} is no YAML mapping`);
  return toMap(value as Record<string, unknown>);
}

/**
 * Any YAML value, plain.
 * @throws Error when it is no YAML
 */
export function readYaml(text: string, what: string): unknown {
  if (text.length > maxBytes) throw new Error(`${what} is longer than ${maxBytes} bytes`);
  if (deepest(text) > 200) throw new Error(`${what} is nested too deep`);
  let value: unknown;
  try {
    const document = parseDocument(text, {
      schema: 'core',
      resolveKnownTags: false,
      logLevel: 'error',
      prettyErrors: false,
    });
    const [fault] = document.errors;
    if (fault) throw fault;
    value = document.toJS({ maxAliasCount });
  } catch (error) {
    throw new Error(`${what} is no YAML: ${(error as Error).message.slice(0, 300)}`);
  }
  return value;
}

/** A view on the own keys of an object. */
export function toMap(value: Record<string, unknown>): YamlMap {
  const at = (key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined);
  return {
    text: (key) => scalar(at(key)),
    texts(key) {
      const found = at(key);
      const list = Array.isArray(found) ? found : [found];
      return list
        .slice(0, longestList)
        .map(scalar)
        .filter((text) => text !== '');
    },
    value: at,
    keys: Object.keys(value),
  };
}

function scalar(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, longestText);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Brackets open at a time, and blanks before a line: more than the parser's recursion likes is no file of a person. */
function deepest(text: string): number {
  let depth = 0;
  let most = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) most = Math.max(most, ++depth);
    else if (code === 0x5d || code === 0x7d) depth = Math.max(0, depth - 1);
    else if (code === 0x0a) most = Math.max(most, indicators(text, at + 1));
  }
  return Math.max(most, indicators(text, 0));
}

/** Collections that one line can open: `- - - -`. */
function indicators(text: string, start: number): number {
  let count = 0;
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x2d || code === 0x3f) count += 1;
    else if (code !== 0x20) break;
  }
  return count;
}

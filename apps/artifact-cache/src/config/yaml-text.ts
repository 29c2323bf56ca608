import { isMap, isNode, isPair, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { ZodError, ZodType } from 'zod';
import { type Finding, formatPath } from './finding.js';

/** Larger configuration files are refused unread. */
const maxTextBytes = 8 << 20;

/** A text and what came out of it: a value, or why there is none. */
export type YamlResult<Value> =
  | { readonly value: Value; readonly place: (path: readonly PropertyKey[]) => Place }
  | { readonly findings: readonly Finding[] };

/** One-based line and column. */
export interface Place {
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/**
 * Reads YAML 1.2 (JSON included) against a schema. Every fault comes with its line and column; a fault in something that is
 * missing points to the map that should hold it.
 * @param change what is put in place of what the text says
 */
export function readYaml<Value>(
  text: string,
  schema: ZodType<Value>,
  change: (document: unknown) => unknown = (document) => document,
): YamlResult<Value> {
  if (Buffer.byteLength(text) > maxTextBytes) return failed('', `the text is larger than ${maxTextBytes >> 20} MiB`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true, strict: true });
  if (document.errors.length > 0) {
    const findings = document.errors.slice(0, 20).map((error): Finding => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { severity: 'error', path: '', message: error.message, line, column: col };
    });
    return { findings };
  }
  let value: unknown;
  try {
    value = change(document.toJS({ maxAliasCount: 100 }) ?? {});
  } catch (cause) {
    return failed('', cause instanceof Error ? cause.message : 'the document cannot be read');
  }
  const place = (path: readonly PropertyKey[]) => placeOf(document.contents, path, lines);
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data, place };
  return { findings: findingsOf(parsed.error, place) };
}

/** A schema's complaints as findings, places filled in where they are known. */
export function findingsOf(error: ZodError, place: (path: readonly PropertyKey[]) => Place = () => ({})): Finding[] {
  return error.issues.flatMap((issue): Finding[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => {
        const path = [...issue.path, key];
        return { severity: 'error', path: formatPath(path), message: 'unknown key', ...place(path) };
      });
    }
    const path = [...issue.path];
    return [{ severity: 'error', path: formatPath(path), message: lowerFirst(issue.message), ...place(path) }];
  });
}

function failed(path: string, message: string): { findings: Finding[] } {
  return { findings: [{ severity: 'error', path, message }] };
}

function lowerFirst(text: string): string {
  return text.replace(/^Invalid input: /, '').replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

/** Walks down as far as the document goes, so that a missing key is reported at its parent. */
function placeOf(root: Node | null, path: readonly PropertyKey[], lines: LineCounter): Place {
  let node: unknown = root;
  let offset = rangeStart(root);
  for (const part of path) {
    const child = childOf(node, part);
    if (!child) break;
    offset = child.offset ?? offset;
    node = child.node;
  }
  if (offset === undefined) return {};
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function childOf(node: unknown, part: PropertyKey): { node: unknown; offset: number | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(
      (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
    );
    if (!pair) return undefined;
    const value = pair.value;
    // The key is where a person looks for what is wrong with its value.
    return { node: value, offset: rangeStart(pair.key) ?? rangeStart(value) };
  }
  if (isNode(node) && 'items' in node && typeof part === 'number') {
    const item = (node.items as unknown[])[part];
    return item === undefined ? undefined : { node: item, offset: rangeStart(item) };
  }
  return undefined;
}

function rangeStart(node: unknown): number | undefined {
  return isNode(node) && node.range ? node.range[0] : undefined;
}

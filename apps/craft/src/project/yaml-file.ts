import { stripControl } from '@waybill/contracts';
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { CraftError, type CraftErrorCode } from '../errors.js';
import { closest } from './closest.js';

/** How one kind of YAML file is read. */
export interface YamlFileOptions<Schema extends z.ZodType> {
  readonly schema: Schema;
  /** Name shown in messages, as the user would type it. */
  readonly file: string;
  readonly code: CraftErrorCode;
  /** Whether a scalar there is text even when it looks like a number: `version: 1.10` means "1.10". */
  isText?(path: readonly PropertyKey[]): boolean;
  /** Keys that may stand at a path, for suggestions. */
  keysAt?(path: readonly PropertyKey[], document: unknown): readonly string[];
  /** Why a known key is not accepted, when it deserves more than "unknown key". */
  explainKey?(key: string): string | undefined;
}

interface Finding {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/**
 * Reads a YAML document against a schema. Every problem is told with file, line and column, all of them at once.
 * @throws CraftError with the code of the options
 */
export function parseYamlFile<Schema extends z.ZodType>(
  text: string,
  options: YamlFileOptions<Schema>,
): z.infer<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    throw invalid(
      options,
      document.errors.map((error) => ({ ...place(lines, error.pos[0]), message: error.message })),
    );
  }
  keepText(document, options.isText ?? (() => false));
  const value: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  const result = options.schema.safeParse(value);
  if (result.success) return result.data;
  const findings = result.error.issues.flatMap((issue) => describe(issue, value, document, lines, options));
  throw invalid(options, findings);
}

function invalid(options: YamlFileOptions<z.ZodType>, findings: readonly Finding[]): CraftError {
  const seen = new Set<string>();
  const text = [...findings]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .map((finding) => `${options.file}:${finding.line}:${finding.column}: ${stripControl(finding.message)}`)
    .filter((entry) => !seen.has(entry) && seen.add(entry));
  return new CraftError(options.code, text[0] ?? `${options.file} is not valid`, { details: text.slice(1) });
}

/** Replaces scalars that YAML took for numbers or truth values by their spelling, where the schema wants text. */
function keepText(document: Document, isText: (path: readonly PropertyKey[]) => boolean): void {
  visit(document, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value === 'string' || node.value === null || node.source === undefined) return;
      if (isText(pathOf(key, node, ancestors))) node.value = node.source;
    },
  });
}

function pathOf(key: unknown, node: unknown, ancestors: readonly unknown[]): PropertyKey[] {
  const path: PropertyKey[] = [];
  const chain = [...ancestors, node];
  chain.forEach((entry, index) => {
    if (isPair(entry)) path.push(isScalar(entry.key) ? String(entry.key.value) : String(entry.key));
    const parent = chain[index - 1];
    if (index > 0 && isSequence(parent)) path.push(parent.items.indexOf(entry));
  });
  void key;
  return path;
}

function isSequence(value: unknown): value is { items: unknown[] } {
  return isNode(value) && !isMap(value) && 'items' in value;
}

function place(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Place of a path, or of the nearest thing around it that the file has. `ofKey` asks for the key instead of its value. */
function locate(document: Document, lines: LineCounter, path: readonly PropertyKey[], ofKey: boolean) {
  for (let length = path.length; length >= 0; length--) {
    const parent = length === 0 ? undefined : document.getIn(path.slice(0, length - 1), true);
    if (isMap(parent)) {
      const wanted = String(path[length - 1]);
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === wanted);
      const node = ofKey || length < path.length || !isNode(pair?.value) ? pair?.key : pair.value;
      if (isNode(node) && node.range) return place(lines, node.range[0]);
      continue;
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return place(lines, node.range[0]);
  }
  return { line: 1, column: 1 };
}

type Issue = z.core.$ZodIssue;

function describe(
  issue: Issue,
  value: unknown,
  document: Document,
  lines: LineCounter,
  options: YamlFileOptions<z.ZodType>,
): Finding[] {
  const at = (path: readonly PropertyKey[], message: string, ofKey = false): Finding => ({
    ...locate(document, lines, path, ofKey),
    message,
  });
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const reason = options.explainKey?.(key);
      if (reason) return at([...issue.path, key], `\`${key}\` cannot be used here: ${reason}`, true);
      const near = closest(key, options.keysAt?.(issue.path, value) ?? []);
      return at([...issue.path, key], `unknown key \`${key}\`${near ? `; did you mean \`${near}\`?` : ''}`, true);
    });
  }
  if (issue.code === 'invalid_key') {
    return [at(issue.path, `\`${String(issue.path.at(-1))}\`: ${issue.issues[0]?.message ?? issue.message}`, true)];
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const deepest = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    return deepest.flatMap((inner) =>
      describe({ ...inner, path: [...issue.path, ...inner.path] } as Issue, value, document, lines, options),
    );
  }
  const found = valueAt(value, issue.path);
  const misspelt = issue.code === 'invalid_union' && found === undefined && misspeltDiscriminator(issue, value);
  if (misspelt) {
    const [map, wanted] = [issue.path.slice(0, -1), String(issue.path.at(-1))];
    return [at([...map, misspelt], `unknown key \`${misspelt}\`; did you mean \`${wanted}\`?`, true)];
  }
  if (issue.code === 'custom' && issue.params?.whole === true) {
    return [at(issue.path, issue.message, typeof found === 'object')];
  }
  const name = issue.path.at(-1);
  if (found === undefined && issue.code === 'custom') return [at(issue.path, issue.message)];
  if (found === undefined && issue.code !== 'invalid_union') {
    return [at(issue.path, typeof name === 'number' ? 'missing entry' : `missing \`${String(name ?? '')}\``)];
  }
  const label = typeof name === 'string' && issue.code !== 'invalid_union' ? `\`${name}\`: ` : '';
  const shown = issue.code === 'invalid_type' ? `expected ${kindName(issue.expected)}` : issue.message;
  return [at(issue.path, `${label}${shown}${found === undefined ? '' : foundText(found)}`)];
}

/** A key that looks like the one which decides what else a map may hold, where that one is missing. */
function misspeltDiscriminator(issue: Issue, value: unknown): string | undefined {
  const map = valueAt(value, issue.path.slice(0, -1));
  const wanted = String(issue.path.at(-1));
  if (typeof map !== 'object' || map === null) return undefined;
  return Object.keys(map).find((name) => closest(name, [wanted]) === wanted);
}

function depth(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((current, key) => {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    return (current as Record<PropertyKey, unknown>)[key];
  }, value);
}

function kindName(kind: string): string {
  const names: Record<string, string> = {
    string: 'text',
    record: 'a map',
    object: 'a map',
    array: 'a list',
    boolean: 'true or false',
    int: 'a whole number',
    number: 'a number',
  };
  return names[kind] ?? kind;
}

function foundText(value: unknown): string {
  if (value === null) return ', found nothing';
  if (Array.isArray(value)) return ', found a list';
  if (typeof value === 'object') return ', found a map';
  const text = JSON.stringify(value) ?? '';
  return `, found ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`;
}

import { PolicyError } from './policy-error.js';

/**
 * A glob compiled to a non-deterministic automaton. Instruction `i` goes on to `i + 1` unless it says otherwise, so a
 * pattern of n characters has at most 3n instructions and braces are never expanded: that is what keeps hostile patterns
 * harmless.
 */
export type Instruction =
  | { readonly op: 'char'; readonly code: number }
  | { readonly op: 'any'; readonly crossesSlash: boolean }
  | { readonly op: 'class'; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] }
  /** Both `next` and `i + 1` follow, nothing is consumed. */
  | { readonly op: 'fork'; next: number }
  | { readonly op: 'jump'; next: number }
  | { readonly op: 'match' };

/** Longest pattern and deepest nesting of braces that are taken. */
const maximumLength = 4096;
const maximumDepth = 16;
/**
 * Every star is a place where a match may stand at each character: time grows with their number times the length of the URL.
 */
const maximumStars = 32;

/**
 * Compiles a URL glob.
 * @throws PolicyError POLICY_GLOB_INVALID
 */
export function compileProgram(source: string): Instruction[] {
  if (source === '') throw invalid(source, 0, 'is empty');
  if (source.length > maximumLength) throw invalid(source, maximumLength, `is longer than ${maximumLength} characters`);
  if ((source.match(/(?<!\\)\*+/g)?.length ?? 0) > maximumStars) {
    throw invalid(source, 0, `has more than ${maximumStars} stars`);
  }
  const pattern = lowerAuthority(source);
  const program: Instruction[] = [];
  const end = alternatives(pattern, 0, program, 0);
  if (end < pattern.length) throw invalid(source, end, 'has a `}` that closes nothing (write `\\}` for the character)');
  program.push({ op: 'match' });
  return program;
}

/** Parses one sequence up to the end, or at depth > 0 up to `,` or `}`; returns where it stopped. */
function alternatives(pattern: string, start: number, program: Instruction[], depth: number): number {
  let i = start;
  while (i < pattern.length) {
    const character = pattern[i] as string;
    if (character === '}' || (character === ',' && depth > 0)) return i;
    if (character === '*') i = star(pattern, i, program);
    else if (character === '?') i = push(program, { op: 'any', crossesSlash: false }, i + 1);
    else if (character === '{') i = braces(pattern, i, program, depth + 1);
    else if (character === '[') i = ipv6Literal(pattern, i, program) ?? characterClass(pattern, i, program);
    else if (character === '\\') i = escaped(pattern, i, program);
    else i = push(program, { op: 'char', code: pattern.charCodeAt(i) }, i + 1);
  }
  return i;
}

function push(program: Instruction[], instruction: Instruction, next: number): number {
  program.push(instruction);
  return next;
}

/** `*` and `**` (three or more mean the same as two): fork past the loop, consume, jump back to the fork. */
function star(pattern: string, start: number, program: Instruction[]): number {
  let end = start;
  while (pattern[end] === '*') end++;
  const fork = program.length;
  program.push(
    { op: 'fork', next: fork + 3 },
    { op: 'any', crossesSlash: end - start > 1 },
    { op: 'jump', next: fork },
  );
  return end;
}

function escaped(pattern: string, start: number, program: Instruction[]): number {
  if (start + 1 >= pattern.length) throw invalid(pattern, start, 'ends in a lone backslash');
  return push(program, { op: 'char', code: pattern.charCodeAt(start + 1) }, start + 2);
}

function braces(pattern: string, start: number, program: Instruction[], depth: number): number {
  if (depth > maximumDepth) throw invalid(pattern, start, `nests braces deeper than ${maximumDepth}`);
  if (pattern[start + 1] === '}') throw invalid(pattern, start, 'has empty braces');
  const jumps: { op: 'jump'; next: number }[] = [];
  let i = start;
  do {
    const fork = { op: 'fork' as const, next: 0 };
    const first = program.push(fork);
    i = alternatives(pattern, i + 1, program, depth);
    if (i >= pattern.length) throw invalid(pattern, start, 'has a `{` that is never closed');
    if (pattern[i] === '}') {
      // The last alternative has nothing beside it: both ways of its fork lead into it.
      fork.next = first;
    } else {
      const jump = { op: 'jump' as const, next: 0 };
      program.push(jump);
      jumps.push(jump);
      fork.next = program.length;
    }
  } while (pattern[i] === ',');
  for (const jump of jumps) jump.next = program.length;
  return i + 1;
}

/** A class never matches `/`, negated or not: only `**` crosses it. */
function characterClass(pattern: string, start: number, program: Instruction[]): number {
  let i = start + 1;
  const negated = pattern[i] === '!' || pattern[i] === '^';
  if (negated) i++;
  const ranges: [number, number][] = [];
  const first = i;
  while (pattern[i] !== ']' || i === first) {
    const [from, afterFrom] = classCharacter(pattern, i, start);
    i = afterFrom;
    let to = from;
    if (pattern[i] === '-' && i + 1 < pattern.length && pattern[i + 1] !== ']') {
      [to, i] = classCharacter(pattern, i + 1, start);
      if (to < from) throw invalid(pattern, start, 'has a range whose end is before its start');
    }
    ranges.push([from, to]);
  }
  return push(program, { op: 'class', negated, ranges }, i + 1);
}

function classCharacter(pattern: string, at: number, start: number): [code: number, next: number] {
  const i = pattern[at] === '\\' ? at + 1 : at;
  if (i >= pattern.length)
    throw invalid(pattern, start, 'has a `[` that is never closed (write `\\[` for the character)');
  if (pattern[i] === '/') throw invalid(pattern, i, 'has a `/` in a character class: only `**` crosses it');
  return [pattern.charCodeAt(i), i + 1];
}

/** `https://[::1]:443/…`: brackets of an address, not a class. */
function ipv6Literal(pattern: string, start: number, program: Instruction[]): number | undefined {
  if (!pattern.slice(0, start).endsWith('://')) return undefined;
  const literal = /^\[[0-9a-f.]*:[0-9a-f:.]*:[0-9a-f:.]*\]/.exec(pattern.slice(start, start + 64))?.[0];
  if (literal === undefined) return undefined;
  for (let i = 0; i < literal.length; i++) program.push({ op: 'char', code: literal.charCodeAt(i) });
  return start + literal.length;
}

/** Whether a valid pattern says nothing but its own characters. */
export function isPlain(source: string): boolean {
  return source !== '' && source.length <= maximumLength && !/[*?[\]{}\\]/.test(source);
}

/** Hosts are case-insensitive and arrive in lower case: so do scheme and authority of a pattern. */
export function lowerAuthority(source: string): string {
  const scheme = source.indexOf('://');
  if (scheme < 0) return source;
  const path = source.indexOf('/', scheme + 3);
  const end = path < 0 ? source.length : path;
  const authority = source.slice(0, end);
  const lower = authority.toLowerCase();
  return lower === authority ? source : lower + source.slice(end);
}

function invalid(pattern: string, at: number, what: string): PolicyError {
  return new PolicyError(
    'POLICY_GLOB_INVALID',
    `URL glob ${JSON.stringify(pattern.slice(0, 200))} ${what} (at character ${at + 1})`,
    { hint: 'globs know *, **, ?, [a-z], [!a-z], {a,b} and \\ before a character that shall stand for itself' },
  );
}

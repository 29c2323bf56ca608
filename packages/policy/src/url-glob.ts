import { compileProgram, type Instruction, isPlain, lowerAuthority } from './url-glob-program.js';

/** A compiled URL pattern. */
export interface UrlGlob {
  /** The pattern as written. */
  readonly source: string;
  /** The one URL that matches, when the pattern has no wildcard: thousands of such patterns fit into a map. */
  readonly literal?: string;
  /** Whether the whole URL, in the form of `normalizeUrl`, matches. Linear in its length. */
  matches(normalizedUrl: string): boolean;
}

const slash = 0x2f;

/**
 * Compiles a URL pattern. `*` and `?` do not cross `/`, `**` does; `[a-z]`, `[!a-z]` (neither matches `/`), `{a,b}` with
 * nesting and empty alternatives, backslash escapes. Scheme and host match in any case, the rest exactly. Patterns of https
 * URLs carry the port (`https://host:443/**`), see {@link urlGlobWarning}.
 *
 * @throws PolicyError POLICY_GLOB_INVALID
 * @see specs/fetch-service.md §6.1
 */
export function compileUrlGlob(pattern: string): UrlGlob {
  if (isPlain(pattern)) return new LiteralGlob(pattern);
  const program = compileProgram(pattern);
  const prefix = literalPrefix(program);
  if (program[prefix.length]?.op === 'match') return new LiteralGlob(pattern, prefix);
  return {
    source: pattern,
    matches: (url) => url.startsWith(prefix) && run(program, url, prefix.length),
  };
}

/** A pattern without wildcards. There may be a hundred thousand in a session: it holds its text and nothing else. */
class LiteralGlob implements UrlGlob {
  readonly source: string;
  readonly literal: string;

  constructor(source: string, literal = lowerAuthority(source)) {
    this.source = source;
    this.literal = literal;
  }

  matches(normalizedUrl: string): boolean {
    return normalizedUrl === this.literal;
  }
}

/**
 * Why a pattern that compiles will surely never match a normalised URL, or undefined: for `config check`, so that a missing
 * `:443` is found before a build is refused.
 */
export function urlGlobWarning(pattern: string): string | undefined {
  const parts = /^(https?):\/\/([^/]*)(\/?)/i.exec(pattern);
  if (!parts) return undefined;
  const [, scheme = '', authority = '', path = ''] = parts;
  if (authority.includes('@')) return `${pattern} has user info, which URLs are matched without`;
  if (path === '' && !/[*{]/.test(authority)) return `${pattern} has no path: write ${pattern}/**`;
  if (/[*?{}[\]\\]/.test(authority.replace(/^\[[0-9a-f:.]+\]/i, ''))) return undefined;
  const port = /:(\d+)$/.exec(authority.replace(/^\[[^\]]*\]/, ''))?.[1];
  const rest = pattern.slice(scheme.length + 3 + authority.length);
  if (scheme.toLowerCase() === 'https' && port === undefined) {
    return `${pattern} has no port, and https URLs are matched with theirs: write ${scheme}://${authority}:443${rest}`;
  }
  if (scheme.toLowerCase() === 'http' && port === '80') {
    return `${pattern} names port 80, and http URLs are matched without it: write ${scheme}://${authority.slice(0, -3)}${rest}`;
  }
  return undefined;
}

/** The characters every match begins with: most URLs are told apart by them alone. */
function literalPrefix(program: readonly Instruction[]): string {
  let prefix = '';
  for (const instruction of program) {
    if (instruction.op !== 'char') break;
    prefix += String.fromCharCode(instruction.code);
  }
  return prefix;
}

/** Simulates all ways through the program at once: every character is looked at once per reachable instruction. */
function run(program: readonly Instruction[], text: string, start: number): boolean {
  const seen = new Int32Array(program.length).fill(-1);
  let current: number[] = [];
  // The literal prefix is one instruction per character, so it ends at the instruction of the same number.
  reach(program, start, start, current, seen);
  for (let i = start; i < text.length; i++) {
    if (current.length === 0) return false;
    const code = text.charCodeAt(i);
    const next: number[] = [];
    for (const at of current) {
      if (consumes(program[at] as Instruction, code)) reach(program, at + 1, i + 1, next, seen);
    }
    current = next;
  }
  return current.some((at) => program[at]?.op === 'match');
}

/** Adds the consuming instructions that can be reached from `first` without reading; `seen` holds the position of the last visit. */
function reach(
  program: readonly Instruction[],
  first: number,
  position: number,
  into: number[],
  seen: Int32Array,
): void {
  const open = [first];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen[at] === position) continue;
    seen[at] = position;
    const instruction = program[at] as Instruction;
    if (instruction.op === 'jump') open.push(instruction.next);
    else if (instruction.op === 'fork') open.push(instruction.next, at + 1);
    else into.push(at);
  }
}

function consumes(instruction: Instruction, code: number): boolean {
  if (instruction.op === 'char') return instruction.code === code;
  if (instruction.op === 'any') return instruction.crossesSlash || code !== slash;
  if (instruction.op !== 'class' || code === slash) return false;
  return instruction.ranges.some(([from, to]) => code >= from && code <= to) !== instruction.negated;
}

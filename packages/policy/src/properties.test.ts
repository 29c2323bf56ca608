import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEgressGuard } from './egress-guard.js';
import { normalizeUrl } from './normalize-url.js';
import { PolicyError } from './policy-error.js';
import { compileUrlGlob } from './url-glob.js';

/** Pieces that URLs are attacked with; whole random text seldom is a URL. */
const piece = fc.constantFrom(
  ...[
    'a',
    'B',
    '/',
    '//',
    '\\',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '%252f',
    '%00',
    '%0a',
    '%',
    '@',
    ':',
    ';p=1',
    '?',
    '#',
    '&',
  ],
  ...[
    '=',
    '*',
    '**',
    '[',
    ']',
    '{',
    '}',
    ',',
    '!',
    '~',
    'é',
    'é',
    '℀',
    '。',
    '\u202e',
    '\ufeff',
    '👩‍👩‍👧',
    '\t',
    '\n',
    ' ',
  ],
);
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
const host = fc.constantFrom(
  'registry.example',
  'REGISTRY.Example',
  'xn--bcher-kva.example',
  'bücher.example',
  '[::1]',
  '192.0.2.1',
  '0x7f.1',
);
const port = fc.constantFrom('', ':443', ':80', ':8443', ':0443');
const user = fc.constantFrom('', 'user@', 'user:pass@', 'a%40b:c%3Ad@');
const url = fc
  .tuple(fc.constantFrom('https', 'http', 'HTTPS'), user, host, port, text)
  .map(([scheme, who, name, at, rest]) => `${scheme}://${who}${name}${at}/${rest}`)
  .filter((candidate) => URL.canParse(candidate));

describe('normalizeUrl, whatever URL comes', () => {
  it('gives one spelling: the spelling of that is itself', () => {
    fc.assert(
      fc.property(url, (candidate) => {
        const normalized = normalizeUrl(new URL(candidate));
        expect(normalizeUrl(new URL(normalized))).toBe(normalized);
      }),
    );
  });

  it('names one destination and nothing of a person', () => {
    fc.assert(
      fc.property(url, (candidate) => {
        const parsed = new URL(candidate);
        const normalized = normalizeUrl(parsed);
        const parts = /^(https?):\/\/(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d+)?(\/[^#]*)$/.exec(normalized);
        expect(parts, normalized).not.toBeNull();
        expect(parts?.[2]).toBe(parsed.hostname);
        expect(parts?.[1] === 'https' ? parts[3] !== undefined : parts?.[3] !== ':80').toBe(true);
        // Neither dot segments nor backslashes are left for a server to read otherwise than we did.
        expect(parts?.[4]?.replace(/\?.*/, '')).not.toMatch(/\/(\.|%2e){1,2}(\/|$)|\\/i);
      }),
    );
  });

  it('what is matched is what is asked for upstream', () => {
    fc.assert(
      fc.property(url, (candidate) => {
        const parsed = new URL(candidate);
        const path = parsed.pathname + parsed.search;
        expect(normalizeUrl(parsed).endsWith(path)).toBe(true);
        expect(path).toMatch(/^\/[\x21-\x7e]*$/);
      }),
    );
  });
});

/** Globs as they are written, without classes. */
const globPart = fc.constantFrom('a', 'b', '/', '*', '**', '?', '.', '\\*', '\\?', '{a,b}', '{a/,}', '{*,b}');
const glob = fc.array(globPart, { minLength: 1, maxLength: 8 });
const subject = fc
  .array(fc.constantFrom('a', 'b', '/', '.', '*', '?'), { maxLength: 10 })
  .map((parts) => parts.join(''));

/** The same rules by way of the engine's own backtracking: slow, and obviously right. */
function reference(parts: readonly string[]): RegExp {
  const pattern = parts.join('').replace(/\\[*?]|\*{2,}|[*?.{},]/g, (found) => {
    if (found.startsWith('\\')) return found;
    if (found.startsWith('**')) return '[^]*';
    return { '*': '[^/]*', '?': '[^/]', '.': '\\.', '{': '(?:', '}': ')', ',': '|' }[found] ?? found;
  });
  return new RegExp(`^${pattern}$`);
}

describe('globs, whatever is written', () => {
  it('match as their rules say', () => {
    fc.assert(
      fc.property(glob, subject, (parts, candidate) => {
        expect(compileUrlGlob(parts.join('')).matches(candidate)).toBe(reference(parts).test(candidate));
      }),
      { numRuns: 2000 },
    );
  });

  it('compile, or are refused with a reason', () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ maxLength: 60 })), (pattern) => {
        try {
          compileUrlGlob(pattern).matches('https://registry.example:443/a');
        } catch (error) {
          expect(error).toBeInstanceOf(PolicyError);
        }
      }),
    );
  });

  it.each([
    ['stars', '*a'.repeat(31), 'a'.repeat(16_384)],
    ['double stars', '**a'.repeat(31), 'a'.repeat(16_384)],
    ['alternatives', '{a,aa,aaa}'.repeat(400), 'a'.repeat(16_384)],
    ['nested alternatives', `${'{a,'.repeat(16)}b${'}'.repeat(16)}`.repeat(40), 'a'.repeat(16_384)],
  ])('take no exponential time: %s', (_name, pattern, candidate) => {
    // The first pattern alone would take longer than the universe by backtracking.
    expect(compileUrlGlob(`${pattern}/end`).matches(candidate)).toBe(false);
  });
});

it.each(['*a', '**a', '{*,b}', '?*'])('%s again and again is refused: even linear time has an end', (part) => {
  expect(() => compileUrlGlob(part.repeat(33))).toThrow(/more than 32 stars/);
  expect(compileUrlGlob('\\*a'.repeat(100)).matches('*a'.repeat(100))).toBe(true);
});

describe('the egress guard, whatever address', () => {
  const guard = createEgressGuard({
    acl: { 'http-proxy': { policy: 'allow', rules: [{ dst: ['10.0.0.0/8'], access: 'deny' }] } },
  });
  const octet = fc.integer({ min: 0, max: 255 });
  const hex = (value: number) => value.toString(16).padStart(2, '0');

  it('refuses every way in which IPv6 can carry a forbidden IPv4 address', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(10, 127, 0),
        octet,
        octet,
        octet,
        fc.integer({ min: 0, max: 0xffff }),
        (a, b, c, d, other) => {
          const [high, low] = [`${hex(a)}${hex(b)}`, `${hex(c)}${hex(d)}`];
          const rest = other.toString(16);
          const flipped = (value: string) => (Number.parseInt(value, 16) ^ 0xffff).toString(16);
          const spellings = [
            `${a}.${b}.${c}.${d}`,
            `::ffff:${a}.${b}.${c}.${d}`,
            `0:0:0:0:0:ffff:${high}:${low}`,
            `::FFFF:${high.toUpperCase()}:${low}`,
            `::ffff:0:${a}.${b}.${c}.${d}`,
            `64:ff9b::${high}:${low}`,
            `64:ff9b:1:${rest}::${high}:${low}`,
            `2002:${high}:${low}:${rest}::1`,
            `2001:0:${high}:${low}:${rest}::1`,
            `2001:0:c000:201:${rest}:1:${flipped(high)}:${flipped(low)}`,
            `2001:db8:${rest}:1:0:5efe:${high}:${low}`,
          ];
          // 64:ff9b:1::/48 may be cut anywhere: an address whose first octet is zero cannot be told from padding.
          const judged = a === 0 ? spellings.filter((spelling) => !spelling.startsWith('64:ff9b:1:')) : spellings;
          for (const spelling of judged) expect(guard.refusalFor(spelling, 443), spelling).toBeDefined();
        },
      ),
    );
  });

  it('answers something for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.ipV4Extended()), (address) => {
        expect(['string', 'undefined']).toContain(typeof guard.refusalFor(address, 443));
      }),
    );
  });
});

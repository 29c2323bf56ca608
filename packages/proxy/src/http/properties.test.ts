import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProxyError } from '../errors.js';
import { formatAuthority, isSameAuthority, parseAuthority, parseHostHeader } from './authority.js';
import { parseRange } from './byte-range.js';
import { isSelective, select } from './conditional.js';
import { contentCodingOf } from './content-coding.js';
import { headerView, listMembers } from './headers.js';
import { withoutHopByHop } from './hop-by-hop.js';
import { prefersJson } from './media-type.js';
import { framingFault } from './request-framing.js';
import { responseFault } from './response-framing.js';
import { passableTrailers } from './trailers.js';

/** Text of a header field as the parser lets it through: latin-1 without control characters. */
const value = fc.string({
  unit: fc.constantFrom(...'abcXYZ019 \t,;=:"\'*/\\-_.+()[]{}<>@?%&#~|^`!$', 'é', 'ÿ'),
  maxLength: 40,
});

describe('an authority, whatever text comes', () => {
  const label = fc.string({ unit: fc.constantFrom(...'abzA09-_.:[]@%/\\é'), maxLength: 20 });
  const candidate = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.tuple(label, fc.constantFrom('', ':', ':443', ':0', ':65536', ':0443', ':4a')).map((parts) => parts.join('')),
    fc.ipV6().map((address) => `[${address}]:443`),
    fc.ipV4Extended().map((address) => `${address}:443`),
    fc.domain().map((name) => `${name}:443`),
  );

  it('is refused, or one canonical host that a URL reads the same', () => {
    fc.assert(
      fc.property(candidate, (text) => {
        let parsed: ReturnType<typeof parseAuthority>;
        try {
          parsed = parseAuthority(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyError);
          return;
        }
        const { host, port } = parsed;
        expect(port).toBeGreaterThanOrEqual(1);
        expect(port).toBeLessThanOrEqual(65_535);
        const again = formatAuthority(parsed);
        expect(isSameAuthority(parseAuthority(again), parsed)).toBe(true);
        expect(isSameAuthority(parseHostHeader(again, 1), parsed)).toBe(true);
        const { hostname } = new URL(`https://${again}/`);
        expect(hostname.replace(/^\[|\]$/g, '')).toBe(host);
        expect(host).toMatch(/^[a-z0-9_:.-]+$/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a range, whatever is asked for', () => {
  const digits = fc.oneof(fc.nat().map(String), fc.constantFrom('', '0', '00', '9'.repeat(15), '9'.repeat(400)));
  const range = fc.oneof(
    value,
    fc.tuple(digits, digits).map(([a, b]) => `bytes=${a}-${b}`),
  );

  it('lies within the body, is the whole, or is not there', () => {
    fc.assert(
      fc.property(range, fc.nat({ max: 2 ** 31 }), (header, size) => {
        const found = parseRange(header, size);
        if (typeof found === 'string') {
          expect(['whole', 'unsatisfiable']).toContain(found);
          return;
        }
        expect(Number.isSafeInteger(found.start) && Number.isSafeInteger(found.end)).toBe(true);
        expect(0 <= found.start && found.start <= found.end && found.end < size).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('and conditions: an answer, never an error', () => {
    const name = fc.constantFrom('Range', 'If-Range', 'If-None-Match', 'If-Modified-Since', 'ETag', 'Last-Modified');
    const date = fc.date({ noInvalidDate: true }).map((when) => when.toUTCString());
    const quoted = fc.oneof(value, date, range, fc.constantFrom('"x"', 'W/"x"', '*', '"x", "y"'));
    const list = fc.array(fc.tuple(name, quoted), { maxLength: 6 }).map((pairs) => headerView(pairs.flat()));
    fc.assert(
      fc.property(list, list, fc.constantFrom('GET', 'HEAD', 'POST'), fc.nat(), (request, response, method, size) => {
        const found = select({ method, request, response, size });
        expect(['whole', 'part', 'unsatisfiable', 'not-modified']).toContain(found.kind);
        if (!isSelective(method, request)) expect(found.kind).toBe('whole');
      }),
    );
  });
});

describe('header fields, whatever they say', () => {
  const names = [
    'Connection',
    'X-A',
    'x-a',
    'TE',
    'Keep-Alive',
    'Proxy-Authorization',
    'Transfer-Encoding',
    'Content-Length',
    'Host',
    '__proto__',
    'constructor',
  ];
  const name = fc.constantFrom(...names);
  const named = fc.oneof(
    value,
    fc.array(name, { maxLength: 4 }).map((list) => list.join(' , ')),
  );
  const raw = fc.array(fc.tuple(name, named), { maxLength: 10 }).map((pairs) => pairs.flat());

  it('keep nothing of one connection, and what frames the message', () => {
    fc.assert(
      fc.property(raw, (fields) => {
        const kept = withoutHopByHop(fields);
        const left = kept.filter((_, i) => i % 2 === 0).map((field) => field.toLowerCase());
        expect(
          left.filter((field) => /^(connection|te|keep-alive|proxy-.*|transfer-encoding|upgrade)$/.test(field)),
        ).toEqual([]);
        const count = (list: readonly string[], what: string) =>
          list.filter((field, i) => i % 2 === 0 && field.toLowerCase() === what).length;
        for (const field of ['content-length', 'host']) expect(count(kept, field)).toBe(count(fields, field));
        expect(passableTrailers(fields).length).toBeLessThanOrEqual(kept.length);
      }),
    );
  });

  it('are looked up by name only', () => {
    fc.assert(
      fc.property(raw, (fields) => {
        const view = headerView(fields);
        for (const field of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
          const wanted = fields.some((given, i) => i % 2 === 0 && given.toLowerCase() === field.toLowerCase());
          expect(view.get(field) !== undefined).toBe(wanted);
        }
      }),
    );
  });

  it('are read as lists, codings and wishes without an error', () => {
    fc.assert(
      fc.property(value, (text) => {
        for (const member of listMembers(text)) expect(member).toBe(member.trim().toLowerCase());
        expect(contentCodingOf(text)).not.toBe('');
        expect(typeof prefersJson(text)).toBe('boolean');
      }),
    );
  });

  it('give a transfer coding that is exactly chunked, or a fault', () => {
    fc.assert(
      fc.property(value, fc.constantFrom('1.0', '1.1'), (coding, httpVersion) => {
        const isPlain = coding.trim().toLowerCase() === 'chunked';
        const fault = framingFault({ headers: { 'transfer-encoding': coding }, httpVersion });
        expect(fault === undefined).toBe(isPlain && httpVersion === '1.1');
        const answer = responseFault(headerView(['Transfer-Encoding', coding]), 100);
        expect(answer === undefined).toBe(isPlain);
      }),
    );
  });
});

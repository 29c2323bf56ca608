import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { CatalogParser, CatalogRef, InspectionServices, SessionPolicy } from '@waybill/contracts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chunked, digestsOf, fakeArtifact, fakeRequest } from '../test/fakes.js';
import { createCatalogCache } from './catalog-cache.js';
import { defaultInspector } from './default.js';
import type { Inspector } from './inspector.js';
import { offerWithValue } from './offer.js';
import { approved, pending, rejected, rejectedRequest, unknown } from './opinions.js';
import { createInspectorRuntime, type InspectorRuntimeOptions } from './run.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-run-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const blobs = { open: () => chunked(Buffer.from('unused')) };

function bind(inspectors: readonly Inspector[], options: Partial<InspectorRuntimeOptions> = {}) {
  const runtime = createInspectorRuntime({
    blobs,
    scratchDir: join(directory, 'scratch'),
    registry: () => [...inspectors, defaultInspector()],
    ...options,
  });
  return { runtime, session: runtime.bind({}) };
}

function services(policy: SessionPolicy = 'strict', extra: Partial<InspectionServices> = {}): InspectionServices {
  return {
    signal: new AbortController().signal,
    sessionId: '0'.repeat(32),
    policy,
    companion: async () => undefined,
    trustedCatalogs: async () => [],
    openArtifact: () => chunked(Buffer.alloc(0)),
    ...extra,
  };
}

/** An inspector that claims everything and says what the test wants. */
function saying(id: string, inspectArtifact: Inspector['inspectArtifact'], more: Partial<Inspector> = {}): Inspector {
  return { id, inspectRequest: () => pending('mine', id), inspectArtifact, ...more };
}

const request = fakeRequest('https://registry.example/x');
const artifact = fakeArtifact('https://registry.example/x', { body: '{"a":1}' });

describe('request phase', () => {
  const claimsOf = (...inspectors: Inspector[]) =>
    bind(inspectors)
      .session.inspectRequest(request)
      .map(({ inspector, inspection }) => `${inspector} ${inspection.opinion}`);
  const silent: Inspector = { id: 'a.none', inspectRequest: () => undefined, inspectArtifact: async () => undefined };

  it.each([
    ['nobody: default says Unknown', [silent], ['default Unknown']],
    ['somebody: default is silent', [saying('a.x', async () => undefined)], ['a.x Pending']],
    [
      'a rejection: default is silent',
      [{ ...silent, inspectRequest: () => rejectedRequest('no') }],
      ['a.none Rejected'],
    ],
    [
      'only Unknown: default says Unknown too',
      [{ ...silent, inspectRequest: () => ({ opinion: 'Unknown' as const, reason: 'known' }) }],
      ['a.none Unknown', 'default Unknown'],
    ],
  ])('%s', (_name, inspectors, claims) => expect(claimsOf(...inspectors)).toEqual(claims));

  it('turns a throw into Rejected and hides credentials in its text', () => {
    const { session } = bind([
      {
        ...silent,
        inspectRequest() {
          throw new Error('cannot read https://user:hunter2@registry.example/');
        },
      },
      saying('b.x', async () => undefined),
    ]);
    const claims = session.inspectRequest(request);
    expect(claims.map((claim) => claim.inspection.opinion)).toEqual(['Rejected', 'Pending']);
    expect(JSON.stringify(claims)).toContain('error-message');
    expect(JSON.stringify(claims)).not.toContain('hunter2');
  });
});

describe('artifact phase', () => {
  async function inspect(inspectors: readonly Inspector[], policy: SessionPolicy = 'strict', given = artifact) {
    const { session, runtime } = bind(inspectors);
    const found = await session.inspectArtifact(given, session.inspectRequest(given.request), services(policy));
    await runtime.close();
    return found;
  }
  const notMine = (id: string, opinion = approved('looks fine')): Inspector => ({
    id,
    inspectRequest: () => undefined,
    inspectArtifact: async () => ({
      ...opinion,
      metadata: { name: `from ${id}` },
      vouchedBy: [{ kind: 'origin', id, name: id }],
      provides: [{ scope: 's', kind: id }],
    }),
  });

  it('asks claimants only in a strict session', async () => {
    const { inspections } = await inspect([notMine('a.x'), saying('b.x', async () => approved('yes'))]);
    expect([...inspections.keys()]).toEqual(['b.x']);
  });

  it('asks everybody in a permissive session but trusts only claimants', async () => {
    const mine = saying('b.x', async () =>
      approved('yes', { metadata: { name: 'mine' }, provides: [{ scope: 's', kind: 'b' }] }),
    );
    const found = await inspect([notMine('a.x'), mine, notMine('c.x')], 'permissive');
    expect([...found.inspections.keys()]).toEqual(['a.x', 'b.x', 'c.x']);
    expect(found.metadata.name).toBe('mine');
    expect(found.vouchedBy).toEqual([]);
    expect(found.provides.map(({ inspector }) => inspector)).toEqual(['b.x']);
  });

  it('gives an inspector what it learned from the request', async () => {
    const seen: unknown[] = [];
    await inspect([
      saying('a.x', async (_artifact, expected) => {
        seen.push(expected);
        return approved('yes');
      }),
    ]);
    expect(seen).toEqual(['a.x']);
  });

  it.each([
    ['Unknown when nobody has an opinion', async () => undefined, ['default']],
    ['Unknown beside another Unknown', async () => unknown('so what'), ['a.x', 'default']],
    ['nothing beside an approval', async () => approved('yes'), ['a.x']],
    ['nothing beside a rejection', async () => rejected('no'), ['a.x']],
  ])('default says %s', async (_name, inspectArtifact, ids) => {
    expect([...(await inspect([saying('a.x', inspectArtifact)])).inspections.keys()]).toEqual(ids);
  });

  it('lets later inspectors override metadata, never digests and size', async () => {
    const { metadata } = await inspect([
      saying('a.x', async () => approved('', { metadata: { name: 'a', vendor: 'v', sha256: '00', size: 5 } })),
      saying('b.x', async () => approved('', { metadata: { name: 'b', vendor: '', type: 'application/x.b' } })),
    ]);
    expect(metadata).toMatchObject({ name: 'b', vendor: 'v', type: 'application/x.b', size: 7, ...artifact.digests });
  });

  it('sniffs the type, inside a Content-Encoding too', async () => {
    expect((await inspect([])).metadata.type).toBe('application/json');
    const gzipped = fakeArtifact('https://registry.example/x', { body: gzipSync('<html>'), contentEncoding: 'gzip' });
    expect((await inspect([], 'strict', gzipped)).metadata.type).toBe('text/html');
    const broken = fakeArtifact('https://registry.example/x', { body: 'text', contentEncoding: 'gzip' });
    expect((await inspect([], 'strict', broken)).metadata.type).toBe('text/plain');
  });

  it('drops what a rejecting inspector vouches for and offers', async () => {
    const found = await inspect([
      saying('a.x', async () =>
        rejected('no', { vouchedBy: [{ kind: 'key', id: 'F', name: 'k' }], provides: [{ scope: 's', kind: 'k' }] }),
      ),
    ]);
    expect(found).toMatchObject({ vouchedBy: [], provides: [] });
  });

  it('names equal vouchers once', async () => {
    const link = { kind: 'origin', id: 'npm.registries.default', name: 'registry.example' } as const;
    const yes = async () => approved('', { vouchedBy: [link] });
    expect((await inspect([saying('a.x', yes), saying('b.x', yes)])).vouchedBy).toEqual([link]);
  });
});

describe('faults (promise 5)', () => {
  it('a throw becomes Rejected; the others are still asked', async () => {
    const { session } = bind([
      saying('a.x', async () => {
        throw new TypeError('broken');
      }),
      saying('b.x', async () => approved('yes')),
    ]);
    const { inspections } = await session.inspectArtifact(artifact, session.inspectRequest(request), services());
    expect(inspections.get('a.x')).toMatchObject({ opinion: 'Rejected', annotations: { 'error-message': 'broken' } });
    expect(inspections.get('b.x')?.opinion).toBe('Approved');
  });

  it('a time-out becomes Rejected for all that have not answered, and their signal fires', async () => {
    let fired = false;
    const never = saying('a.x', (_artifact, _expected, { signal }) => {
      signal.addEventListener('abort', () => (fired = true));
      return new Promise(() => {});
    });
    const { session } = bind(
      [saying('0.x', async () => approved('')), never, saying('b.x', async () => approved(''))],
      {
        timeoutMs: 20,
      },
    );
    const { inspections } = await session.inspectArtifact(artifact, session.inspectRequest(request), services());
    expect([...inspections].map(([id, { opinion }]) => `${id} ${opinion}`)).toEqual([
      '0.x Approved',
      'a.x Rejected',
      'b.x Rejected',
    ]);
    expect(inspections.get('a.x')?.annotations?.['error-code']).toBe('INSPECTOR_TIMEOUT');
    expect(fired).toBe(true);
  });

  it('an abort of the exchange becomes Rejected', async () => {
    const controller = new AbortController();
    const { session } = bind([saying('a.x', () => new Promise(() => {}))]);
    const work = session.inspectArtifact(
      artifact,
      session.inspectRequest(request),
      services('strict', { signal: controller.signal }),
    );
    controller.abort(new Error('session revoked'));
    expect((await work).inspections.get('a.x')?.reason).toMatch(/session revoked/);
  });

  it('the configuration sets the time limit', async () => {
    const runtime = createInspectorRuntime({
      blobs,
      scratchDir: join(directory, 's'),
      registry: () => [saying('a.x', () => new Promise(() => {})), defaultInspector()],
    });
    const limits = { 'inspection-timeout-ms': 10 } as NonNullable<Parameters<typeof runtime.bind>[0]['limits']>;
    const session = runtime.bind({ limits });
    const { inspections } = await session.inspectArtifact(artifact, session.inspectRequest(request), services());
    expect(inspections.get('a.x')?.reason).toMatch(/longer than 0.01 s/);
  });

  it('duplicate ids stop the start', () => {
    const twice = [saying('a.x', async () => undefined), saying('a.x', async () => undefined)];
    expect(() => bind(twice)).toThrowError(expect.objectContaining({ code: 'INSPECTOR_DUPLICATE_ID' }));
  });

  it('close breaks off what runs', async () => {
    const { session, runtime } = bind([saying('a.x', () => new Promise(() => {}))]);
    const work = session.inspectArtifact(artifact, session.inspectRequest(request), services());
    await runtime.close();
    expect((await work).inspections.get('a.x')?.opinion).toBe('Rejected');
  });
});

describe('vouched digests', () => {
  const digest = { algorithm: 'sha256', hex: artifact.digests.sha256 } as const;
  const vouch = { digests: [digest], vouchedBy: { kind: 'digest', id: digest.hex, name: 'pin' } } as const;

  it('come from claimants; a fault is nobody vouching', async () => {
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
    const { session } = bind(
      [
        saying('a.x', async () => undefined, { vouchedDigests: async () => Promise.reject(new Error('broken')) }),
        saying('b.x', async () => undefined, { vouchedDigests: async () => [vouch] }),
        saying('c.x', async () => undefined),
      ],
      { logger },
    );
    expect(await session.vouchedDigests(request, session.inspectRequest(request), services())).toEqual([vouch]);
    expect(logger.warn).toHaveBeenCalledOnce();
  });

  it('are not looked up for a rejected request', async () => {
    const asked = vi.fn(async () => [vouch]);
    const { session } = bind([
      saying('a.x', async () => undefined, { vouchedDigests: asked }),
      saying('b.x', async () => undefined, { inspectRequest: () => rejectedRequest('no') }),
    ]);
    expect(await session.vouchedDigests(request, session.inspectRequest(request), services())).toEqual([]);
    expect(asked).not.toHaveBeenCalled();
  });
});

describe('scratch directories', () => {
  const parent = () => join(directory, 'scratch');

  it('are private, and gone afterwards', async () => {
    let path = '';
    const { session } = bind([
      saying('a.x', async (_artifact, _expected, context) => {
        path = await context.scratch();
        await mkdir(join(path, 'deep'));
        await writeFile(join(path, 'deep', 'file'), 'x');
        return approved('yes');
      }),
    ]);
    await session.inspectArtifact(artifact, session.inspectRequest(request), services());
    expect(path).not.toBe('');
    expect(existsSync(path)).toBe(false);
    expect(await readdir(parent())).toEqual([]);
  });

  it('are bounded: writing too much ends the inspection', async () => {
    const { session } = bind(
      [
        saying('a.x', async (_artifact, _expected, context) => {
          await writeFile(join(await context.scratch(), 'big'), Buffer.alloc(5000));
          return new Promise(() => {});
        }),
      ],
      { scratchBytes: 4096 },
    );
    const { inspections } = await session.inspectArtifact(artifact, session.inspectRequest(request), services());
    expect(inspections.get('a.x')).toMatchObject({
      opinion: 'Rejected',
      annotations: { 'error-code': 'INSPECTOR_SCRATCH_FULL' },
    });
    expect(await readdir(parent())).toEqual([]);
  });

  it('are used by so many inspections at a time', async () => {
    let open = 0;
    let most = 0;
    const { session } = bind(
      [
        saying('a.x', async (_artifact, _expected, context) => {
          await Promise.all([context.scratch(), context.scratch()]);
          open += 1;
          most = Math.max(most, open);
          await new Promise((resolve) => setTimeout(resolve, 5));
          open -= 1;
          return approved('yes');
        }),
      ],
      { scratchInspections: 2 },
    );
    const claims = session.inspectRequest(request);
    const all = await Promise.all(
      Array.from({ length: 6 }, () => session.inspectArtifact(artifact, claims, services())),
    );
    expect(all.map(({ inspections }) => inspections.get('a.x')?.opinion)).toEqual(Array(6).fill('Approved'));
    expect(most).toBe(2);
  });

  it('of dead processes are removed at start, of living ones kept', async () => {
    await mkdir(join(parent(), 'inspection-999999999-a'), { recursive: true });
    await mkdir(join(parent(), `inspection-${process.pid}-b`));
    await mkdir(join(parent(), 'something-else'));
    await bind([]).runtime.close();
    expect((await readdir(parent())).sort()).toEqual([`inspection-${process.pid}-b`, 'something-else']);
  });
});

describe('catalogs', () => {
  const index = Buffer.from('entry '.repeat(10));
  const sha256 = digestsOf(index).sha256;
  const ref: CatalogRef = { scope: 's', kind: 'k', sha256, inspector: 'a.x', url: 'u', name: 'n' };

  function parserOf(parse: CatalogParser<string>['parse'], weight = 10): CatalogParser<string> {
    return { kind: 'k', parse, weigh: () => weight };
  }
  const reading = (weight = 10) =>
    parserOf(async (bytes) => {
      let text = '';
      for await (const chunk of bytes) text += chunk;
      return text;
    }, weight);
  const never = new AbortController().signal;

  it('are parsed once, also when asked for at the same time', async () => {
    const cache = createCatalogCache({ blobs: { open: () => chunked(index) }, maxBytes: 100 });
    const [a, b] = await Promise.all([cache.get(ref, reading(), never), cache.get(ref, reading(), never)]);
    const c = await cache.get({ ...ref, scope: 'another', url: 'other' }, reading(), never);
    expect(a.value).toBe(index.toString());
    expect([b.value, c.value]).toEqual([a.value, a.value]);
    expect(cache.stats()).toMatchObject({ entries: 1, bytes: 10, parses: 1, hits: 1 });
  });

  it('are told apart by kind, digest and attributes', async () => {
    const cache = createCatalogCache({ blobs: { open: () => chunked(index) }, maxBytes: 100 });
    for (const attributes of [{ a: '1', b: '2' }, { b: '2', a: '1' }, { a: '2' }]) {
      await cache.get({ ...ref, attributes }, reading(), never);
    }
    expect(cache.stats().parses).toBe(2);
  });

  it('are bounded by weight, the least recently used goes first', async () => {
    const cache = createCatalogCache({ blobs: { open: () => chunked(index) }, maxBytes: 25 });
    const get = (name: string) => cache.get({ ...ref, sha256: name }, reading(), never);
    await get('a');
    await get('b');
    await get('a');
    await get('c');
    expect(cache.stats()).toMatchObject({ entries: 2, bytes: 20, parses: 3 });
    await get('a');
    expect(cache.stats().parses).toBe(3);
    await get('b');
    expect(cache.stats().parses).toBe(4);
    await cache.get({ ...ref, sha256: 'huge' }, reading(26), never);
    expect(cache.stats()).toMatchObject({ entries: 2 });
  });

  it('a waiter that gives up does not stop the others; when all give up the parse stops', async () => {
    let stopped = false;
    const slow = parserOf(
      (_bytes, _ref, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => (stopped = true));
          setTimeout(() => resolve('done'), 50);
        }),
    );
    const cache = createCatalogCache({ blobs: { open: () => chunked(index) }, maxBytes: 100 });
    const [first, second] = [new AbortController(), new AbortController()];
    const a = cache.get(ref, slow, first.signal);
    const b = cache.get(ref, slow, second.signal);
    first.abort(new Error('gone'));
    await expect(a).rejects.toThrow('gone');
    expect((await b).value).toBe('done');
    expect(stopped).toBe(false);
    const third = new AbortController();
    const c = cache.get({ ...ref, sha256: 'x' }, slow, third.signal);
    third.abort(new Error('gone'));
    await expect(c).rejects.toThrow('gone');
    expect(stopped).toBe(true);
  });

  it('that no longer parse are an error, and are tried again', async () => {
    const cache = createCatalogCache({ blobs: { open: () => chunked(index) }, maxBytes: 100 });
    const broken = parserOf(async () => Promise.reject(new Error('bad')));
    await expect(cache.get(ref, broken, never)).rejects.toMatchObject({ code: 'INSPECTOR_CATALOG_INVALID' });
    expect((await cache.get(ref, reading(), never)).value).toBe(index.toString());
  });

  it('reach inspectors through the context; encoded bytes are decoded when they are rebuilt', async () => {
    const encoded = gzipSync(index);
    const given = fakeArtifact('https://registry.example/i', { body: encoded, contentEncoding: 'gzip' });
    const seen: unknown[] = [];
    const inspector = saying(
      'a.x',
      async (_artifact, _expected, context) => {
        seen.push(...(await context.catalogs<string>('s')).map(({ value }) => value));
        return approved('yes', {
          metadata: { name: 'index' },
          provides: [{ scope: 's', kind: 'k', attributes: { path: 'p' } }],
        });
      },
      { catalogs: [reading()] },
    );
    const { session, runtime } = bind([inspector], { blobs: { open: () => chunked(encoded) } });
    const first = await session.inspectArtifact(given, session.inspectRequest(request), services());
    expect(first.provides).toEqual([
      {
        scope: 's',
        kind: 'k',
        attributes: { path: 'p', 'content-encoding': 'gzip' },
        sha256: given.digests.sha256,
        inspector: 'a.x',
        url: 'https://registry.example:443/i',
        name: 'index',
      },
    ]);
    const trusting = services('strict', { trustedCatalogs: async () => first.provides });
    await session.inspectArtifact(given, session.inspectRequest(request), trusting);
    expect(seen).toEqual([index.toString()]);
    expect(runtime.stats().parses).toBe(1);
  });

  it('that their inspector has parsed already are not parsed again', async () => {
    const inspector = saying(
      'a.x',
      async (_artifact, _expected, context) => {
        const [known] = await context.catalogs<string>('s');
        return approved(known?.value ?? 'none', { provides: [offerWithValue({ scope: 's', kind: 'k' }, 'given')] });
      },
      { catalogs: [reading()] },
    );
    const { session, runtime } = bind([inspector]);
    const { provides } = await session.inspectArtifact(artifact, session.inspectRequest(request), services());
    const trusting = services('strict', { trustedCatalogs: async () => provides });
    const second = await session.inspectArtifact(artifact, session.inspectRequest(request), trusting);
    expect(second.inspections.get('a.x')?.reason).toBe('given');
    expect(runtime.stats().parses).toBe(0);
  });

  it('of a kind nobody reads reject', async () => {
    const { session } = bind([saying('a.x', async (_a, _e, context) => approved(String(await context.catalogs('s'))))]);
    const trusting = services('strict', { trustedCatalogs: async () => [ref] });
    const { inspections } = await session.inspectArtifact(artifact, session.inspectRequest(request), trusting);
    expect(inspections.get('a.x')?.annotations?.['error-code']).toBe('INSPECTOR_CATALOG_UNKNOWN');
  });
});

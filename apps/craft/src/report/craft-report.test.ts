import { craftReportSchema, type SessionReport } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { emptyReport, sampleArtifact, sampleRefusal } from '../../test/sample-report.js';
import { parseProject } from '../project/load-project.js';
import { createCraftReport, parseSessionReport, type ReportFacts, reportText } from './craft-report.js';
import { summarise } from './report-summary.js';

const project = parseProject(
  'name: sample\nversion: "1.0"\nsummary: A sample\nlicense: Apache-2.0\nplatforms: {amd64: }\nparts: {app: {plugin: nil}}',
);
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const facts = (more: Partial<ReportFacts> = {}): ReportFacts => ({
  project,
  item: { platform: 'amd64', buildOn: 'amd64', buildFor: 'amd64' },
  variables: new Map([
    ['version', '1.0'],
    ['summary', 'A sample'],
  ]),
  artifact: {
    path: '/out/sample_1.0_amd64.tar.gz',
    file: 'sample_1.0_amd64.tar.gz',
    size: 5,
    sha1: '1'.repeat(40),
    sha256: '2'.repeat(64),
  },
  environment: 'bubblewrap',
  intervals: [
    { part: 'app', step: 'build', start: at(0), end: at(8) },
    { part: 'lib', step: 'stage', start: at(2), end: at(4) },
  ],
  result: 'packed',
  error: undefined,
  clock: { now: () => at(20) },
  ...more,
});
const make = (changes: object, more: Partial<ReportFacts> = {}) => {
  const raw = { ...emptyReport(), ...changes };
  return createCraftReport(raw, parseSessionReport(raw), facts(more));
};

describe('createCraftReport', () => {
  it('keeps everything that the service said, and adds the manifest', () => {
    const report = make({ artifacts: [sampleArtifact('left')] });
    expect(report).toMatchObject({ ...emptyReport(), artifacts: [sampleArtifact('left')] });
    expect(report).toMatchObject({
      'component-name': 'sample',
      'component-version': '1.0',
      'component-description': 'A sample',
      'component-id': { hashes: { sha1: '1'.repeat(40), sha256: '2'.repeat(64) } },
      architecture: 'amd64',
      license: 'Apache-2.0',
      'creation-timestamp': '2026-01-01T00:00:20.000Z',
      'build-environment': { kind: 'bubblewrap', 'bypass-controlled': true },
      build: { result: 'packed', platform: 'amd64', artifact: 'sample_1.0_amd64.tar.gz', size: 5 },
      dependencies: [
        {
          'component-name': 'left',
          type: 'application/gzip',
          size: 1000,
          url: ['https://registry.example:443/left.tgz'],
          architecture: '',
        },
      ],
    });
    expect(craftReportSchema.safeParse(report).success).toBe(true);
  });

  it('names part and step of a refusal, the inner one where one ran inside another', () => {
    const times = ['2026-01-01T00:00:01.000Z', '2026-01-01T00:00:03.000Z', '2026-01-01T00:00:09.000Z'];
    const report = make({ refusals: times.map((time) => sampleRefusal('https://x.example:443/', time)) });
    expect(report.refusals.map(({ part, step }) => [part, step])).toEqual([
      ['app', 'build'],
      ['lib', 'stage'],
      [undefined, undefined],
    ]);
  });

  it('says why there is no artifact, and that the host controls nothing', () => {
    const report = make(
      {},
      {
        artifact: undefined,
        result: 'failed',
        environment: 'host',
        error: { code: 'CRAFT_PART_FAILED', message: 'build failed' },
      },
    );
    expect(report.build).toMatchObject({ result: 'failed', error: { code: 'CRAFT_PART_FAILED' } });
    expect(report['build-environment']).toEqual({ kind: 'host', 'bypass-controlled': false });
    expect('component-id' in report).toBe(false);
  });

  it('does not take something else for a report', () => {
    expect(() => parseSessionReport({ artifacts: 5 })).toThrowError(
      expect.objectContaining({ code: 'CRAFT_REPORT_INVALID' }),
    );
  });
});

describe('summarise', () => {
  const origin = { kind: 'origin' as const, name: 'npm registry default', id: 'npm.registries.default' };
  const packument = { kind: 'artifact' as const, name: 'packument', id: 'c'.repeat(64), inspector: 'npm.packument' };
  const report = {
    ...emptyReport(),
    artifacts: [
      sampleArtifact('a', { chains: [[packument, origin]] }),
      sampleArtifact('b', { chains: [[packument, origin], [{ kind: 'digest', name: 'lock', id: 'd' }]], size: 500 }),
      sampleArtifact('c', { inspector: 'deb', chains: [[{ kind: 'key', name: 'Archive', id: 'ABCD' }]] }),
      sampleArtifact('d', { result: 'Rejected', chains: [[origin]] }),
    ],
    refusals: [sampleRefusal('u', '2026-01-01T00:00:01.000Z'), sampleRefusal('u', '2026-01-01T00:00:02.000Z')],
  } as unknown as SessionReport;

  it('groups artifacts by the inspector that approved them and names the ends of their chains', () => {
    expect(summarise(report).groups).toEqual([
      {
        inspector: 'deb',
        artifacts: 1,
        bytes: 1000,
        verifiedBy: [{ kind: 'key', name: 'Archive', id: 'ABCD', artifacts: 1 }],
      },
      {
        inspector: 'npm.tarball',
        artifacts: 2,
        bytes: 1500,
        verifiedBy: [
          { ...origin, artifacts: 2 },
          { kind: 'digest', name: 'lock', id: 'd', artifacts: 1 },
        ],
      },
      { inspector: 'not approved', artifacts: 1, bytes: 1000, verifiedBy: [] },
    ]);
  });

  it('counts what happened more than once', () => {
    expect(summarise(report)).toMatchObject({
      artifacts: 4,
      approved: 3,
      downloads: 4,
      bytes: 3500,
      durationMs: 10_000,
      refusals: [{ url: 'u', count: 2 }],
    });
  });

  it('says when a chain ends in no trust root', () => {
    const open = { ...report, artifacts: [sampleArtifact('a', { chains: [[packument]] })] };
    expect(summarise(open).groups[0]?.verifiedBy).toMatchObject([{ kind: 'artifact', name: 'packument' }]);
  });
});

describe('parts that came from a cache', () => {
  const recorded = {
    part: 'web',
    at: '2026-01-01T00:00:00.000Z',
    record: 'e'.repeat(64),
    'session-id': 'earlier',
    policy: 'strict' as const,
  };
  const cachedPart = {
    part: 'web',
    key: 'f'.repeat(64),
    artifact: 'a'.repeat(64),
    origin: 'https://cache.example/main',
    'built-by': 'craft 0.1.0',
    recorded,
    record: {
      format: 1 as const,
      project: 'hello',
      part: 'web',
      platform: 'amd64',
      key: 'f'.repeat(64),
      at: recorded.at,
      generator: 'g',
      'session-id': 'earlier',
      policy: 'strict' as const,
      'build-environment': { kind: 'bubblewrap' as const, 'bypass-controlled': true },
      steps: [],
      artifacts: [sampleArtifact('left')],
      refusals: [],
    },
  };

  it('are listed with what their builds had downloaded, marked with the record', () => {
    const own = sampleArtifact('right');
    const raw = { ...emptyReport(), artifacts: [{ ...own, metadata: { ...own.metadata, sha256: 'c'.repeat(64) } }] };
    const report = createCraftReport(raw, parseSessionReport(raw), { ...facts(), cachedParts: [cachedPart] });
    expect(report.dependencies.map((found) => [found['component-name'], found.recorded])).toEqual([
      ['right', undefined],
      ['left', recorded],
    ]);
    expect(report['cached-parts']).toEqual([cachedPart]);
    expect(report.artifacts.map(({ metadata }) => metadata.name)).toEqual(['right']);
    expect(craftReportSchema.parse(JSON.parse(reportText(report)))['cached-parts']).toEqual([cachedPart]);
    expect(summarise(report).cachedParts).toEqual([
      {
        part: 'web',
        at: recorded.at,
        origin: cachedPart.origin,
        record: recorded.record,
        policy: 'strict',
        artifacts: 1,
      },
    ]);
  });

  it('list nothing twice: neither what the session has as well, nor what two parts have', () => {
    const raw = emptyReport();
    const again = { ...cachedPart, part: 'other' };
    const report = createCraftReport(raw, parseSessionReport(raw), { ...facts(), cachedParts: [cachedPart, again] });
    expect(report.dependencies).toHaveLength(1);
    expect(report['cached-parts']).toHaveLength(2);
    const own = { ...raw, artifacts: [sampleArtifact('left')] };
    const both = createCraftReport(own, parseSessionReport(own), { ...facts(), cachedParts: [cachedPart] });
    expect(both.dependencies.map(({ recorded: mark }) => mark)).toEqual([undefined]);
  });

  it('leave no trace in a report without any', () => {
    const raw = emptyReport();
    const report = createCraftReport(raw, parseSessionReport(raw), { ...facts(), cachedParts: [] });
    expect(report).not.toHaveProperty('cached-parts');
  });
});

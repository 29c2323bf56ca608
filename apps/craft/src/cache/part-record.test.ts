import { craftRecordSchema, type ReportArtifact, type SessionReport } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { emptyReport, sampleArtifact, sampleRefusal } from '../../test/sample-report.js';
import type { StepInterval } from '../lifecycle/timeline.js';
import { createRecord, parseRecord, recordBytes, recordDigest } from './part-record.js';

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const interval = (part: string, step: StepInterval['step'], start: number, end: number): StepInterval => ({
  part,
  step,
  start: at(start),
  end: at(end),
});
const facts = {
  project: 'p',
  part: 'web',
  platform: 'here',
  key: 'f'.repeat(64),
  environment: 'bubblewrap' as const,
  intervals: [
    interval('lib', 'pull', 0, 10),
    interval('web', 'pull', 10, 20),
    interval('web', 'build', 30, 40),
    interval('web', 'prime', 50, 60),
  ],
};

/** An artifact with a download at each of the seconds, vouched for by others. */
function artifact(name: string, digit: string, seconds: readonly number[], by: readonly string[] = []): ReportArtifact {
  const sample = sampleArtifact(name);
  return {
    ...sample,
    metadata: { ...sample.metadata, sha256: digit.repeat(64) },
    'vouched-by': by.map((id) => [{ kind: 'artifact', name: 'index', id: id.repeat(64) }]),
    downloads: seconds.flatMap((second) =>
      sample.downloads.map((one) => ({ ...one, 'start-time': at(second).toISOString() })),
    ),
  };
}

const record = (artifacts: ReportArtifact[], refusals: SessionReport['refusals'] = []) =>
  createRecord({ ...(emptyReport() as SessionReport), artifacts, refusals }, facts);

describe('createRecord', () => {
  it('has what was downloaded while the part was pulled and built, and no other download', () => {
    const found = record([
      artifact('lib', '1', [5]),
      artifact('shared', '2', [5, 15]),
      artifact('own', '3', [35]),
      artifact('later', '4', [55]),
      artifact('between', '5', [25]),
    ]);
    expect(found.artifacts.map(({ metadata }) => metadata.name)).toEqual(['shared', 'own']);
    expect(found.artifacts[0]?.downloads).toHaveLength(1);
    expect(found.steps.map(({ part, step }) => `${part} ${step}`)).toEqual(['web pull', 'web build']);
    expect(found.at).toBe(at(40).toISOString());
    expect(craftRecordSchema.parse(found)).toEqual(found);
  });

  it('has what vouches for it, wherever that was downloaded', () => {
    const found = record([
      artifact('release', 'a', [1]),
      artifact('packages', 'b', [2], ['a']),
      artifact('deb', 'c', [35], ['b']),
      artifact('other', 'd', [3], ['a']),
    ]);
    expect(found.artifacts.map(({ metadata }) => metadata.name)).toEqual(['release', 'packages', 'deb']);
  });

  it('ends where artifacts vouch for each other', () => {
    const found = record([artifact('one', 'a', [35], ['b']), artifact('two', 'b', [1], ['a'])]);
    expect(found.artifacts).toHaveLength(2);
  });

  it('has the refusals of its steps', () => {
    const refusals = [5, 35].map((second) => sampleRefusal(`https://x.example/${second}`, at(second).toISOString()));
    expect(record([], refusals).refusals.map(({ url }) => url)).toEqual(['https://x.example/35']);
  });
});

describe('parseRecord', () => {
  const whole = record([artifact('own', '3', [35])]);
  const wanted = { project: 'p', part: 'web', platform: 'here', key: facts.key, policy: 'strict' as const };

  it('reads what was written, with one digest', () => {
    expect(parseRecord(recordBytes(whole), wanted)).toEqual(whole);
    expect(recordDigest(recordBytes(whole))).toBe(recordDigest(recordBytes(structuredClone(whole))));
  });

  it.each([
    ['another part', { ...whole, part: 'lib' }],
    ['another key', { ...whole, key: 'e'.repeat(64) }],
    ['a weaker session', { ...whole, policy: 'permissive' as const }],
    ['another project', { ...whole, project: 'q' }],
    ['no artifacts', { ...whole, artifacts: undefined }],
  ])('refuses that of %s', (_, value) => {
    expect(parseRecord(Buffer.from(JSON.stringify(value)), wanted)).toBeUndefined();
  });

  it.each([
    ['nothing', ''],
    ['half of it', recordBytes(whole).toString().slice(0, 100)],
    ['a list', '[]'],
  ])('refuses %s', (_, text) => {
    expect(parseRecord(Buffer.from(text), wanted)).toBeUndefined();
  });
});

import {
  type ArtifactInspection,
  type ArtifactInspections,
  type ArtifactOpinion,
  type Claim,
  emptyMetadata,
  type RequestOpinion,
} from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { decideArtifact, decideRequest } from './decide.js';

const claim = (inspector: string, opinion: RequestOpinion, reason = `${inspector} says so`): Claim => ({
  inspector,
  inspection: { opinion, reason },
});

const inspections = (opinions: Record<string, ArtifactOpinion>, sha256 = ''): ArtifactInspections => ({
  inspections: new Map(
    Object.entries(opinions).map(([id, opinion]): [string, ArtifactInspection] => [
      id,
      { opinion, reason: `${id} says so` },
    ]),
  ),
  metadata: { ...emptyMetadata(), sha256 },
  vouchedBy: [],
  provides: [],
});

describe('decideRequest', () => {
  it.each<[opinions: [string, RequestOpinion][], result: string, inspector: string]>([
    [[['a', 'Pending']], 'Approved', 'a'],
    [
      [
        ['a', 'Pending'],
        ['b', 'Unknown'],
      ],
      'Approved',
      'a',
    ],
    [
      [
        ['a', 'Unknown'],
        ['b', 'Pending'],
      ],
      'Approved',
      'b',
    ],
    [
      [
        ['a', 'Pending'],
        ['b', 'Pending'],
        ['c', 'Rejected'],
      ],
      'Rejected',
      'c',
    ],
    [
      [
        ['a', 'Rejected'],
        ['b', 'Pending'],
      ],
      'Rejected',
      'a',
    ],
    [
      [
        ['a', 'Rejected'],
        ['b', 'Rejected'],
      ],
      'Rejected',
      'a',
    ],
    [[['a', 'Unknown']], 'Rejected', 'a'],
    [
      [
        ['a', 'Unknown'],
        ['default', 'Unknown'],
      ],
      'Rejected',
      'a',
    ],
    [[['default', 'Unknown']], 'Rejected', 'default'],
    [[], 'Rejected', 'default'],
    // An opinion that no inspector may have about a request is no support either.
    [[['a', 'Approved' as RequestOpinion]], 'Rejected', 'a'],
  ])('%j is %s by %s', (opinions, result, inspector) => {
    const decision = decideRequest(opinions.map(([id, opinion]) => claim(id, opinion)));
    expect(decision).toMatchObject({ result, inspector });
    expect(decision.reason).not.toBe('');
    expect(decision.hint === undefined).toBe(result === 'Approved');
  });

  it('tells what nobody recognised and what to do', () => {
    const decision = decideRequest(
      [claim('default', 'Unknown', 'not recognised')],
      'https://host.example:443/x?token=hunter2',
    );
    expect(decision.reason).toBe('no inspector recognises https://host.example:443/x?token=[redacted]');
    expect(decision.hint).toBe('add its origin to the section of its ecosystem in inspectors.yaml');
    const hinted = {
      inspector: 'default',
      inspection: { opinion: 'Unknown', reason: 'x', annotations: { hint: 'a\nb' } },
    };
    expect(decideRequest([hinted as Claim]).hint).toBe('a b');
  });

  it('names the inspector that rejected, on one bounded line', () => {
    const { reason } = decideRequest([
      claim('git.upload-pack', 'Rejected', `bad\u001b[31m\nthing ${'x'.repeat(5000)}`),
    ]);
    expect(reason).toMatch(/^git\.upload-pack: bad\ufffd\[31m thing x+…$/);
    expect(reason.length).toBeLessThan(1010);
  });
});

describe('decideArtifact', () => {
  const request = decideRequest([claim('a', 'Pending'), claim('b', 'Pending')]);

  it.each<[opinions: Record<string, ArtifactOpinion>, result: string, inspector: string]>([
    [{ a: 'Approved', b: 'Unknown', default: 'Unknown' }, 'Approved', 'a'],
    [{ a: 'Unknown', b: 'Approved' }, 'Approved', 'b'],
    [{ a: 'Approved', b: 'Rejected' }, 'Rejected', 'b'],
    [{ a: 'Rejected', b: 'Approved' }, 'Rejected', 'a'],
    [{ a: 'Unknown', b: 'Unknown' }, 'Rejected', 'a'],
    [{ default: 'Unknown' }, 'Rejected', 'default'],
    [{ a: 'Approved', default: 'Rejected' }, 'Rejected', 'default'],
    [{ default: 'Approved' }, 'Rejected', 'default'],
    [{}, 'Rejected', 'default'],
    // Permissive runs inspectors that did not claim the request: strict would not have asked them.
    [{ a: 'Approved', stranger: 'Rejected' }, 'Approved', 'a'],
    [{ a: 'Unknown', stranger: 'Approved' }, 'Rejected', 'a'],
    [{ stranger: 'Approved' }, 'Rejected', 'default'],
  ])('%j is %s by %s', (opinions, result, inspector) => {
    expect(decideArtifact(request, inspections(opinions))).toMatchObject({ result, inspector });
  });

  it('keeps the verdict of a rejected request, whatever the bytes are', () => {
    const rejected = decideRequest([claim('a', 'Rejected', 'wrong ref'), claim('b', 'Pending')]);
    expect(decideArtifact(rejected, inspections({ a: 'Approved', b: 'Approved' }))).toEqual(rejected);
  });

  it('counts every opinion when the claimants are not known', () => {
    expect(
      decideArtifact({ result: 'Approved', reason: '' }, inspections({ a: 'Approved', c: 'Rejected' })).result,
    ).toBe('Rejected');
    expect(decideArtifact({ result: 'Approved', reason: '' }, inspections({ c: 'Approved' })).result).toBe('Approved');
  });

  it('says how unvouched bytes could be approved', () => {
    const decision = decideArtifact(request, inspections({ default: 'Unknown' }, 'ab'.repeat(32)));
    expect(decision.hint).toContain('fetch the index that lists this file');
    expect(decision.hint).toContain(`pin sha256 ${'ab'.repeat(32)} under generic.files`);
  });
});

describe('hints', () => {
  const says = (opinion: 'Rejected' | 'Unknown', annotations: object): Claim => ({
    inspector: 'a',
    inspection: { opinion, reason: 'no', annotations: { ...annotations } },
  });

  it.each([
    [{ hint: 'fetch the index first' }, 'fetch the index first'],
    [{ hint: 'two\nlines\u001b[31m' }, 'two lines\ufffd[31m'],
    [{}, 'the rules are in docs/inspectors/a.md; when the source is right, correct its entry in inspectors.yaml'],
    [
      { hint: 5 },
      'the rules are in docs/inspectors/a.md; when the source is right, correct its entry in inspectors.yaml',
    ],
  ])('%j: the inspector knows the next step best', (annotations, wanted) => {
    expect(decideRequest([says('Rejected', annotations)]).hint).toBe(wanted);
    expect(decideRequest([says('Unknown', annotations)]).hint).toBe(wanted);
    const admitted = decideRequest([claim('a', 'Pending')]);
    const judged: ArtifactInspections = {
      ...inspections({}),
      inspections: new Map([['a', { opinion: 'Rejected', reason: 'no', annotations: { ...annotations } }]]),
    };
    expect(decideArtifact(admitted, judged).hint).toBe(wanted);
  });
});

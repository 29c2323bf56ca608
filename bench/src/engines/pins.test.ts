import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { LargeBody } from '../upstream/large-body.ts';
import { madeBody, medium, small } from '../upstream/made-body.ts';
import type { Upstream } from '../upstream/start-upstream.ts';
import { pinsOf } from './pins.ts';

const body = (path: string, sha256: string): LargeBody => ({ path, bytes: 1, sha256, pieces: [] });
const upstream = {
  host: 'localhost',
  port: 8443,
  large: body('/large/body', 'a'),
  parts: [body('/large/part-1', 'b')],
  probe: body('/large/probe', 'c'),
} as unknown as Upstream;
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('pinsOf', () => {
  it('names every large body', () => {
    expect(pinsOf(upstream, undefined)).toEqual([
      { url: 'https://localhost:8443/large/body', sha256: 'a' },
      { url: 'https://localhost:8443/large/part-1', sha256: 'b' },
      { url: 'https://localhost:8443/large/probe', sha256: 'c' },
    ]);
  });

  it.each([1, 2])('names every made body of the range, asked for the %i. time', () => {
    expect(pinsOf(upstream, { ...small, first: 7, end: 9 })).toEqual([
      { url: 'https://localhost:8443/1k/00000007', sha256: digest(madeBody(small, 7)) },
      { url: 'https://localhost:8443/1k/00000008', sha256: digest(madeBody(small, 8)) },
    ]);
  });

  it('tells folders and hosts apart', () => {
    expect(pinsOf(upstream, { ...medium, first: 7, end: 8, hostSuffix: '.hosts.example' })).toEqual([
      { url: 'https://n00000007.hosts.example:8443/100k/00000007', sha256: digest(madeBody(medium, 7)) },
    ]);
    expect(pinsOf(upstream, { ...small, first: 7, end: 8, hostSuffix: '.hosts.example' })[0]?.sha256).toBe(
      digest(madeBody(small, 7)),
    );
  });
});

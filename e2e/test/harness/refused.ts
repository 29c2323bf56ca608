import { gzipSync } from 'node:zlib';
import type { ReportRefusal } from '@waybill/contracts';
import { expect } from 'vitest';
import type { EcosystemScene } from './ecosystem-scene.js';
import type { FileAnswer, Tamper } from './file-upstream.js';
import type { PreparedClient } from './prepared-client.js';
import { downloadsOf, pathOf, verdictOf } from './report.js';
import type { Ran } from './run.js';

/** One way to give a client something else than what its index lists. */
export interface Fault {
  readonly tamper: Tamper;
  /** Path of the file that must be refused. */
  readonly refused: string;
  /** What report and client must say. */
  readonly reason: RegExp;
  /** The client keeps to itself why it got nothing; the report has it all the same. */
  readonly isUntold?: boolean;
}

export function flipByte(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1;
  return copy;
}

/** A tamper that changes one file. */
export function changing(path: string, change: (given: FileAnswer) => FileAnswer): Tamper {
  return (asked, given) => (asked === path ? change(given) : undefined);
}

/** A tamper that edits one text file; it must have an effect. */
export function editing(path: string, edit: (text: string) => string): Tamper {
  return changing(path, (given) => {
    const [before, after] = [given.body.toString(), edit(given.body.toString())];
    if (after === before) throw new Error(`the edit leaves ${path} as it is`);
    return { ...given, body: Buffer.from(after) };
  });
}

export interface CommonFaultsInput {
  readonly path: string;
  /** A sound file of the same name and version with other content: only its digest tells. */
  readonly foreign: () => Buffer;
  /** What is said of a file whose digest is not the listed one. */
  readonly mismatch: RegExp;
}

/** What a registry, a mirror or somebody in between may do to any artifact of any ecosystem. */
export function commonFaults({ path, foreign, mismatch }: CommonFaultsInput): (readonly [string, Fault])[] {
  const changes: readonly (readonly [string, (given: FileAnswer) => Partial<FileAnswer>, RegExp?])[] = [
    ['one changed byte', (given) => ({ body: flipByte(given.body) })],
    ['right name and version, other bytes', () => ({ body: foreign() })],
    ['cut off', (given) => ({ body: given.body.subarray(0, given.body.length - 40) })],
    ['a page instead', () => ({ headers: { 'content-type': 'text/html' }, body: Buffer.from('<html></html>') })],
    ['status 203 with foreign bytes', () => ({ status: 203, body: foreign() })],
    [
      'status 206 with foreign bytes',
      ({ headers }) => ({
        status: 206,
        headers: { ...headers, 'content-range': `bytes 0-${foreign().length - 1}/${foreign().length}` },
        body: foreign(),
      }),
      /206 Partial Content/,
    ],
    [
      'gzip around changed bytes',
      (given) => ({
        headers: { ...given.headers, 'content-encoding': 'gzip' },
        body: gzipSync(flipByte(given.body)),
      }),
    ],
  ];
  return changes.map(([name, change, reason = mismatch]) => [
    name,
    { tamper: changing(path, (given) => ({ ...given, ...change(given) })), refused: path, reason },
  ]);
}

/**
 * The real client in a strict and in a permissive session. Strict: it fails, says why, gets nothing of the file, and the report has
 * the refusal and no other. Permissive: the file is delivered, and the report says the same of it.
 */
export async function expectRefused(
  { daemon, upstream, client }: EcosystemScene,
  { tamper, refused, reason, isUntold = false }: Fault,
  build: (client: PreparedClient) => Promise<Ran>,
): Promise<{ readonly ran: Ran; readonly refusal: ReportRefusal }> {
  upstream.tamper(tamper);
  const strict = await daemon.createSession('strict');
  const ran = await build(await client(strict));
  const said = ran.stdout + ran.stderr;
  expect(ran.code, said).not.toBe(0);
  const report = await strict.finish();
  const mine = report.refusals.filter(({ url }) => pathOf(url) === refused);
  const [refusal] = mine;
  expect(new Set(report.refusals.map(({ url }) => pathOf(url))), said).toEqual(new Set([refused]));
  expect(mine.every(({ delivered }) => !delivered)).toBe(true);
  if (!refusal) throw new Error('no refusal');
  expect(refusal.reason).toMatch(reason);
  // What, why, and what to do: in the client's own output. Some clients break lines, others escape quotes.
  const plain = said.replace(/\s+/g, ' ');
  expect(refusal.hint).toBeTruthy();
  if (!isUntold) {
    expect(plain).toMatch(reason);
    expect(plain).toContain(refusal.hint?.slice(0, 60));
  }
  const passed = downloadsOf(report).filter(({ url, result }) => pathOf(url) === refused && result === 'Approved');
  expect(passed).toEqual([]);

  const permissive = await daemon.createSession('permissive');
  await build(await client(permissive));
  const recorded = (await permissive.finish()).refusals.filter(({ url }) => pathOf(url) === refused);
  expect(recorded[0]).toMatchObject({ delivered: true });
  // Strict does not even read a body that comes with 206.
  const seen = recorded[0] && refusal.sha256 === undefined ? { sha256: undefined, size: undefined } : {};
  expect(recorded[0] && { ...verdictOf(recorded[0]), ...seen }).toEqual({
    ...verdictOf(refusal),
    ...seen,
  });
  return { ran, refusal };
}

/** A file that moved to a host that no session knows: the client follows and is refused there, before anything is sent. */
export async function expectRedirectRefused(
  { daemon, upstream, client }: EcosystemScene,
  { path, to }: { readonly path: string; readonly to: { readonly url: string; readonly requests: readonly unknown[] } },
  build: (client: PreparedClient) => Promise<Ran>,
): Promise<void> {
  upstream.tamper(
    changing(path, () => ({ status: 302, headers: { location: `${to.url}/moved` }, body: Buffer.from('moved') })),
  );
  const session = await daemon.createSession('strict');
  const ran = await build(await client(session));
  expect(ran.code).not.toBe(0);
  expect((ran.stdout + ran.stderr).replace(/\s+/g, ' ')).toContain(`no inspector recognises ${to.url}/moved`);
  expect(to.requests).toEqual([]);
  const report = await session.finish();
  expect(report.refusals[0]).toMatchObject({ url: `${to.url}/moved`, phase: 'request', delivered: false });
  const moved = report.responses.find(({ url }) => pathOf(url) === path);
  expect(moved).toMatchObject({ 'status-code': 302, note: 'body of status 302 withheld' });
}

import type { SessionReport } from '@waybill/contracts';
import { describe, expect, it, vi } from 'vitest';
import { emptyReport, sampleArtifact, sampleRefusal } from '../../test/sample-report.js';
import { exitCodeOf } from '../cli/exit-code.js';
import { CraftError } from '../errors.js';
import { type ReportSummary, summarise } from '../report/report-summary.js';
import { describeError, errorLines } from './describe-error.js';
import { formatBytes, formatDuration } from './format-values.js';
import { renderRefusals, renderSummary } from './render-report.js';
import { createTextProgress, type TextProgressOptions } from './text-progress.js';
import { wrapLine } from './wrap-line.js';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [1_500_000_000, '1.5 GB'],
    [9e15, '9000.0 TB'],
  ])('%d', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [4_240, '4.2 s'],
    [59_960, '1 min 0 s'],
    [185_000, '3 min 5 s'],
  ])('%d', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text);
  });
});

describe('wrapLine', () => {
  it.each([
    ['short', 10, ['short']],
    ['exactly te', 10, ['exactly te']],
    ['one two three four', 10, ['one two', '  three', '  four']],
    ['  in one two', 10, ['  in one', '    two']],
    ['https://x.example/long and more', 10, ['https://x.example/long', '  and more']],
    ['https://x.example/long', 10, ['https://x.example/long']],
    ['    https://x.example/long', 10, ['    https://x.example/long']],
    ['  GET https://x.example/long and more', 10, ['  GET https://x.example/long', '    and', '    more']],
    ['two https://x.example/long', 10, ['two https://x.example/long']],
    ['', 10, ['']],
  ])('%j in %d columns', (line, width, lines) => {
    expect(wrapLine(line, width)).toEqual(lines);
  });
});

describe('errors', () => {
  const system = Object.assign(new Error("ENOSPC: no space left on device, write '/x'"), {
    code: 'ENOSPC',
    syscall: 'write',
  });
  it.each([
    [new CraftError('CRAFT_USAGE', 'm'), 64],
    [new CraftError('CRAFT_REFUSED', 'm'), 2],
    [new CraftError('CRAFT_INTERRUPTED', 'm'), 130],
    [new CraftError('CRAFT_PART_FAILED', 'm'), 1],
    [new CraftError('CRAFT_INTERNAL', 'm'), 70],
    [system, 1],
    [new TypeError('undefined is not a function'), 70],
    ['text', 70],
  ])('%s ends with %d', (error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });

  it('are shown with code, details and the next step, and without secrets', () => {
    const error = new CraftError('CRAFT_PART_FAILED', 'fetch of https://u:p@h.example/ failed', {
      details: ['Basic c2VjcmV0c2VjcmV0'],
      hint: 'look',
    });
    expect(errorLines(error)).toEqual([
      'craft: fetch of https://[redacted]@h.example/ failed [CRAFT_PART_FAILED]',
      '  Basic [redacted]',
      '  → look',
    ]);
  });

  it('say what to do about a full disk', () => {
    expect(describeError(system)).toMatchObject({
      code: 'CRAFT_SYSTEM_ENOSPC',
      hint: expect.stringContaining('make room'),
    });
  });

  it('ask for a report of a bug', () => {
    expect(describeError(new TypeError('oops'))).toMatchObject({
      code: 'CRAFT_INTERNAL',
      message: 'TypeError: oops',
      hint: expect.stringContaining('bug'),
    });
  });
});

describe('renderSummary', () => {
  const report = (changes: object) => summarise({ ...emptyReport(), ...changes } as unknown as SessionReport);
  const second = (n: number) => `2026-01-01T00:00:0${n}.000Z`;

  it('lists refusals by part and step with reason and next step', () => {
    const summary = report({
      refusals: [
        {
          ...sampleRefusal('https://a.example:443/x', second(1), { inspector: 'default', hint: 'allow it' }),
          part: 'app',
          step: 'pull',
        },
        {
          ...sampleRefusal('https://a.example:443/x', second(2), { inspector: 'default', hint: 'allow it' }),
          part: 'app',
          step: 'pull',
        },
        { ...sampleRefusal('https://b.example:443/y', second(3), { delivered: true }) },
      ],
    });
    expect(renderRefusals(summary.refusals)).toEqual([
      '',
      'Refused (1):',
      '  pull of part app',
      '    GET https://a.example:443/x (2 times)',
      '      default: no inspector claims this request',
      '      → allow it',
      '',
      'Delivered, but a strict session would have refused (1):',
      '  outside of any step',
      '    GET https://b.example:443/y',
      '      no inspector claims this request',
    ]);
  });

  it('says that there was nothing', () => {
    expect(renderSummary(report({}))).toEqual(['Nothing was downloaded']);
  });

  it('names one key, counts several and lists them once', () => {
    const key = (id: string, name: string) => ({ kind: 'key' as const, name, id });
    const archive = key(`${'0'.repeat(24)}AAAAAAAAAAAAAAAA`, 'Archive (2026) <archive@deb.registry.example>');
    const other = key(`${'0'.repeat(24)}BBBBBBBBBBBBBBBB`, 'Other');
    const origin = { kind: 'origin' as const, name: 'registry', id: 'npm.registries.default' };
    const lines = renderSummary(
      report({
        artifacts: [
          sampleArtifact('a', { inspector: 'apt.release', chains: [[archive], [other]] }),
          sampleArtifact('b', { inspector: 'deb', chains: [[archive], [other]] }),
          sampleArtifact('c', { inspector: 'generic.file', chains: [[archive]] }),
          sampleArtifact('d', { inspector: 'npm.tarball', chains: [[origin]] }),
          sampleArtifact('e', { result: 'Rejected', chains: [] }),
        ],
      }),
    );
    expect(lines).toEqual([
      '5 artifacts in 5 downloads, 5.0 kB: 4 approved, 1 not approved',
      '  apt.release       1     1.0 kB  verified by 2 keys',
      '  deb               1     1.0 kB  verified by 2 keys',
      '  generic.file      1     1.0 kB  verified by key Archive (2026)',
      '  npm.tarball       1     1.0 kB  verified by origin npm.registries.default',
      '  not approved      1     1.0 kB',
      'Keys:',
      '  AAAAAAAAAAAAAAAA  Archive (2026)',
      '  BBBBBBBBBBBBBBBB  Other',
    ]);
  });

  it('does not print thousands of refusals', () => {
    const refusals = Array.from({ length: 200 }, (_, index) =>
      sampleRefusal(`https://a.example:443/${index}`, second(1)),
    );
    const lines = renderRefusals((report({ refusals }) as ReportSummary).refusals);
    expect(lines.at(-1)).toBe('  … and 150 more, all of them in the report');
  });
});

describe('createTextProgress', () => {
  const collect = (options: Partial<TextProgressOptions> = {}) => {
    const written: string[] = [];
    const progress = createTextProgress({
      write: (text) => written.push(text),
      isTerminal: false,
      colour: false,
      verbosity: 'brief',
      ...options,
    });
    return { progress, text: () => written.join('') };
  };

  it('writes plain lines where nobody can overwrite them', () => {
    const { progress, text } = collect();
    progress.step('app', 'pull', 'run');
    progress.traffic({ requests: 1, downloads: 1, bytes: 5, refusals: 0 });
    progress.output('compiling');
    progress.step('app', 'build', 'rerun', 'settings changed');
    progress.step('lib', 'build', 'skip');
    progress.task('packing');
    progress.warn('careful');
    progress.end();
    expect(text()).toBe(
      'pull  app\nbuild app again (settings changed)\nbuild lib skip (done before)\npacking\nwarning: careful\n',
    );
  });

  it('updates one line on a terminal and leaves none behind', () => {
    const { progress, text } = collect({ isTerminal: true, columns: () => 60 });
    progress.task('closing the session');
    progress.note('note');
    progress.end();
    expect(text()).toBe('closing the session\r\u001b[2Knote\nclosing the session\r\u001b[2K');
  });

  it('keeps a step as a line once it is done, or something stands below it', () => {
    const { progress, text } = collect({ isTerminal: true, columns: () => 60 });
    const clear = '\r\u001b[2K';
    progress.step('app', 'pull', 'run');
    progress.step('app', 'build', 'run');
    progress.warn('refused');
    progress.step('lib', 'build', 'skip');
    progress.step('lib', 'stage', 'run');
    progress.task('packing');
    progress.end();
    expect(text()).toBe(
      [
        'pull  app',
        `${clear}pull  app\nbuild app`,
        `${clear}build app\nwarning: refused\nbuild app`,
        `${clear}build lib skip (done before)\n`,
        'stage lib',
        `${clear}stage lib\npacking`,
        clear,
      ].join(''),
    );
  });

  it('paints seldom, but never leaves the last change out', () => {
    vi.useFakeTimers();
    try {
      const { progress, text } = collect({ isTerminal: true, columns: () => 60 });
      const clear = '\r\u001b[2K';
      progress.step('app', 'build', 'run');
      for (const bytes of [1, 2, 3]) progress.traffic({ requests: 1, downloads: 0, bytes, refusals: 0 });
      const before = `build app${clear}build app · 1 request · 1 B`;
      expect(text()).toBe(before);
      vi.advanceTimersByTime(100);
      expect(text()).toBe(`${before}${clear}build app · 1 request · 3 B`);
      progress.traffic({ requests: 2, downloads: 0, bytes: 4, refusals: 0 });
      progress.end();
      vi.advanceTimersByTime(100);
      expect(text()).toBe(`${before}${clear}build app · 1 request · 3 B${clear}build app\n`);
    } finally {
      vi.useRealTimers();
    }
  });

  it('never writes more than the width, and breaks what stays between words', () => {
    const { progress, text } = collect({ isTerminal: true, columns: () => 30 });
    progress.task('x'.repeat(100));
    expect(text()).toBe(`${'x'.repeat(28)}…`);
    const warning = collect({ isTerminal: true, columns: () => 30 });
    warning.progress.warn('refused: https://x.example:443/some/long/path: nobody knows it');
    expect(warning.text()).toBe('warning: refused: https://x.example:443/some/long/path:\n  nobody knows it\n');
  });

  it('keeps warnings when quiet, and output of commands when verbose', () => {
    const quiet = collect({ verbosity: 'quiet' });
    quiet.progress.step('app', 'pull', 'run');
    quiet.progress.note('n');
    quiet.progress.warn('w');
    expect(quiet.text()).toBe('warning: w\n');
    const verbose = collect({ verbosity: 'verbose' });
    verbose.progress.output('line \u001b[31mred');
    expect(verbose.text()).toBe('  line \ufffd[31mred\n');
  });
});

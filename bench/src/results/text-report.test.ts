import { describe, expect, it } from 'vitest';
import { sampleResult } from './sample-result.ts';
import { textReport } from './text-report.ts';

describe('textReport', () => {
  const text = textReport(sampleResult);

  it.each([
    ['the rounds, without the one of long works', /quick\), 2030-01-02T03:04:05\.000Z: 2 rounds, 32 clients/],
    ['an engine a column', /^ +direct +waybill-strict +squid$/m],
    [
      'numbers with their spread',
      /1 KiB on kept tunnels, requests\/s +55 000 \(50 000–60 000\) +11 500 \(11 000–12 000\)/,
    ],
    ['a gap where an engine has no number', /peak memory, MiB +– +– +–$/m],
    ['a number of one round without a spread', /large body, MiB\/s +950 \(900–1 000\) +290 \(280–300\) +310$/m],
    ['ratios of ours to the others', /kept: 1 KiB on kept tunnels +0\.21× \(0\.20–0\.22\) +1\.10× \(1\.00–1\.20\)$/m],
    ['which ratios are better small', /kept: processor time, 1 KiB on kept tunnels \(less is better\)/],
    ['what was wanted and reached', /met +kept: 1 KiB on kept tunnels +at least 1\.00 × squid +1\.10/],
    ['what was wanted and missed', /MISSED +body: large body +at least 1\.00 × squid +0\.97/],
    ['what was skipped and why', /^SKIPPED mitmdump: mitmdump is not installed$/m],
    ['which works were left out', /^SKIPPED newhost: it takes root$/m],
    ['what does not count and why', /^NOT COUNTED round 2, squid, body: connection closed$/m],
    ['the machine', /Some <Processor> & more, 2 cores, 8 GiB, Some Linux, Linux 6\.1\.0, Node 24\.0\.0, spool on ext4/],
  ])('has %s', (_name, pattern) => {
    expect(text).toMatch(pattern);
  });

  it('shows no ratio of others among themselves', () => {
    expect(text).not.toContain('squid ÷');
  });
});

import { describe, expect, it } from 'vitest';
import { sampleResult } from '../sample-result.ts';
import { drawPicture } from './picture.ts';

describe('drawPicture', () => {
  const picture = drawPicture(sampleResult);
  const barsOf = (className: string) =>
    [
      ...picture.matchAll(new RegExp(`<rect class="${className}" x="([\\d.]+)" y="[\\d.]+" width="([\\d.]+)"`, 'g')),
    ].map(([, x, width]) => [Number(x), Number(width)]);

  it('is the same for the same result', () => {
    expect(drawPicture(structuredClone(sampleResult))).toBe(picture);
  });

  it('closes what it opens, with all text escaped', () => {
    expect(picture.match(/<text/g)).toHaveLength(picture.match(/<\/text>/g)?.length ?? 0);
    expect(picture).toContain('Some &lt;Processor&gt; &amp; more');
    expect(picture).not.toContain('<Processor>');
    expect(picture).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('draws bars as long as their medians', () => {
    const [ours, squid] = [barsOf('e-waybill-strict'), barsOf('e-squid')];
    // body, kept, latency, cpu of kept; squid has no added latency in this result.
    expect(ours).toHaveLength(4);
    expect(squid).toHaveLength(3);
    expect((ours[0]?.[1] as number) / (squid[0]?.[1] as number)).toBeCloseTo(290 / 310, 2);
    expect((ours[1]?.[1] as number) / (squid[1]?.[1] as number)).toBeCloseTo(11_500 / 10_500, 2);
  });

  it('cuts the direct way off instead of making all others small', () => {
    const [direct] = barsOf('e-direct');
    const [squid] = barsOf('e-squid');
    expect(direct?.[1]).toBe(squid?.[1]);
    expect(picture).toContain('»');
    expect(picture).toContain('>950<');
  });

  it('draws memory over time, and where its limit is', () => {
    expect(picture.match(/class="curve e-waybill-strict"/g)).toHaveLength(1);
    expect(picture).toContain('class="limit"');
    expect(picture).toContain('>5.00 s<');
  });

  it('leaves out what was not measured, and stays inside itself', () => {
    expect(picture).not.toContain('New tunnel each');
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(picture) as unknown as [string, string, string];
    const positions = (axis: string) =>
      [...picture.matchAll(new RegExp(` ${axis}="([\\d.]+)"`, 'g'))].map(([, at]) => Number(at));
    expect(Math.max(...positions('x'))).toBeLessThan(Number(width));
    expect(Math.max(...positions('y'))).toBeLessThan(Number(height));
  });

  it('can be drawn of nothing', () => {
    const nothing = { ...sampleResult, engines: [], turns: [], summary: {}, ratios: {} };
    expect(drawPicture(nothing)).toContain('</svg>');
  });
});

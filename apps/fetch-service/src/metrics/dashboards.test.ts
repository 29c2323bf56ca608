import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Histogram } from 'prom-client';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createGcMetrics } from '../gc/gc-metrics.js';
import { addGauges, type GaugeSources } from './gauges.js';
import { createServiceMetrics } from './service-metrics.js';
import { TimeHistogram } from './time-histogram.js';

const deploy = (path: string) =>
  readFile(fileURLToPath(new URL(`../../../../deploy/${path}`, import.meta.url)), 'utf8');

interface Registered {
  readonly name: string;
  readonly labelNames?: readonly string[];
}

/** Known labels by the name of each series; those that a scrape adds are everywhere. */
let series: Map<string, ReadonlySet<string>>;

beforeAll(() => {
  const metrics = createServiceMetrics();
  createGcMetrics(metrics.registry);
  addGauges(metrics, {} as GaugeSources);
  series = new Map([['up', new Set(['instance', 'job'])]]);
  for (const metric of metrics.registry.getMetricsAsArray() as unknown as Registered[]) {
    const { name, labelNames = [] } = metric;
    const labels = new Set([...labelNames, 'instance', 'job']);
    const isHistogram = metric instanceof Histogram || metric instanceof TimeHistogram;
    const names = isHistogram ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    for (const one of names) series.set(one, new Set([...labels, ...(one.endsWith('_bucket') ? ['le'] : [])]));
  }
});

const words = new Set([
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'offset',
  'bool',
  'and',
  'or',
  'unless',
]);

/** Metrics of an expression with the labels that it selects or groups by. */
function used(expression: string): { readonly name: string; readonly labels: readonly string[] }[] {
  const text = expression.replace(/\[[^\]]*\]/g, '').replace(/(?<![\w.])\d[\w.]*/g, '0');
  const grouped = [...text.matchAll(/\b(?:by|without|on)\s*\(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(','));
  const bare = text.replace(/\b(?:by|without|on)\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/([a-zA-Z_]\w*)\s*(\(|\{[^}]*\})?/g)]
    .filter(([, name = '', behind]) => behind !== '(' && !words.has(name))
    .filter((match) => !isInside(bare, match.index))
    .map(([, name = '', braces = '']) => {
      const selected = [...braces.matchAll(/([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
      return { name, labels: [...selected, ...grouped.map((label) => label.trim())] };
    });
}

/** Whether a place lies between braces or quotes. */
function isInside(text: string, at: number): boolean {
  const before = text.slice(0, at).replace(/"[^"]*"/g, '""');
  return before.lastIndexOf('{') > before.lastIndexOf('}') || (before.match(/"/g)?.length ?? 0) % 2 === 1;
}

function expectKnown(expression: string): void {
  const all = used(expression);
  expect(all.length, expression).toBeGreaterThan(0);
  for (const { name, labels } of all) {
    expect([...series.keys()], expression).toContain(name);
    for (const label of labels) expect([...(series.get(name) ?? [])], `${name} in ${expression}`).toContain(label);
  }
}

describe('the reader of expressions', () => {
  it.each([
    [
      'sum by (le, phase) (rate(a_bucket{instance=~"x|y",phase="up"}[5m])) > 0.5',
      ['a_bucket'],
      ['instance', 'phase', 'le', 'phase'],
    ],
    ['max(a) / max by (instance) (b > 0)', ['a', 'b'], ['instance']],
    ['histogram_quantile(0.9, sum(rate(c_bucket[1m])))', ['c_bucket'], []],
  ])('%s', (expression, names, labels) => {
    const all = used(expression);
    expect(all.map(({ name }) => name)).toEqual(names);
    expect(all[0]?.labels).toEqual(expect.arrayContaining(labels));
  });

  it('notices what does not exist', () => {
    expect(() => expectKnown('sum(waybill_nothing)')).toThrow();
    expect(() => expectKnown('sum by (host) (waybill_exchanges_total)')).toThrow();
  });
});

it('every panel of the Grafana dashboard shows metrics that exist', async () => {
  const dashboard = JSON.parse(await deploy('grafana/waybill-fetch-service.json')) as {
    panels: { title: string; type: string; targets?: { expr: string }[] }[];
    annotations: { list: { expr: string }[] };
    templating: { list: { type: string; query: string }[] };
  };
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  expect(panels.length).toBeGreaterThan(20);
  for (const { title, targets } of panels) {
    expect(targets?.length, title).toBeGreaterThan(0);
    for (const { expr } of targets ?? []) expectKnown(expr);
  }
  for (const { expr } of dashboard.annotations.list) expectKnown(expr);
  for (const { query } of dashboard.templating.list.filter(({ type }) => type === 'query')) {
    expect([...series.keys()]).toContain(/^label_values\((\w+), \w+\)$/.exec(query)?.[1]);
  }
});

it('every alert of Prometheus looks at metrics that exist, and says what to do', async () => {
  const { groups } = parse(await deploy('prometheus/waybill.rules.yaml')) as {
    groups: {
      rules: { alert: string; expr: string; labels: { severity: string }; annotations: Record<string, string> }[];
    }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(5);
  for (const { alert, expr, labels, annotations } of rules) {
    expectKnown(expr);
    expect(labels.severity, alert).toMatch(/^(critical|warning|info)$/);
    expect(annotations.description?.length ?? 0, alert).toBeGreaterThan(30);
  }
});

it('every metric is described', async () => {
  const text = await readFile(fileURLToPath(new URL('../../../../docs/observability.md', import.meta.url)), 'utf8');
  const names = new Set([...text.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const abbreviated = [...text.matchAll(/`…(_\w+)`/g)].map(([, end = '']) => end);
  const own = [...series.keys()].filter((name) => name.startsWith('waybill_') && !/_(bucket|sum|count)$/.test(name));
  for (const name of own) {
    expect(names.has(name) || abbreviated.some((end) => name.endsWith(end)), name).toBe(true);
  }
});

import type { BenchResult } from '../bench-result.ts';
import { type Bar, barPanel, barPanelHeight, type Frame } from './bar-panel.ts';
import { type Curve, linePanel } from './line-panel.ts';
import { styleSheet } from './style-sheet.ts';
import { rectangle, type Svg, textAt } from './svg.ts';

const width = 940;
const margin = 20;
const columns = 3;
const columnWidth = (width - 2 * margin) / columns;
const headHeight = 62;
const memoryHeight = 190;
/** DESIGN: no process of ours may need more. */
const memoryLimitMib = 200;

/** What is drawn as bars, in this order; a metric that was not measured leaves no gap. */
const barMetrics: readonly { readonly id: string; readonly title: string; readonly less?: true }[] = [
  { id: 'body.rate', title: 'One large body' },
  { id: 'bodies.rate', title: 'Four bodies at once' },
  { id: 'kept.rate', title: '1 KiB, tunnels kept' },
  { id: 'kept100k.rate', title: '100 KiB, tunnels kept' },
  { id: 'fresh.rate', title: 'New tunnel each' },
  { id: 'newhost.p50', title: 'First request to a host', less: true },
  { id: 'latency.addedP50', title: 'Added latency, median', less: true },
  { id: 'kept.cpu', title: 'Processor time, 1 KiB', less: true },
  { id: 'body.cpu', title: 'Processor time, large body', less: true },
];

const memoryWorks = [
  { id: 'memory-body', title: 'Memory: one large body' },
  { id: 'memory-hosts', title: 'Memory: many hosts' },
  { id: 'memory-requests', title: 'Memory: many requests' },
];

/** Draws a result. The same result gives the same picture, byte by byte; it is readable on light and dark pages. */
export function drawPicture(result: BenchResult): Svg {
  const engines = result.engines.filter(({ missing }) => missing === undefined).map(({ id }) => id);
  const bars = barMetrics.filter(({ id }) => engines.some((engine) => result.summary[engine]?.[id]));
  const memory = memoryWorks
    .map((work) => ({ ...work, curves: curvesOf(result, work.id) }))
    .filter(({ curves }) => curves.length > 0);
  const rowHeight = barPanelHeight(engines.length);
  const barRows = Math.ceil(bars.length / columns);
  const memoryTop = headHeight + barRows * rowHeight;
  const height = memoryTop + (memory.length > 0 ? memoryHeight : 0) + 8;
  const place = (index: number, top: number, high: number): Frame => ({
    x: margin + (index % columns) * columnWidth,
    y: top + Math.floor(index / columns) * high,
    width: columnWidth - 14,
    height: high - 8,
  });
  const parts = [
    rectangle(0.5, 0.5, width - 1, height - 1, 'page'),
    ...heading(result),
    ...bars.flatMap(({ id, title, less }, index) => {
      const { unit = '' } = result.metrics.find((metric) => metric.id === id) ?? {};
      const hint = less ? `${unit}, less is better` : unit;
      return barPanel(place(index, headHeight, rowHeight), title, hint, barsOf(result, engines, id));
    }),
    ...memory.flatMap(({ title, curves }, index) =>
      linePanel(place(index, memoryTop, memoryHeight), title, curves, memoryLimitMib),
    ),
  ];
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="Benchmark results">`;
  return `${[open, `<style>${styleSheet}</style>`, ...parts, '</svg>'].join('\n')}\n`;
}

function heading({ date, machine, kind }: BenchResult): Svg[] {
  const { cpu, cores, memoryGiB, system, node, fileSystem } = machine;
  const what = kind === 'full' ? '' : ` (${kind})`;
  return [
    textAt(margin, 28, `Waybill beside others, ${date.slice(0, 10)}${what}`, { size: 16, className: 'title' }),
    textAt(
      margin,
      46,
      `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, spool on ${fileSystem}; medians, whiskers: lowest and highest round`,
      { size: 11, className: 'muted' },
    ),
  ];
}

function barsOf({ summary }: BenchResult, engines: readonly string[], metric: string): Bar[] {
  return engines.map((engine) => ({
    name: engine.replace('waybill-permissive', 'permissive').replace('waybill-strict', 'waybill strict'),
    className: colourOf(engine),
    spread: summary[engine]?.[metric],
    isLimit: engine === 'direct',
  }));
}

function curvesOf({ turns }: BenchResult, work: string): Curve[] {
  return turns.flatMap(({ engine, memory }) => {
    const points = memory[work];
    return points ? [{ className: colourOf(engine), points }] : [];
  });
}

/** Class of an engine's colour in the style sheet. */
function colourOf(engine: string): string {
  return `e-${engine.replace(/[^a-z0-9-]/g, '')}`;
}

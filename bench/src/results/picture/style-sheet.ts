/** Engines of ours in blue, so that they are found at a glance; all others apart in hue and lightness. */
const light = {
  page: '#ffffff',
  edge: '#d1d9e0',
  text: '#1f2328',
  muted: '#59636e',
  direct: '#c4ccd4',
  'waybill-strict': '#0550ae',
  'waybill-permissive': '#54aeff',
  squid: '#bc4c00',
  mitmdump: '#8250df',
  bare: '#2da44e',
};

const dark: typeof light = {
  page: '#0d1117',
  edge: '#3d444d',
  text: '#f0f6fc',
  muted: '#9198a1',
  direct: '#656c76',
  'waybill-strict': '#58a6ff',
  'waybill-permissive': '#1f6feb',
  squid: '#f0883e',
  mitmdump: '#bc8cff',
  bare: '#3fb950',
};

const engines = ['direct', 'waybill-strict', 'waybill-permissive', 'squid', 'mitmdump', 'bare'] as const;

/** Colours follow the reader's setting where the viewer knows it; the picture brings its own page, so both are readable. */
export const styleSheet = `
svg { ${variables(light)} font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) { svg { ${variables(dark)} } }
text { fill: var(--text); }
.title { font-weight: 600; }
.muted { fill: var(--muted); }
.page { fill: var(--page); stroke: var(--edge); }
.whisker { stroke: var(--text); stroke-width: 1; opacity: 0.65; }
.axis { stroke: var(--edge); }
.limit { stroke: var(--muted); stroke-dasharray: 4 3; }
.cut { fill: var(--page); }
.curve { stroke-width: 1.6; stroke-linejoin: round; }
${engines.map((engine) => `.e-${engine} { fill: var(--${engine}); stroke: none; } .curve.e-${engine} { fill: none; stroke: var(--${engine}); }`).join('\n')}
`;

function variables(colours: Readonly<Record<string, string>>): string {
  return Object.entries(colours)
    .map(([name, colour]) => `--${name}: ${colour};`)
    .join(' ');
}

import { createHash } from 'node:crypto';
import type { AuditRecord, NamespaceUsage } from '@waybill/cache-store';
import type { HitSpan } from '../serving/hit-history.js';
import { version } from '../version.js';
import { formatAge, formatBytes, formatCount } from './formats.js';
import { hitChart, hitRate, sumOf } from './hit-chart.js';
import { Html, html } from './html.js';

/** What the page shows. */
export interface PageContent {
  readonly principal: string;
  readonly namespaces: readonly { readonly usage: NamespaceUsage; readonly spans: readonly HitSpan[] }[];
  /** Newest first. */
  readonly written: readonly AuditRecord[];
  readonly now: Date;
  readonly pullUrl?: string | undefined;
  readonly pushUrl?: string | undefined;
}

const style = `
:root { color-scheme: light dark; --text: #1c2024; --dim: #60646c; --line: #e0e1e6; --back: #fcfcfd; --hit: #30a46c; --miss: #e8e8ec; --full: #e5484d; }
@media (prefers-color-scheme: dark) { :root { --text: #edeef0; --dim: #b0b4ba; --line: #363a3f; --back: #111113; --hit: #3dd68c; --miss: #2e3135; --full: #ff6369; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1rem; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; }
header { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; align-items: baseline; } header p, footer, .dim { color: var(--dim); margin: 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85rem; } th, td { padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line); vertical-align: middle; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; } .key { font-family: ui-monospace, monospace; font-size: .85rem; white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
meter { width: 7rem; height: .55rem; } svg { display: block; } .hit { fill: var(--hit); } .miss { fill: var(--miss); } .idle { fill: var(--line); }
code { font-family: ui-monospace, monospace; font-size: .9em; } footer { margin-top: 2.5rem; font-size: .85rem; }
`;

/** Nothing but this page's own style: names in it are other people's text. */
export const contentSecurityPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The page of a cache, whole. */
export function renderPage(content: PageContent): string {
  const { principal, pullUrl, pushUrl } = content;
  const links = [pullUrl && html` Pull: <code>${pullUrl}</code>`, pushUrl && html` Push: <code>${pushUrl}</code>`];
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>artifact-cache</title><style>${new Html(style)}</style></head>
<body>
<header><h1>artifact-cache</h1><p>seen as <b>${principal}</b>.${links.filter((link) => link instanceof Html)}</p></header>
${namespaces(content)}
${written(content)}
<footer>Waybill ${version}. Hit rates are those of this server process in the last 24 hours; <a href="/metrics">metrics</a> and <a href="/openapi.json">the API</a> say more.</footer>
</body>
</html>
`.text;
}

function namespaces({ namespaces: all }: PageContent): Html {
  if (all.length === 0) return html`<h2>Namespaces</h2><p class="dim">Nothing was stored yet.</p>`;
  const rows = all.map(({ usage, spans }) => {
    const { bytes, quotaBytes } = usage;
    const share = quotaBytes ? bytes / quotaBytes : undefined;
    const meter =
      share === undefined
        ? html`<span class="dim">no quota</span>`
        : html`<meter min="0" max="1" high="0.95" value="${Math.min(share, 1).toFixed(3)}"></meter> <span class="dim">${Math.round(share * 100)} % of ${formatBytes(quotaBytes ?? 0)}</span>`;
    return html`<tr><td><b>${usage.namespace}</b></td><td class="number">${formatBytes(bytes)}</td><td>${meter}</td><td class="number">${formatCount(usage.entries)}</td><td class="number">${formatCount(usage.blobs)}</td><td class="number">${hitRate(sumOf(spans))}</td><td>${hitChart(spans)}</td></tr>`;
  });
  return html`<h2>Namespaces</h2>
<div class="scroll"><table><thead><tr><th>Name</th><th class="number">Size</th><th>Quota</th><th class="number">Entries</th><th class="number">Blobs</th><th class="number">Hits</th><th>by hour</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function written({ written: records, now }: PageContent): Html {
  if (records.length === 0) return html`<h2>Newest entries</h2><p class="dim">Nothing was published yet.</p>`;
  const rows = records.map(({ at, namespace, action, kind, key, writer }) => {
    const client = writer.client === undefined ? undefined : html` <span class="dim">${writer.client}</span>`;
    return html`<tr><td><time datetime="${at.toISOString()}" title="${at.toISOString()}">${formatAge(now.getTime() - at.getTime())}</time></td><td>${namespace}</td><td>${kind ?? ''}</td><td class="key">${key ?? ''}${action === 'replace' ? html` <span class="dim">(replaced)</span>` : undefined}</td><td>${writer.principal}${client}</td></tr>`;
  });
  return html`<h2>Newest entries</h2>
<div class="scroll"><table><thead><tr><th>When</th><th>Namespace</th><th>Kind</th><th>Key</th><th>Written by</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected } from '../opinions.js';
import { goSettings } from './configuration.js';

/** Go itself reads no more of a page than its head. */
const pageBytes = 4 * 2 ** 20;

/**
 * Pages that say where a module's repository lies (`?go-get=1`), for GOPROXY=direct: approved by trust in the configured place,
 * when they name a repository for the path asked for. docs/inspectors/go.import.md
 */
export function goImport(config: InspectorsConfig): Inspector<{ readonly path: string }> {
  const { imports } = goSettings(config);
  return {
    id: 'go.import',
    inspectRequest({ url, normalizedUrl, method }) {
      if (method !== 'GET' || url.search !== '?go-get=1') return undefined;
      const address = normalizedUrl.slice(0, normalizedUrl.indexOf('?'));
      if (!imports.some((glob) => glob.matches(address))) return undefined;
      const path = `${url.host}${url.pathname.replace(/(?<!\/)\/+$/, '')}`;
      return pending(`where the repository of ${path} lies`, { path }, { path });
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      if (artifact.size > pageBytes) return rejected(`expected at most ${pageBytes} bytes, found ${artifact.size}`);
      const whole = await buffer(artifact.open());
      const found = readImports(whole.toString('utf8'));
      const { path } = expected;
      const match = found.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
      if (!match) return rejected(`expected a page with a go-import of ${path}, found ${found.length || 'none'}`);
      return approved(`${path} lies in ${match.repository} (${match.system})`, {
        metadata: { type: 'application/x.go.import', name: path, vendor: artifact.request.url.host },
        vouchedBy: [{ kind: 'origin', id: 'go.imports', name: artifact.request.url.host }],
        annotations: { prefix: match.prefix, vcs: match.system, repository: match.repository },
      });
    },
  };
}

interface Import {
  readonly prefix: string;
  readonly system: string;
  readonly repository: string;
}

/** `<meta name="go-import" content="prefix vcs repository">`, attributes in any order. */
function readImports(page: string): Import[] {
  const found: Import[] = [];
  for (const [tag] of page.matchAll(/<meta\s[^<>]{1,2000}>/gi)) {
    if (!/\bname\s*=\s*["']?go-import["'\s>]/i.test(tag)) continue;
    const content = /\bcontent\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(tag);
    const [prefix, system, repository, ...rest] = (content?.[1] ?? content?.[2] ?? '').trim().split(/\s+/);
    if (prefix && system && repository && rest.length === 0) found.push({ prefix, system, repository });
  }
  return found;
}

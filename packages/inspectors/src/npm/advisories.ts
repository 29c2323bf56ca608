import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { JsonProjectionError, projectJson } from '../json-projection.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { advisoriesRequestFault } from './advisories-request.js';
import { originLink } from './packument.js';
import { locate, npmRegistries, type Registry } from './registries.js';

/** What `npm audit` asks, and every `npm install` and `npm ci` with it: the bulk endpoint, and the older full reports. */
const bulk = '-/npm/v1/security/advisories/bulk';
const endpoints = new Set([bulk, '-/npm/v1/security/audits', '-/npm/v1/security/audits/quick']);

interface Expected {
  readonly registry: Registry;
  /** The service's own answer, by `npm.audit`. */
  readonly isOwn: boolean;
}

/** What npm, pnpm and yarn read when there is nothing to tell. */
const emptyReport = JSON.stringify({
  actions: [],
  advisories: {},
  muted: [],
  metadata: {
    vulnerabilities: { info: 0, low: 0, moderate: 0, high: 0, critical: 0 },
    dependencies: 0,
    devDependencies: 0,
    optionalDependencies: 0,
    totalDependencies: 0,
  },
});

/**
 * Security advisories of a configured registry for a list of packages. They tell about packages and bring none in, so a JSON
 * object from the trusted origin is approved; nothing vouches through it. docs/inspectors/npm.advisories.md
 */
export function npmAdvisories(config: InspectorsConfig): Inspector<Expected> {
  const registries = npmRegistries(config);
  const audit = config.npm?.audit ?? 'ask';
  return {
    id: 'npm.advisories',
    inspectRequest(request) {
      const located = locate(registries, request.normalizedUrl);
      if (!located || !endpoints.has(located.path)) return undefined;
      if (request.method !== 'POST') {
        return rejectedRequest(`advisories are asked for with POST, found ${request.method}`);
      }
      const fault = advisoriesRequestFault(request.body, located.path === bulk);
      if (fault !== undefined) return rejectedRequest(`not a question for advisories: ${fault}`);
      const { registry, path } = located;
      const notes = { registry: registry.id, ...(audit !== 'ask' && { audit }) };
      if (audit === 'refuse') {
        return rejectedRequest('questions for advisories are refused (npm.audit)', {
          ...notes,
          hint: 'install with --no-audit, or set npm.audit to ask or empty in inspectors.yaml',
        });
      }
      const isOwn = audit === 'empty';
      const body = path === bulk ? '{}' : emptyReport;
      return {
        ...pending(`advisories of ${registry.id}`, { registry, isOwn }, notes),
        needs: ['method', 'body'],
        ...(isOwn && { answer: { contentType: 'application/json', body } }),
      };
    },
    async inspectArtifact(artifact, expected) {
      if (!expected) return undefined;
      const { registry, isOwn } = expected;
      let entries = 0;
      try {
        const counter = {
          select: (path: readonly string[]) => (path.length === 0 ? 'enter' : count()),
          take() {},
        } as const;
        await projectJson(artifact.open(), counter, { maxBytes: 64 * 2 ** 20 });
      } catch (error) {
        if (!(error instanceof JsonProjectionError)) throw error;
        return rejected(`expected advisories as JSON: ${error.message}`);
      }
      const said = isOwn
        ? 'no advisories, the service’s own answer (npm.audit)'
        : `advisories from the configured registry ${registry.id}`;
      return approved(said, {
        metadata: { type: 'application/x.npm.advisories', name: 'npm advisories', vendor: registry.host },
        vouchedBy: [isOwn ? { kind: 'origin', id: 'npm.audit', name: 'this service' } : originLink(registry)],
        annotations: { entries },
      });

      function count(): 'skip' {
        entries++;
        return 'skip';
      }
    },
  };
}

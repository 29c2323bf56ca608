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

/**
 * Security advisories of a configured registry for a list of packages. They tell about packages and bring none in, so a JSON
 * object from the trusted origin is approved; nothing vouches through it. docs/inspectors/npm.advisories.md
 */
export function npmAdvisories(config: InspectorsConfig): Inspector<Registry> {
  const registries = npmRegistries(config);
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
      const notes = { registry: located.registry.id };
      return { ...pending(`advisories of ${notes.registry}`, located.registry, notes), needs: ['method', 'body'] };
    },
    async inspectArtifact(artifact, registry) {
      if (!registry) return undefined;
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
      return approved(`advisories from the configured registry ${registry.id}`, {
        metadata: { type: 'application/x.npm.advisories', name: 'npm advisories', vendor: registry.host },
        vouchedBy: [originLink(registry)],
        annotations: { entries },
      });

      function count(): 'skip' {
        entries++;
        return 'skip';
      }
    },
  };
}

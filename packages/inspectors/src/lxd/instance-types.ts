import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readYaml } from '../yaml-map.js';
import { type LxdServer, locateImage, lxdServers } from './servers.js';

const yamlBytes = 1 << 20;

/** Sizes of machines by provider. docs/inspectors/lxd.instance-types.md */
export function lxdInstanceTypes(config: InspectorsConfig): Inspector<LxdServer> {
  const servers = lxdServers(config);
  return {
    id: 'lxd.instance-types',
    inspectRequest(request) {
      const located = locateImage(servers, request);
      if (!located || !/^meta\/instance-types\/[A-Za-z0-9._-]{1,100}\.yaml$/.test(located.path)) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD')
        return rejectedRequest(`${request.method} of instance types`);
      if (!located.server.isTls)
        return rejectedRequest(`instance types are not signed, and ${located.server.id} is plain http`);
      return pending(`instance types of ${located.server.id}`, located.server);
    },
    async inspectArtifact(artifact, server) {
      if (!server) return undefined;
      if (artifact.size > yamlBytes) return rejected(`expected at most ${yamlBytes} bytes, found ${artifact.size}`);
      let found: string | undefined;
      try {
        found = shapeOf(readYaml((await buffer(artifact.open())).toString('utf8'), 'instance types'));
      } catch (error) {
        return rejected((error as Error).message);
      }
      if (found === undefined) return rejected('expected cpu and mem of instance types, or a list of providers');
      return approved(`${found} of the configured server ${server.id}`, {
        metadata: {
          type: 'application/x.canonical.lxd-instance-types',
          name: artifact.request.url.pathname.split('/').at(-1) ?? '',
          vendor: server.host,
        },
        vouchedBy: [server.origin],
      });
    },
  };
}

/** One of three shapes: providers with their types, the types of one, or the names of files by provider. */
function shapeOf(value: unknown): string | undefined {
  const entries = entriesOf(value);
  if (entries.length === 0) return undefined;
  if (entries.every((entry) => typeof entry === 'string')) return 'an index of providers';
  if (entries.every(isType)) return 'instance types';
  const all = entries.every((provider) => {
    const types = entriesOf(provider);
    return types.length > 0 && types.every(isType);
  });
  return all ? 'instance types by provider' : undefined;
}

function isType(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { cpu, mem } = value as Record<string, unknown>;
  return typeof cpu === 'number' && typeof mem === 'number';
}

function entriesOf(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.values(value) : [];
}

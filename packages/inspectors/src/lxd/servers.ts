import type { InspectorsConfig, RequestView, VouchLink } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { type KeyRing, readKeyRing } from '../apt/key-ring.js';

/** A configured server of images. */
export interface LxdServer {
  /** `lxd.servers.<name>` */
  readonly id: string;
  readonly host: string;
  /** Normalised, with a closing slash. */
  readonly base: string;
  readonly isTls: boolean;
  readonly origin: VouchLink;
  /** Keys that catalogs must be signed by; undefined when none are configured. */
  readonly keys: (() => Promise<KeyRing>) | undefined;
}

/** A URL below a configured server. */
export interface LocatedImage {
  readonly server: LxdServer;
  /** Below the server, decoded, without the query. */
  readonly path: string;
}

export function lxdServers(config: InspectorsConfig): readonly LxdServer[] {
  return Object.entries(config.lxd?.servers ?? {}).map(([name, server]): LxdServer => {
    const url = new URL(server.url.endsWith('/') ? server.url : `${server.url}/`);
    const armored = server['public-key'];
    let ring: Promise<KeyRing> | undefined;
    return {
      id: `lxd.servers.${name}`,
      host: url.host,
      base: normalizeUrl(url),
      isTls: url.protocol === 'https:',
      origin: { kind: 'origin', id: `lxd.servers.${name}`, name: url.host },
      keys:
        armored === undefined
          ? undefined
          : () => {
              ring ??= readKeyRing(armored);
              return ring;
            },
    };
  });
}

/** The longest base wins: a server may lie below another. */
export function locateImage(servers: readonly LxdServer[], { normalizedUrl }: RequestView): LocatedImage | undefined {
  if (servers.length === 0) return undefined;
  const address = normalizedUrl.split('?', 1)[0] as string;
  const [server] = servers.filter(({ base }) => address.startsWith(base)).sort((a, b) => b.base.length - a.base.length);
  if (!server) return undefined;
  try {
    return { server, path: decodeURIComponent(address.slice(server.base.length)) };
  } catch {
    return undefined;
  }
}

import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import type { InspectorsConfig, VouchLink } from '@waybill/contracts';
import { urlMatcher } from '../allowed-url.js';
import type { Inspector } from '../inspector.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';

const imageBytes = 16 * 2 ** 20;
const signature = '89504e470d0a1a0a';

/** Icons of packages in a craft store. docs/inspectors/store.appmedia.md */
export function storeAppmedia(config: InspectorsConfig): Inspector<VouchLink> {
  const allowed = urlMatcher('store', config.store?.urls);
  return {
    id: 'store.appmedia',
    inspectRequest(request) {
      const isIcon = /^\/site_media\/appmedia\/\d{1,10}\/\d{1,10}\/[^/]{1,200}$/.test(request.url.pathname);
      const origin = isIcon ? allowed(request) : undefined;
      if (!origin) return undefined;
      if (request.method !== 'GET' && request.method !== 'HEAD') return rejectedRequest(`${request.method} of an icon`);
      return pending('an icon of the store', origin);
    },
    async inspectArtifact(artifact, origin) {
      if (!origin) return undefined;
      if (artifact.size > imageBytes) return rejected(`expected at most ${imageBytes} bytes, found ${artifact.size}`);
      const fault = pngFault(await buffer(artifact.openRaw()));
      if (fault !== undefined) return rejected(`expected a PNG image: ${fault}`);
      return approved('an icon of the configured store', {
        metadata: {
          type: 'application/x.canonical.store.appmedia-png',
          name: artifact.request.url.pathname.split('/').at(-1) ?? '',
          vendor: artifact.request.url.hostname,
        },
        vouchedBy: [origin],
      });
    },
  };
}

/** Chunks with their checksums up to the end, and nothing behind. PNG specification §5.3 */
function pngFault(bytes: Buffer): string | undefined {
  if (bytes.toString('hex', 0, 8) !== signature) return 'another signature';
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    const end = at + 12 + length;
    if (at === 8 && type !== 'IHDR') return 'no header at first';
    if (end > bytes.length) break;
    if (crc32(bytes.subarray(at + 4, end - 4)) !== bytes.readUInt32BE(end - 4)) return 'a wrong checksum';
    if (type === 'IEND') return end === bytes.length ? undefined : 'bytes behind its end';
    at = end;
  }
  return 'it ends too early';
}

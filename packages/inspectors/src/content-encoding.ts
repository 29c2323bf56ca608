import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { InspectorError } from './errors.js';

/** Attribute under which a catalog's reference keeps the Content-Encoding of its bytes. */
export const contentEncodingAttribute = 'content-encoding';

const decoders: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * Removes a Content-Encoding from stored bytes. They were accepted decoded before, so an unknown coding is an error.
 * @throws InspectorError INSPECTOR_CATALOG_INVALID
 */
export function removeContentEncoding(stream: Readable, encoding: string | undefined): Readable {
  let decoded = stream;
  for (const coding of (encoding ?? '')
    .split(',')
    .map((part) => part.trim())
    .reverse()) {
    if (coding === '' || coding === 'identity') continue;
    const decoder = decoders[coding];
    if (!decoder) {
      stream.destroy();
      throw new InspectorError('INSPECTOR_CATALOG_INVALID', `unknown Content-Encoding ${JSON.stringify(coding)}`);
    }
    decoded = pipeline(decoded, decoder(), () => {}) as Transform;
  }
  return decoded;
}

import type { Database } from '@waybill/database';
import type { CacheBlob } from '../cache-store.js';

/** Lists as one parameter, whatever their length: JSON, which both databases read. */
export interface Lists {
  /** A table `(place, sha256, size)`; its parameter is what {@link blobsParameter} makes. */
  readonly blobs: string;
  /** A sub-select of texts; its parameter is a JSON array. */
  readonly texts: string;
  /** A sub-select of numbers; its parameter is a JSON array. */
  readonly numbers: string;
}

const blobColumns = 'cast(value->>0 as bigint) as place, value->>1 as sha256, cast(value->>2 as bigint) as size';

export function listsOf(dialect: Database['dialect']): Lists {
  if (dialect === 'sqlite') {
    return {
      blobs: `(select ${blobColumns} from json_each(?))`,
      texts: '(select value from json_each(?))',
      numbers: '(select value from json_each(?))',
    };
  }
  return {
    blobs: `(select ${blobColumns} from json_array_elements(cast(? as json)))`,
    texts: '(select value from json_array_elements_text(cast(? as json)))',
    numbers: '(select cast(value as bigint) from json_array_elements_text(cast(? as json)))',
  };
}

export function blobsParameter(blobs: readonly CacheBlob[]): string {
  return JSON.stringify(blobs.map(({ sha256, size }, place) => [place, sha256, size]));
}

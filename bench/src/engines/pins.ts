import { createHash } from 'node:crypto';
import type { MadeBodies } from '../load/job.ts';
import { madeBody, madeHost, madePath } from '../upstream/made-body.ts';
import type { Upstream } from '../upstream/start-upstream.ts';

export interface Pin {
  readonly url: string;
  readonly sha256: string;
}

/** The digest of every body that will be asked for, as a lock file would have it: these small ones, or the large ones. */
export function pinsOf(upstream: Upstream, bodies: MadeBodies | undefined): Pin[] {
  const { host, port, large, parts, probe } = upstream;
  if (!bodies) {
    return [large, ...parts, probe].map(({ path, sha256 }) => ({ url: `https://${host}:${port}${path}`, sha256 }));
  }
  return digestsOf(bodies).map((sha256, offset) => {
    const index = bodies.first + offset;
    return { url: `https://${madeHost(bodies, index, host)}:${port}${madePath(bodies, index)}`, sha256 };
  });
}

/** Every turn asks for the same ranges, and hashing them takes seconds. */
const known = new Map<string, readonly string[]>();

function digestsOf(bodies: MadeBodies): readonly string[] {
  const key = `${bodies.folder} ${bodies.first} ${bodies.end}`;
  const digests =
    known.get(key) ??
    Array.from({ length: bodies.end - bodies.first }, (_, offset) =>
      createHash('sha256')
        .update(madeBody(bodies, bodies.first + offset))
        .digest('hex'),
    );
  known.set(key, digests);
  return digests;
}

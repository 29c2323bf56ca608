import { entriesOf } from '../entries.js';
import type { SessionHistory, Violation } from '../history.js';

/** An event is sent only of what is recorded: each is in every report that was asked for afterwards. */
export function checkEvents({ id, events, readings }: SessionHistory): Violation[] {
  return readings
    .filter(({ kind }) => kind === 'report')
    .flatMap((reading) => {
      const counts = new Map<string, number>();
      for (const entry of entriesOf(reading)) {
        const key = keyOf({ ...entry, event: entry.list });
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return events
        .filter(({ at, event }) => at < reading.begun && event !== 'end')
        .flatMap((event) => {
          const left = counts.get(keyOf(event)) ?? 0;
          counts.set(keyOf(event), left - 1);
          if (left > 0) return [];
          return [{ rule: 'event-unrecorded', text: `${id.slice(0, 8)}: ${keyOf(event)} is not in the report` }];
        });
    });
}

function keyOf({
  event,
  url,
  sha256,
  time,
}: {
  readonly event: string;
  readonly url: string;
  readonly sha256?: string | undefined;
  readonly time: string;
}): string {
  // Events of answers without artifact do not name the body.
  return [event, url, event === 'response' ? '' : sha256, time].join(' ');
}

/** Ending a session leaves each artifact's bytes and description in its directory, whole, and nothing else. */
export function checkExports({ id, exports, readings }: SessionHistory): Violation[] {
  const last = readings.at(-1);
  if (!last) return [];
  const digests = last.report.artifacts.map(({ metadata }) => metadata.sha256);
  const wanted = new Set(['session.json', ...digests.flatMap((digest) => [`${digest}.json`, `${digest}.data`])]);
  return exports.flatMap(({ files }) => {
    const short = id.slice(0, 8);
    const missing = [...wanted].filter((name) => !files.has(name));
    const strange = [...files.keys()].filter((name) => !wanted.has(name));
    const wrong = [...files].filter(([name, sha256]) => name.endsWith('.data') && name !== `${sha256}.data`);
    return [
      ...missing.map((name) => ({ rule: 'export-missing', text: `${short}: ${name} was not written` })),
      ...strange.map((name) => ({ rule: 'export-strange', text: `${short}: ${name} belongs to no artifact` })),
      ...wrong.map(([name]) => ({ rule: 'export-damaged', text: `${short}: ${name} has other bytes` })),
    ];
  });
}

/** With nothing broken, sessions go on: what was asked for then came. */
export function checkGoesOn({ id, policy, attempts }: SessionHistory): Violation[] {
  return attempts
    .filter(({ mustSucceed, outcome, status }) => mustSucceed && (outcome !== 'answered' || status !== 200))
    .map(({ id: attempt, url, outcome, status, note }) => ({
      rule: 'stuck',
      text: `${policy} ${id.slice(0, 8)}: ${attempt} ${url} was ${outcome} ${status ?? ''} although nothing was broken: ${note ?? ''}`,
    }));
}

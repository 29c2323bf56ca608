import type { Span, Violation } from '../history.js';
import { overlaps } from '../rules/states.js';
import type { CacheHistory } from './history.js';

/** With nothing broken everything works, what is wrong is refused, and no limit is exceeded. */
export function checkAnswers(history: CacheHistory): Violation[] {
  return [...checkPulls(history), ...checkWrites(history), ...checkDeeds(history), ...checkLimits(history)];
}

interface Answer extends Span {
  readonly status: number | undefined;
  readonly note?: string | undefined;
}

function checkPulls({ pulls, faults }: CacheHistory): Violation[] {
  return pulls.flatMap((pull) => {
    const what = `${pull.namespace} ${pull.key}: a pull`;
    const isStuck = pull.mustSucceed && (pull.outcome === 'unanswered' || pull.blobs.some(isBroken));
    return [
      ...[pull, ...pull.blobs].flatMap((one) => failureOf(one, faults, what)),
      ...(isStuck ? [{ rule: 'stuck', text: `${what} gets no answer: ${pull.status} ${pull.note ?? ''}` }] : []),
    ];
  });
}

function isBroken({ outcome }: { readonly outcome: string }): boolean {
  return outcome === 'broken';
}

function checkWrites({ writes, namespaces, faults }: CacheHistory): Violation[] {
  return writes.flatMap((write) => {
    const what = `${write.namespace} ${write.key}: a push`;
    const isFull = write.status === 507;
    // Where nothing is evicted there is a limit too, and nobody is near it.
    if (isFull && namespaces.get(write.namespace)?.evicts) return [];
    return failureOf(write, faults, what);
  });
}

function failureOf(answer: Answer, faults: readonly Span[], what: string): Violation[] {
  const { status = 0, note = '', begun, ended } = answer;
  if (status < 500 || overlaps(answer, faults)) return [];
  return [{ rule: 'failed', text: `${what} answered ${status} (moments ${begun}–${ended}): ${note}` }];
}

function checkDeeds({ deeds, faults }: CacheHistory): Violation[] {
  return deeds.flatMap((deed) => {
    const { what, namespace, status, allowed, note = '', begun, ended } = deed;
    if (status === undefined || allowed.includes(status)) return [];
    if (status >= 500 && overlaps(deed, faults)) return [];
    const text = `${namespace}: ${what} answered ${status} (moments ${begun}–${ended}): ${note}`;
    return [{ rule: 'wrong-answer', text }];
  });
}

function checkLimits({ usages, namespaces }: CacheHistory): Violation[] {
  return usages.flatMap(({ at, namespace, bytes }) => {
    const { hardLimitBytes = Number.POSITIVE_INFINITY } = namespaces.get(namespace) ?? {};
    if (bytes <= hardLimitBytes) return [];
    const text = `${namespace} takes ${bytes} bytes of ${hardLimitBytes} (moment ${at})`;
    return [{ rule: 'limit-exceeded', text }];
  });
}

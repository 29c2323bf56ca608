import type { Moment, Violation } from '../history.js';
import { type CacheHistory, type EntryValue, type Pull, ruleOf, type Write } from './history.js';

/**
 * Each name is a register: what a pull finds was written, it is not older than the latest write that was confirmed before the
 * pull began, and a confirmed name is there until it is removed, or evicted where there is a quota.
 */
export function checkNames(history: CacheHistory): Violation[] {
  const writes = Map.groupBy(history.writes, nameOf);
  const pulls = Map.groupBy(history.pulls, nameOf);
  const names = new Set([...writes.keys(), ...pulls.keys()]);
  return [...names].flatMap((name) => {
    const evicts = history.namespaces.get(name.split(' ')[0] ?? '')?.evicts ?? false;
    return checkName({ name, evicts, writes: writes.get(name) ?? [], pulls: pulls.get(name) ?? [] });
  });
}

interface Name {
  readonly name: string;
  readonly evicts: boolean;
  readonly writes: readonly Write[];
  readonly pulls: readonly Pull[];
}

/** A write that happened, or may have. */
interface Effect {
  readonly text: string;
  readonly begun: Moment;
  /** By when it had happened; infinite while nobody knows whether it did. */
  readonly settled: Moment;
}

const nothing = 'nothing';

function checkName({ name, evicts, writes, pulls }: Name): Violation[] {
  const answered = pulls.filter(({ outcome }) => outcome !== 'unanswered');
  const effects = [{ text: nothing, begun: -1, settled: -1 }, ...effectsOf(writes, answered)];
  return [
    ...answered.flatMap((pull) => checkPull({ name, evicts, effects, writes, pull })),
    ...(evicts ? [] : checkFirst(name, writes, answered)),
    ...checkConflicts(name, writes),
  ];
}

function effectsOf(writes: readonly Write[], pulls: readonly Pull[]): Effect[] {
  return writes.flatMap(({ outcome, entry, begun, ended }) => {
    if (outcome === 'exists' || outcome === 'refused') return [];
    const text = textOf(entry);
    if (outcome === 'done') return [{ text, begun, settled: ended }];
    // Values are unlike each other: who finds one proves that it was written.
    const seen = pulls.filter((pull) => entry && pull.ended > begun && textOf(pull.entry) === text);
    return [{ text, begun, settled: Math.min(...seen.map((pull) => pull.ended)) }];
  });
}

interface Finding {
  readonly name: string;
  readonly evicts: boolean;
  readonly effects: readonly Effect[];
  readonly writes: readonly Write[];
  readonly pull: Pull;
}

function checkPull({ name, evicts, effects, writes, pull }: Finding): Violation[] {
  const text = textOf(pull.entry);
  if (text === nothing && evicts) return [];
  const place = `${name} (moments ${pull.begun}–${pull.ended})`;
  const sources = effects.filter((effect) => effect.text === text && effect.begun < pull.ended);
  if (sources.length === 0) return [{ rule: 'made-up', text: `${place} has ${text}, which ${whoTried(text, writes)}` }];
  // A first value stays: a later write that was confirmed had the very same.
  const later = effects.filter(({ settled, text: other }) => settled < pull.begun && other !== text);
  const isCurrent = sources.some((source) => !later.some(({ begun }) => begun > source.settled));
  if (isCurrent) return [];
  const newest = later.reduce((a, b) => (b.begun > a.begun ? b : a));
  const rule = text === nothing ? 'entry-lost' : 'entry-stale';
  const written = `${newest.text} was written at ${newest.begun}–${newest.settled}`;
  return [{ rule, text: `${place} has ${text}, and ${written}` }];
}

/** What became of attempts to write a value that should not be there. */
function whoTried(text: string, writes: readonly Write[]): string {
  const tried = writes.filter(({ entry }) => textOf(entry) === text);
  if (tried.length === 0) return 'nobody wrote';
  const what = ({ outcome, status, begun, ended, note = '' }: Write) =>
    `was ${outcome} (${status}, moments ${begun}–${ended}): ${note.slice(0, 200)}`;
  return tried.map(what).join('; ');
}

/** Of a name whose first value wins there is only ever one. */
function checkFirst(name: string, writes: readonly Write[], pulls: readonly Pull[]): Violation[] {
  if (ruleOf(name.slice(name.indexOf(' ') + 1)) !== 'first') return [];
  const confirmed = writes.filter(({ outcome }) => outcome === 'done').map(({ entry }) => textOf(entry));
  const found = pulls.map(({ entry }) => textOf(entry)).filter((text) => text !== nothing);
  const values = new Set([...confirmed, ...found]);
  if (values.size <= 1) return [];
  return [{ rule: 'overwritten', text: `${name} had ${[...values].join(', then ')}, and its first value was to stay` }];
}

/** Who is told that a name has another value is told the truth. */
function checkConflicts(name: string, writes: readonly Write[]): Violation[] {
  return writes.flatMap((write) => {
    if (write.outcome !== 'exists') return [];
    const others = writes.filter(
      (other) =>
        other !== write && other.begun < write.ended && other.outcome !== 'refused' && other.outcome !== 'exists',
    );
    if (others.some(({ entry }) => textOf(entry) !== textOf(write.entry))) return [];
    return [{ rule: 'conflict-made-up', text: `${name} (moments ${write.begun}–${write.ended}) had no other value` }];
  });
}

function nameOf({ namespace, key }: { readonly namespace: string; readonly key: string }): string {
  return `${namespace} ${key}`;
}

function textOf(entry: EntryValue | undefined): string {
  if (!entry) return nothing;
  const references = [...new Set(entry.references)].sort().map((sha256) => sha256.slice(0, 8));
  return [entry.value.slice(0, 12), ...references].join('+');
}

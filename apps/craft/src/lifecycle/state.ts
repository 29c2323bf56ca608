import { createHash, randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../files/atomic-write.js';
import type { WorkLayout } from '../project/work-layout.js';

/** The steps of a part, in order. */
export const steps = ['pull', 'build', 'stage', 'prime'] as const;
/** One of {@link steps}. */
export type Step = (typeof steps)[number];

/** Key of a step that began to share files and did not finish; no digest equals it. */
export const unfinishedKey = 'unfinished';

const stepStateSchema = z.object({
  version: z.literal(1),
  /** Fresh for every run of the step: what follows notices that it ran again. */
  id: z.string(),
  /** Digest of what the step depends on. */
  key: z.string(),
  /** Ids of the steps that this one built on, by `<part>/<step>`. */
  upstream: z.record(z.string(), z.string()),
  /** Paths that the step put into the shared directory (stage and prime). */
  paths: z.array(z.string()).default([]),
  /** What craftctl set. */
  variables: z.record(z.string(), z.string()).default({}),
  /** What came of it, for people and reports: commit, digest. */
  outcome: z.record(z.string(), z.string()).default({}),
});
/** What is known of a finished step. */
export type StepState = z.infer<typeof stepStateSchema>;

/** States of the steps of one build. A state exists only while its step's result is whole. */
export interface StateStore {
  read(part: string, step: Step): Promise<StepState | undefined>;
  write(part: string, step: Step, state: Omit<StepState, 'version' | 'id'>): Promise<StepState>;
  remove(part: string, step: Step): Promise<void>;
}

/** Opens the states of a work directory. Unreadable states count as absent: the step runs again. */
export function createStateStore(layout: Pick<WorkLayout, 'state'>, newId: () => string = randomUUID): StateStore {
  const file = (part: string, step: Step) => join(layout.state, part, `${step}.json`);
  return {
    async read(part, step) {
      try {
        return stepStateSchema.parse(JSON.parse(await readFile(file(part, step), 'utf8')));
      } catch {
        return undefined;
      }
    },
    async write(part, step, state) {
      const whole: StepState = { version: 1, id: newId(), ...state };
      await writeFileAtomic(file(part, step), `${JSON.stringify(whole, undefined, 1)}\n`);
      return whole;
    },
    async remove(part, step) {
      await rm(file(part, step), { force: true });
    },
  };
}

/** Digest of a JSON value, independent of the order of its keys. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'undefined';
  const pairs = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${pairs
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`)
    .join(',')}}`;
}

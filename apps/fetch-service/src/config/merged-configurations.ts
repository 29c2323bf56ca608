import { hash } from 'node:crypto';
import type { InspectorsConfig } from '@waybill/contracts';
import { FetchServiceError } from '../errors.js';
import { findingLines } from './finding.js';
import { readInspectorsValue } from './inspectors-config.js';
import { belowCeiling } from './limit-ceiling.js';

/** Configurations kept for sessions to come: builds of one project ask for the same again and again. */
const keptConfigurations = 8;

/** Configurations of sessions: a section that a session names replaces the service's, others are inherited. */
export interface MergedConfigurations {
  /**
   * Equal sections on the same base give the same object, so that what is made of a large configuration is made once.
   * @throws FetchServiceError FETCH_REQUEST_INVALID
   */
  of(base: InspectorsConfig, sections: unknown): Promise<InspectorsConfig>;
}

export function createMergedConfigurations(): MergedConfigurations {
  /** Least recently used first. */
  let kept = new Map<string, InspectorsConfig>();
  let keptFor: InspectorsConfig | undefined;
  return {
    async of(base, sections) {
      if (sections === undefined || sections === null) return base;
      const present = presentSections(sections);
      // Of an earlier configuration of the service.
      if (keptFor !== base) kept = new Map();
      keptFor = base;
      const key = hash('sha256', textOf(present), 'base64url');
      const config = kept.get(key) ?? merge(base, await checked(present));
      kept.delete(key);
      if (keptFor === base) kept.set(key, config);
      const [oldest] = kept.keys();
      if (kept.size > keptConfigurations && oldest !== undefined) kept.delete(oldest);
      return config;
    },
  };
}

/** Whole sections replace. */
function merge(base: InspectorsConfig, sections: InspectorsConfig): InspectorsConfig {
  const { limits } = sections;
  return { ...base, ...sections, ...(limits && { limits: belowCeiling(limits, base.limits) }) };
}

/** `null` counts as absent, as older callers send it. */
function presentSections(sections: unknown): Record<string, unknown> {
  if (typeof sections !== 'object' || sections === null || Array.isArray(sections)) {
    throw new FetchServiceError('FETCH_REQUEST_INVALID', 'inspectors-configuration: expected an object of sections');
  }
  return Object.fromEntries(Object.entries(sections).filter(([, section]) => section !== null));
}

function textOf(sections: Record<string, unknown>): string {
  try {
    return JSON.stringify(sections);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new FetchServiceError('FETCH_REQUEST_INVALID', 'inspectors-configuration: nested too deeply', {
      hint: 'no section needs more than ten levels',
      cause,
    });
  }
}

async function checked(sections: Record<string, unknown>): Promise<InspectorsConfig> {
  const { config, findings } = await readInspectorsValue(sections);
  if (config) return config;
  throw new FetchServiceError('FETCH_REQUEST_INVALID', findingLines(findings, 'inspectors-configuration').join('\n'));
}

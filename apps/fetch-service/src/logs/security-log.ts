import { hostname } from 'node:os';
import { type Clock, redactText, systemClock, toRfc3339 } from '@waybill/contracts';
import { version } from '../version.js';
import { createFailureLimit } from './failure-limit.js';

/** Severity as the security log spells it. */
export type SecurityLevel = 'INFO' | 'WARN' | 'CRITICAL';

/** Facts of one event beside its name. specs/fetch-service.md §6.7 */
export interface SecurityFacts {
  readonly host_ip?: string | undefined;
  readonly client_ip?: string | undefined;
  readonly user_agent?: string | undefined;
  readonly identity?: string | undefined;
  readonly request_url?: string | undefined;
  readonly reason?: string | undefined;
  readonly token_type?: 'FETCH_SERVICE_SESSION' | undefined;
  readonly policy_mode?: 'strict-only' | 'permissive-allowed' | undefined;
  readonly runtime_env?: string | undefined;
  readonly stack_trace?: string | undefined;
}

/** Writes events that matter to whoever watches over the machine, one JSON object a line. */
export interface SecurityLog {
  event(level: SecurityLevel, name: string, description: string, facts?: SecurityFacts): void;
}

/** How names of events begin of which a stranger can cause as many as it likes. */
const failedLogin = 'authn_login_fail:';

/** Drops everything. */
export const silentSecurityLog: SecurityLog = { event() {} };

/** @param write takes one line with its newline */
export function createSecurityLog(write: (line: string) => void, clock: Clock = systemClock): SecurityLog {
  const host = hostname();
  const failures = createFailureLimit(clock);
  return {
    event(level, name, description, facts = {}) {
      const omitted = name.startsWith(failedLogin) ? failures.note(withoutPort(facts.client_ip ?? '')) : 0;
      if (omitted === undefined) return;
      const cleaned = Object.fromEntries(
        Object.entries(facts).flatMap(([key, value]) => (value === undefined ? [] : [[key, clean(value)]])),
      );
      const line = {
        datetime: toRfc3339(clock.now()),
        appid: `fetch-service:${version}`,
        type: 'security',
        hostname: host,
        level,
        event: clean(name),
        description: clean(description),
        ...cleaned,
        ...(omitted > 0 && { omitted_before: omitted }),
        version,
        node_version: process.version,
      };
      write(`${JSON.stringify(line)}\n`);
    },
  };
}

const longestText = 4000;

/** Names of users and agents come from whoever connects. */
function clean(text: string): string {
  return redactText(text.slice(0, 2 * longestText)).slice(0, longestText);
}

/** Each attempt may come from another port. */
export function withoutPort(address: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(address)?.[1] ?? address.replace(/^([^:]*):\d+$/, '$1');
}

import { hostname } from 'node:os';
import { type Clock, redactText, systemClock, toRfc3339 } from '@waybill/contracts';
import { version } from '../version.js';

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

/** Drops everything. */
export const silentSecurityLog: SecurityLog = { event() {} };

/** @param write takes one line with its newline */
export function createSecurityLog(write: (line: string) => void, clock: Clock = systemClock): SecurityLog {
  const host = hostname();
  return {
    event(level, name, description, facts = {}) {
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
        version,
        node_version: process.version,
      };
      write(`${JSON.stringify(line)}\n`);
    },
  };
}

/** Names of users and agents come from whoever connects. */
function clean(text: string): string {
  return redactText(text).slice(0, 4000);
}

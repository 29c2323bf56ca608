import { type AclConfig, aclSchema } from '@waybill/contracts';
import { PolicyError, parseAcl } from '@waybill/policy';
import type { Finding } from './finding.js';
import type { CheckedConfig } from './inspectors-config.js';
import { type Place, readYaml } from './yaml-text.js';

/** Reads the text of an `acl.yaml`. specs/fetch-service.md §3.8 */
export function readAclText(text: string): CheckedConfig<AclConfig> {
  const read = readYaml(text, aclSchema);
  if ('findings' in read) return { config: undefined, findings: read.findings };
  const fault = networkFault(read.value, read.place);
  return fault ? { config: undefined, findings: [fault] } : { config: read.value, findings: [] };
}

function networkFault(config: AclConfig, place: (path: readonly PropertyKey[]) => Place): Finding | undefined {
  try {
    parseAcl(config);
    return undefined;
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause;
    const [, path = '', message = cause.message] = /^(\S+): (.*)$/s.exec(cause.message) ?? [];
    const text = cause.hint ? `${message} (${cause.hint})` : message;
    return { severity: 'error', path, message: text, ...place(pathParts(path)) };
  }
}

/** `http-proxy.rules[0].dst[1]` → its parts. */
function pathParts(path: string): PropertyKey[] {
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map((match) =>
    match[1] === undefined ? match[0] : Number(match[1]),
  );
}

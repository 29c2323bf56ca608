import type { AclConfig } from '@waybill/contracts';
import { type IpNetwork, parseIpNetwork } from './ip-address.js';
import { PolicyError } from './policy-error.js';

/** One rule, ready to match. */
export interface AclRule {
  /** Where it stands in the configuration, for messages: `http-proxy.rules[0]`. */
  readonly path: string;
  readonly networks: readonly IpNetwork[];
  readonly access: 'allow' | 'deny';
}

/** An access list: the first rule with a matching network decides, else the policy. */
export interface Acl {
  readonly policy: 'allow' | 'deny';
  readonly rules: readonly AclRule[];
}

/**
 * Parses the networks of an access list. `dst` holds addresses (IPv4 or IPv6) and CIDR networks.
 * @throws PolicyError POLICY_ACL_INVALID, naming the rule
 * @see specs/fetch-service.md §3.8
 */
export function parseAcl(config: AclConfig): Acl {
  const { policy, rules } = config['http-proxy'];
  return {
    policy,
    rules: rules.map((rule, index) => {
      const path = `http-proxy.rules[${index}]`;
      return { path, access: rule.access, networks: rule.dst.map((dst, at) => network(dst, `${path}.dst[${at}]`)) };
    }),
  };
}

function network(text: string, path: string): IpNetwork {
  const found = parseIpNetwork(text);
  if (found) return found;
  throw new PolicyError(
    'POLICY_ACL_INVALID',
    `${path}: expected an IP address or CIDR, found ${JSON.stringify(text.slice(0, 100))}`,
    {
      hint: 'write for example 192.0.2.7, 10.0.0.0/8, 2001:db8::/32; host names are not supported',
    },
  );
}

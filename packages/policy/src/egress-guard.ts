import type { AclConfig, EgressGuard } from '@waybill/contracts';
import { type Acl, type AclRule, parseAcl } from './acl.js';
import { isForeignPort } from './foreign-ports.js';
import { embeddedIpv4, type IpAddress, type IpNetwork, isInNetwork, isSubnet, parseIpAddress } from './ip-address.js';
import { type SpecialRange, specialRanges } from './special-addresses.js';

/** What the guard decides with. */
export interface EgressGuardOptions {
  readonly acl?: AclConfig | undefined;
  /**
   * Sockets that we listen on ourselves (proxy, control API): never a destination, whatever the access list says. A listener
   * on all interfaces (`0.0.0.0`, `::`) stands for loopback too; the caller adds the addresses of the machine's interfaces.
   */
  readonly ownEndpoints?: readonly { readonly address: string; readonly port: number }[] | undefined;
  /**
   * Addresses of this machine's interfaces. What listens on them is as little a build's business as what listens on loopback,
   * so they are special like that: only a rule that names them lets builds in.
   */
  readonly ownAddresses?: readonly string[] | undefined;
}

/**
 * Guards destination addresses after resolution and before connecting (promise 9). Refused are own endpoints, ports of other
 * protocols than HTTP, then loopback,
 * unspecified, link-local, metadata, multicast and reserved addresses and those of this machine in every spelling (IPv4-mapped,
 * NAT64, 6to4 …) unless a rule of the access list allows them *explicitly*, that is with a network that lies inside the special
 * range (`127.0.0.1`, not `0.0.0.0/0`); then the access list in order, then its policy.
 *
 * @throws PolicyError POLICY_ACL_INVALID
 */
export function createEgressGuard(options: EgressGuardOptions = {}): EgressGuard {
  const acl: Acl = options.acl ? parseAcl(options.acl) : { policy: 'allow', rules: [] };
  const own = (options.ownEndpoints ?? []).map(({ address, port }) => ({ address: parseIpAddress(address), port }));
  const machine = (options.ownAddresses ?? []).flatMap(machineRange);
  return {
    refusalFor(text, port) {
      const address = parseIpAddress(text);
      if (!address) return `${JSON.stringify(text.slice(0, 100))} is not an IP address`;
      const candidates = [address, ...embeddedIpv4(address)];
      if (own.some((endpoint) => endpoint.port === port && isOwn(endpoint.address, candidates))) {
        return `${text} port ${port} is this service itself`;
      }
      if (isForeignPort(port)) return `port ${port} is another protocol's than HTTP (as browsers have it)`;
      const special = [
        ...specialRanges(address),
        ...machine.filter(({ network }) => candidates.some((one) => isInNetwork(one, network))),
      ];
      return special.length > 0
        ? specialRefusal(text, candidates, special, acl.rules)
        : aclRefusal(text, candidates, acl);
    },
  };
}

/** Loopback and link-local are special as whole ranges already. */
function machineRange(text: string): SpecialRange[] {
  const address = parseIpAddress(text);
  if (!address || specialRanges(address).length > 0) return [];
  return [{ name: 'an address of this machine itself', network: { ...address, length: address.bits } }];
}

function isOwn(own: IpAddress | undefined, candidates: readonly IpAddress[]): boolean {
  // A listener whose address is unknown (a host name) is taken to be anywhere: fail closed.
  if (!own) return true;
  const isWildcard = own.value === 0n;
  return candidates.some(
    (candidate) =>
      (candidate.bits === own.bits && candidate.value === own.value) ||
      (isWildcard && specialRanges(candidate).some(({ name }) => /loopback|unspecified/.test(name))),
  );
}

function specialRefusal(
  text: string,
  candidates: readonly IpAddress[],
  special: readonly SpecialRange[],
  rules: readonly AclRule[],
): string | undefined {
  for (const rule of rules) {
    const matching = rule.networks.filter((network) => candidates.some((one) => isInNetwork(one, network)));
    if (matching.length === 0) continue;
    if (rule.access === 'deny') return denied(text, rule);
    if (matching.some((network) => isExplicit(network, special))) return undefined;
  }
  const name = special[0]?.name ?? 'a special address';
  return `${text} is ${name}, which builds may not reach unless a rule of acl.yaml allows exactly that (dst: ["${text}"], access: allow)`;
}

/** One single address, or a network that reaches out of none of the special ranges (link-local does not imply metadata). */
function isExplicit(network: IpNetwork, special: readonly SpecialRange[]): boolean {
  return network.length === network.bits || special.every((range) => isSubnet(network, range.network));
}

function aclRefusal(text: string, candidates: readonly IpAddress[], acl: Acl): string | undefined {
  const rule = acl.rules.find(({ networks }) =>
    networks.some((network) => candidates.some((one) => isInNetwork(one, network))),
  );
  if (rule) return rule.access === 'deny' ? denied(text, rule) : undefined;
  return acl.policy === 'deny' ? `${text} matches no rule of acl.yaml and its policy is deny` : undefined;
}

function denied(text: string, rule: AclRule): string {
  return `${text} is denied by ${rule.path} of acl.yaml`;
}

import { embeddedIpv4, type IpAddress, type IpNetwork, isInNetwork, parseIpNetwork } from './ip-address.js';

/** A range that no build has business with unless somebody says so. */
export interface SpecialRange {
  readonly name: string;
  readonly network: IpNetwork;
}

/**
 * Most specific first: the name is shown. Private networks are not here, because mirrors and registries live there.
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
 */
const ranges: readonly SpecialRange[] = (
  [
    ['169.254.169.254/32', 'the cloud metadata service'],
    ['169.254.170.2/32', 'the cloud credentials service'],
    ['100.100.100.200/32', 'the cloud metadata service'],
    ['192.0.0.192/32', 'the cloud metadata service'],
    ['168.63.129.16/32', 'the cloud platform service'],
    ['fd00:ec2::/32', 'the cloud metadata service'],
    ['fd20:ce::254/128', 'the cloud metadata service'],
    ['0.0.0.0/8', 'an unspecified address'],
    ['127.0.0.0/8', 'a loopback address'],
    ['169.254.0.0/16', 'a link-local address'],
    ['224.0.0.0/4', 'a multicast address'],
    ['255.255.255.255/32', 'the broadcast address'],
    ['240.0.0.0/4', 'a reserved address'],
    ['::/128', 'an unspecified address'],
    ['::1/128', 'a loopback address'],
    ['fe80::/10', 'a link-local address'],
    ['ff00::/8', 'a multicast address'],
  ] as const
).map(([cidr, name]) => ({ name, network: parseIpNetwork(cidr) as IpNetwork }));

/** The special ranges that an address, or an IPv4 address embedded in it, lies in. */
export function specialRanges(address: IpAddress): SpecialRange[] {
  const all = [address, ...embeddedIpv4(address)];
  return ranges.filter((range) => all.some((one) => isInNetwork(one, range.network)));
}

import { isIPv4, isIPv6 } from 'node:net';

/** An address as a number; IPv4-mapped IPv6 is IPv4, because the system connects to the IPv4 host. */
export interface IpAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** A network: all addresses that share the first `length` bits. */
export interface IpNetwork extends IpAddress {
  readonly length: number;
}

/** Parses dotted IPv4 or any spelling of IPv6, with or without brackets and zone; undefined for anything else. */
export function parseIpAddress(text: string): IpAddress | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIPv4(bare)) return { bits: 32, value: parseIpv4(bare) };
  const zone = bare.indexOf('%');
  const address = zone < 0 ? bare : bare.slice(0, zone);
  if (!isIPv6(address)) return undefined;
  const value = parseIpv6(address);
  return value >> 32n === 0xffffn ? { bits: 32, value: value & 0xffff_ffffn } : { bits: 128, value };
}

/** Parses an address or CIDR; bits behind the prefix are dropped; undefined for anything else. */
export function parseIpNetwork(text: string): IpNetwork | undefined {
  const parts = /^([^/%]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text);
  const address = parts?.[1] === undefined || parts[1].startsWith('[') ? undefined : parseIpAddress(parts[1]);
  if (!address || !parts?.[1]) return undefined;
  // The prefix of `::ffff:10.0.0.0/104` counts IPv6 bits.
  const mapped = address.bits === 32 && parts[1].includes(':');
  const length = parts[2] === undefined ? address.bits : Number(parts[2]) - (mapped ? 96 : 0);
  if (length < 0 || length > address.bits) return undefined;
  return network(address, length);
}

/** Whether an address lies in a network. */
export function isInNetwork(address: IpAddress, { bits, value, length }: IpNetwork): boolean {
  return address.bits === bits && address.value >> BigInt(bits - length) === value >> BigInt(bits - length);
}

/** Whether every address of `inner` lies in `outer`. */
export function isSubnet(inner: IpNetwork, outer: IpNetwork): boolean {
  return inner.length >= outer.length && isInNetwork(inner, outer);
}

/**
 * IPv4 addresses that an IPv6 address leads to by way of a translator or tunnel: NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056),
 * Teredo (RFC 4380), ISATAP (RFC 5214), IPv4-compatible and IPv4-translated forms (RFC 4291, RFC 2765).
 */
export function embeddedIpv4({ bits, value }: IpAddress): IpAddress[] {
  if (bits === 32) return [];
  const low = value & 0xffff_ffffn;
  const found: bigint[] = [];
  const upper96 = value >> 32n;
  // :: and ::1 are not IPv4-compatible addresses.
  if ((upper96 === 0n && low > 1n) || upper96 === 0xffff_0000n || upper96 === 0x64_ff9b_0000_0000_0000_0000n)
    found.push(low);
  if (value >> 80n === 0x64_ff9b_0001n) found.push(...localNat64(value));
  if (value >> 112n === 0x2002n) found.push((value >> 80n) & 0xffff_ffffn);
  if (value >> 96n === 0x2001_0000n) found.push((value >> 64n) & 0xffff_ffffn, low ^ 0xffff_ffffn);
  const interfaceTop = (value >> 32n) & 0xffff_ffffn;
  if (interfaceTop === 0x5efen || interfaceTop === 0x0200_5efen) found.push(low);
  return found.map((address) => ({ bits: 32, value: address }));
}

/**
 * The local-use prefix says nothing about how long the operator's own prefix is: every length of RFC 6052 §2.2 is tried, and
 * what lands in 0.0.0.0/8 is the wrong length.
 */
function localNat64(value: bigint): bigint[] {
  const withoutReservedOctet = ((value >> 64n) << 56n) | (value & 0xff_ffff_ffff_ffffn);
  const tries = [40n, 32n, 24n].map((shift) => withoutReservedOctet >> shift);
  return [...tries, value].map((shifted) => shifted & 0xffff_ffffn).filter((address) => address >> 24n !== 0n);
}

function network({ bits, value }: IpAddress, length: number): IpNetwork {
  const host = BigInt(bits - length);
  return { bits, value: (value >> host) << host, length };
}

function parseIpv4(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseIpv6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted?.[1] && dotted[2]) {
    const v4 = parseIpv4(dotted[2]);
    return parseIpv6(`${dotted[1]}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`);
  }
  const [head = '', tail] = text.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

import type { AclConfig } from '@waybill/contracts';
import { describe, expect, it } from 'vitest';
import { createEgressGuard } from './egress-guard.js';

type Rule = AclConfig['http-proxy']['rules'][number];
const acl = (policy: 'allow' | 'deny', ...rules: Rule[]): AclConfig => ({ 'http-proxy': { policy, rules } });
const allow = (...dst: string[]): Rule => ({ dst, access: 'allow' });
const deny = (...dst: string[]): Rule => ({ dst, access: 'deny' });

describe('createEgressGuard without rules', () => {
  const guard = createEgressGuard();

  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['169.254.0.1', 'link-local'],
    ['169.254.169.254', 'metadata'],
    ['169.254.170.2', 'credentials'],
    ['100.100.100.200', 'metadata'],
    ['192.0.0.192', 'metadata'],
    ['168.63.129.16', 'cloud platform'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['240.0.0.1', 'reserved'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['0:0:0:0:0:0:0:1', 'loopback'],
    ['[::1]', 'loopback'],
    ['fe80::1', 'link-local'],
    ['FE80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['::1%lo', 'loopback'],
    ['fd00:ec2::254', 'metadata'],
    ['fd20:ce::254', 'metadata'],
    ['ff02::1', 'multicast'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['0:0:0:0:0:ffff:a9fe:a9fe', 'metadata'],
    ['::127.0.0.1', 'loopback'],
    ['::ffff:0:127.0.0.1', 'loopback'],
    ['64:ff9b::127.0.0.1', 'loopback'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['64:ff9b:1::169.254.169.254', 'metadata'],
    ['64:ff9b:1:7f00:0:100::', 'loopback'],
    ['64:ff9b:1:7f:0:1::', 'loopback'],
    ['64:ff9b:1::7f:0:100:0', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['2002:a9fe:a9fe::1', 'metadata'],
    ['2001:0:7f00:1::', 'loopback'],
    ['2001:0:c000:201::80ff:fffe', 'loopback'],
    ['2001:db8::5efe:127.0.0.1', 'loopback'],
    ['2001:db8::200:5efe:127.0.0.1', 'loopback'],
    ['localhost', 'not an IP address'],
    ['', 'not an IP address'],
    ['127.1', 'not an IP address'],
    ['0x7f000001', 'not an IP address'],
    ['2130706433', 'not an IP address'],
    ['1.2.3.4.5', 'not an IP address'],
    ['1:2:3', 'not an IP address'],
  ])('refuses %s: %s', (address, reason) => {
    expect(guard.refusalFor(address, 443)).toContain(reason);
  });

  it.each([
    '192.0.2.1',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.255.255',
    '169.255.0.0',
    '223.255.255.255',
    '::ffff:192.0.2.1',
    '64:ff9b::192.0.2.1',
    '64:ff9b:1::192.0.2.1',
    '64:ff9b:1:c000:2:100::',
    '2002:c000:201::1',
    '2001:db8::1',
    '2001:0:c000:201::3fff:fdfe',
    'fd00::1',
    'fec0::1',
    '::2:0:0:0',
  ])('allows %s', (address) => {
    expect(guard.refusalFor(address, 443)).toBeUndefined();
  });

  it('says which rule would allow it', () => {
    expect(guard.refusalFor('127.0.0.1', 80)).toContain(
      'acl.yaml allows exactly that (dst: ["127.0.0.1"], access: allow)',
    );
  });
});

describe('createEgressGuard with rules', () => {
  it.each<[name: string, acl: AclConfig, address: string, refusal: string | undefined]>([
    ['policy deny', acl('deny'), '192.0.2.1', 'policy is deny'],
    ['rule allows', acl('deny', allow('192.0.2.0/24')), '192.0.2.1', undefined],
    ['rule denies', acl('allow', deny('192.0.2.0/24')), '192.0.2.1', 'http-proxy.rules[0]'],
    ['first rule decides', acl('allow', allow('192.0.2.1'), deny('192.0.2.0/24')), '192.0.2.1', undefined],
    ['first rule decides', acl('allow', deny('192.0.2.0/24'), allow('192.0.2.1')), '192.0.2.1', 'rules[0]'],
    ['any dst of a rule', acl('deny', allow('198.51.100.1', '2001:db8::/32')), '2001:db8:1::1', undefined],
    ['single address is /32', acl('deny', allow('192.0.2.1')), '192.0.2.2', 'policy is deny'],
    ['mapped form of a denied address', acl('allow', deny('192.0.2.1')), '::ffff:192.0.2.1', 'rules[0]'],
    ['NAT64 form of a denied address', acl('allow', deny('192.0.2.1')), '64:ff9b::192.0.2.1', 'rules[0]'],
    ['6to4 form of a denied network', acl('allow', deny('10.0.0.0/8')), '2002:a01:203::1', 'rules[0]'],
    ['mapped network in a rule', acl('allow', deny('::ffff:10.0.0.0/104')), '10.9.8.7', 'rules[0]'],
    ['host bits in a network', acl('allow', deny('10.1.2.3/8')), '10.9.8.7', 'rules[0]'],
    ['everything', acl('deny', allow('0.0.0.0/0', '::/0')), '203.0.113.5', undefined],
    ['everything, v6', acl('deny', allow('0.0.0.0/0', '::/0')), '2001:db8::1', undefined],
    ['everything is not loopback', acl('allow', allow('0.0.0.0/0', '::/0')), '127.0.0.1', 'loopback'],
    ['everything is not v6 loopback', acl('allow', allow('0.0.0.0/0', '::/0')), '::1', 'loopback'],
    ['explicit loopback', acl('allow', allow('127.0.0.1')), '127.0.0.1', undefined],
    ['explicit loopback, mapped', acl('allow', allow('127.0.0.1')), '::ffff:127.0.0.1', undefined],
    ['explicit loopback network', acl('deny', allow('127.0.0.0/8', '::1')), '127.0.0.2', undefined],
    [
      'explicit loopback after a broad allow',
      acl('allow', allow('0.0.0.0/0'), allow('127.0.0.1')),
      '127.0.0.1',
      undefined,
    ],
    ['loopback denied first', acl('allow', deny('127.0.0.0/8'), allow('127.0.0.1')), '127.0.0.1', 'rules[0]'],
    ['another loopback address', acl('allow', allow('127.0.0.1')), '127.0.0.2', 'loopback'],
    ['link-local does not imply metadata', acl('allow', allow('169.254.0.0/16')), '169.254.169.254', 'metadata'],
    ['link-local', acl('allow', allow('169.254.0.0/16')), '169.254.7.7', undefined],
    ['metadata by its address', acl('allow', allow('169.254.169.254')), '169.254.169.254', undefined],
    ['a tunnel form by its address', acl('allow', allow('2002:7f00:1::')), '2002:7f00:1::', undefined],
    ['policy allow does not lift the guard', acl('allow'), '::1', 'loopback'],
  ])('%s: %j %s', (_name, config, address, refusal) => {
    const found = createEgressGuard({ acl: config }).refusalFor(address, 443);
    if (refusal === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(refusal);
  });

  it.each([
    'host.example',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0/8',
    '::/129',
    '10.0.0.0/',
    '',
    '::ffff:10.0.0.0/95',
    'fe80::1%eth0',
  ])('refuses the network %j and names the rule', (dst) => {
    const error = expect.objectContaining({
      code: 'POLICY_ACL_INVALID',
      message: expect.stringContaining('http-proxy.rules[1].dst[1]'),
    });
    expect(() => createEgressGuard({ acl: acl('allow', allow('10.0.0.1'), deny('10.0.0.2', dst)) })).toThrow(error);
  });
});

describe('own endpoints', () => {
  const loopback = acl('allow', allow('127.0.0.0/8', '::1', '192.0.2.9'));
  const guard = createEgressGuard({
    acl: loopback,
    ownEndpoints: [
      { address: '127.0.0.1', port: 9988 },
      { address: '192.0.2.9', port: 9999 },
    ],
  });

  it.each([
    ['127.0.0.1', 9988],
    ['::ffff:127.0.0.1', 9988],
    ['64:ff9b::127.0.0.1', 9988],
    ['192.0.2.9', 9999],
  ])('refuses %s port %i even though a rule allows it', (address, port) => {
    expect(guard.refusalFor(address, port)).toContain('this service itself');
  });

  it('leaves other ports and addresses alone', () => {
    expect(guard.refusalFor('127.0.0.1', 9999)).toBeUndefined();
    expect(guard.refusalFor('192.0.2.9', 9988)).toBeUndefined();
  });

  it.each(['0.0.0.0', '::'])('takes a listener on %s for every loopback address', (address) => {
    const everywhere = createEgressGuard({ acl: loopback, ownEndpoints: [{ address, port: 9988 }] });
    expect(['127.0.0.1', '127.0.0.5', '::1'].map((to) => everywhere.refusalFor(to, 9988))).not.toContain(undefined);
    expect(everywhere.refusalFor('127.0.0.1', 9989)).toBeUndefined();
  });
});

describe('addresses of this machine', () => {
  const ownAddresses = ['192.0.2.9', '2001:db8::9', 'fe80::9%eth0', 'no address'];

  it.each([
    '192.0.2.9',
    '::ffff:192.0.2.9',
    '::192.0.2.9',
    '64:ff9b::192.0.2.9',
    '2002:c000:209::1',
    '2001:db8::9',
    '2001:db8:0:0::9',
  ])('%s is refused on every port', (address) => {
    const guard = createEgressGuard({ ownAddresses });
    expect(guard.refusalFor(address, 8080)).toContain('this machine itself');
    expect(guard.refusalFor(address, 5432)).toContain('this machine itself');
  });

  it('loopback and link-local stay as they are: a rule for the whole range counts', () => {
    const rules = acl('deny', allow('127.0.0.0/8', 'fe80::/10'));
    const guard = createEgressGuard({ acl: rules, ownAddresses: ['127.0.0.1', 'fe80::9'] });
    expect(['127.0.0.1', 'fe80::9'].map((address) => guard.refusalFor(address, 80))).toEqual([undefined, undefined]);
  });

  it('its neighbours are not', () => {
    const guard = createEgressGuard({ ownAddresses });
    expect(['192.0.2.8', '2001:db8::8'].map((address) => guard.refusalFor(address, 443))).toEqual([
      undefined,
      undefined,
    ]);
  });

  it.each<[Rule, string | undefined]>([
    [allow('192.0.2.9'), undefined],
    [allow('192.0.2.0/24'), 'this machine itself'],
    [allow('0.0.0.0/0'), 'this machine itself'],
    [deny('192.0.2.9'), 'rules[0]'],
  ])('%j', (rule, refusal) => {
    const found = createEgressGuard({ acl: acl('allow', rule), ownAddresses }).refusalFor('192.0.2.9', 443);
    if (refusal === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(refusal);
  });
});

it.each([21, 22, 23, 25, 110, 143, 465, 587, 6000, 6667])(
  'refuses port %i, which is not for HTTP, whatever the rules say',
  (port) => {
    const guard = createEgressGuard({ acl: acl('allow', allow('192.0.2.1', '127.0.0.1')) });
    expect(guard.refusalFor('192.0.2.1', port)).toContain("another protocol's");
    expect(guard.refusalFor('127.0.0.1', port)).toContain("another protocol's");
  },
);

it.each([80, 443, 3000, 4873, 5000, 8000, 8080, 8081, 8443, 9000, 32_768, 65_535])('allows port %i', (port) => {
  expect(createEgressGuard().refusalFor('192.0.2.1', port)).toBeUndefined();
});

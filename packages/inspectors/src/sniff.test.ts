import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chunked } from '../test/fakes.js';
import { sniffStream, sniffType } from './sniff.js';

const tarHeader = (magic: string) => {
  const header = Buffer.alloc(512);
  header.write('package/package.json');
  header.write('0000644\0', 100);
  header.write(magic, 257, 'latin1');
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
};

describe('sniffType', () => {
  it.each([
    ['nothing', '', 'application/x-empty'],
    ['gzip', gzipSync('x'), 'application/gzip'],
    ['zstd', zstdCompressSync('x'), 'application/zstd'],
    ['xz', Buffer.from('fd377a585a0000', 'hex'), 'application/x-xz'],
    ['bzip2', 'BZh91AY', 'application/x-bzip2'],
    ['zip', 'PK\x03\x04rest', 'application/zip'],
    ['deb', '!<arch>\ndebian-binary   1', 'application/vnd.debian.binary-package'],
    ['ar', '!<arch>\nother', 'application/x-archive'],
    ['ustar', tarHeader('ustar\0'), 'application/x-tar'],
    ['tar of 1979', tarHeader(''), 'application/x-tar'],
    ['squashfs', 'hsqs\0\0\0\0', 'application/x.squashfs'],
    ['JSON object', ' {"a": 1}', 'application/json'],
    ['JSON array', '[1, 2]', 'application/json'],
    ['JSON with a byte order mark', '\uFEFF{}', 'application/json'],
    ['long JSON', `{"a": "${'x'.repeat(70_000)}"}`, 'application/json'],
    ['what only begins like JSON', '{not json', 'text/plain'],
    ['html', '<!-- c -->\n<!DOCTYPE html><p>', 'text/html'],
    ['html behind several comments', '<!----> <!-- a\n -- b --><html>', 'text/html'],
    ['a comment without end', '<!-- <html>', 'text/plain'],
    // With backtracking this would take longer than anybody lives.
    ['nothing but comments', '<!---->'.repeat(9000), 'text/plain'],
    ['xml', '<?xml version="1.0"?><a/>', 'application/xml'],
    ['svg', '<?xml version="1.0"?><svg xmlns="x"/>', 'image/svg+xml'],
    ['clear-signed text', '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256', 'application/pgp-clearsigned'],
    ['PEM', '-----BEGIN CERTIFICATE-----\n', 'application/x-pem-file'],
    ['assertion', 'type: account-key\nauthority-id: x', 'application/x.ubuntu.assertion'],
    ['script', '#!/bin/sh\n', 'text/x-shellscript'],
    ['text', 'héllo\tworld\r\n', 'text/plain'],
    ['text cut within a character', `${'x'.repeat(65_535)}é`, 'text/plain'],
    ['invalid UTF-8', Buffer.from([0x68, 0xe9, 0x20, 0x68]), 'application/octet-stream'],
    ['binary', Buffer.from([1, 2, 3, 0]), 'application/octet-stream'],
  ])('%s', (_name, body, type) => {
    expect(sniffType(typeof body === 'string' ? Buffer.from(body) : body)).toBe(type);
  });
});

describe('sniffStream', () => {
  it('reads no more than it needs', async () => {
    const stream = chunked(Buffer.alloc(10 * 2 ** 20, 'a'), 16_384);
    expect(await sniffStream(stream)).toBe('text/plain');
    expect(stream.destroyed).toBe(true);
  });
});

import { createRootCa } from '@waybill/ca';
import { describe, expect, it } from 'vitest';
import { readCertificates, writeCertificates } from './pem.js';

describe('readCertificates and writeCertificates', () => {
  it('keeps certificates, each once, and drops everything around them', async () => {
    const [one, two] = [await createRootCa(), await createRootCa()];
    const text = `# comment\r\n${one.certificatePem.replaceAll('\n', '\r\n')}\nx=y\n${two.certificatePem}${one.certificatePem}${two.keyPem}`;
    const certificates = readCertificates(text);
    expect(certificates).toHaveLength(2);
    expect(writeCertificates(certificates)).toBe(one.certificatePem + two.certificatePem);
  });

  it.each([
    ['nothing', ''],
    ['a key', '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----'],
    ['no base64', '-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----'],
    ['something else in base64', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
    ['no end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
  ])('finds none in %s', (_name, text) => {
    expect(readCertificates(text)).toEqual([]);
  });

  it('leaves out what is broken and keeps the rest', async () => {
    const { certificatePem } = await createRootCa();
    const truncated = certificatePem.replace(/\n.{20}/, '\n');
    expect(readCertificates(truncated + certificatePem)).toHaveLength(1);
  });

  it('stays quick with hostile text', () => {
    const started = performance.now();
    expect(readCertificates('-----BEGIN CERTIFICATE-----'.repeat(20_000))).toEqual([]);
    expect(readCertificates(`-----BEGIN CERTIFICATE-----${'A \n'.repeat(300_000)}`)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

import { createSnapKey, signAssertion } from '@waybill/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssertionError, parseAssertion, parseAssertions } from './assertion.js';
import { checkSignature, readAccountKey } from './assertion-signature.js';

const key = createSnapKey();
const other = createSnapKey();
const keyText = (change: Record<string, string | undefined> = {}, body = key.body) =>
  signAssertion(
    {
      type: 'account-key',
      headers: {
        'authority-id': 'root',
        'public-key-sha3-384': key.id,
        'account-id': 'root',
        since: '2016-04-01T00:00:00.0Z',
        until: '2030-01-01T00:00:00Z',
        ...change,
      },
      body,
    },
    key,
  );
const account = signAssertion(
  { type: 'account', headers: { 'authority-id': 'root', 'account-id': 'a', list: '\n  - x\n  - y' } },
  key,
);

describe('parseAssertions', () => {
  it('reads headers, body and signature', () => {
    const [assertion, ...more] = parseAssertions(Buffer.from(keyText()));
    expect(more).toEqual([]);
    expect(assertion?.headers.get('account-id')).toBe('root');
    expect(assertion?.body.toString()).toBe(key.body);
  });

  it('reads several, and headers with lists', () => {
    const found = parseAssertions(Buffer.from(`${keyText()}\n${account}`));
    expect(found.map(({ type }) => type)).toEqual(['account-key', 'account']);
    expect(found[1]?.headers.get('list')).toBe('  - x\n  - y');
  });

  it.each([
    ['nothing', ''],
    ['a page', '<html>\n\n</html>'],
    ['no signature', 'type: account\nauthority-id: root'],
    ['no type at first', `authority-id: root\n${account}`],
    ['a header twice', account.replace('account-id: a', 'account-id: a\naccount-id: b')],
    ['a header of the prototype kind', account.replace('account-id', '__proto__')],
    ['a line of no header', account.replace('account-id: a', '  account-id: a').replace('authority-id: root\n', '')],
    ['a header without a blank', account.replace('account-id: a', 'account-id:a')],
    ['a body-length that is no number', keyText().replace(/body-length: \d+/, 'body-length: 1e3')],
    ['a body-length behind the end', keyText().replace(/body-length: \d+/, 'body-length: 99999')],
    ['a body-length that is short', keyText().replace(/body-length: \d+/, 'body-length: 10')],
    ['a huge body-length', keyText().replace(/body-length: \d+/, 'body-length: 99999999999999999999')],
    ['a signature of other characters', `${account.trim()}!`],
    ['carriage returns', account.replaceAll('\n', '\r\n')],
    ['a NUL', account.replace('account-id: a', 'account-id: a\0')],
    [
      'too many headers',
      account.replace('account-id: a', Array.from({ length: 300 }, (_, n) => `x${n}: 1`).join('\n')),
    ],
    ['too many assertions', `${account}\n`.repeat(65)],
    ['too many bytes', account + 'A'.repeat(1 << 20)],
  ])('refuses %s', (_name, text) => expect(() => parseAssertions(Buffer.from(text))).toThrow(AssertionError));

  it('refuses bytes that are no UTF-8', () =>
    expect(() => parseAssertions(Buffer.from(account, 'latin1').fill(0xff, 20, 22))).toThrow(/UTF-8/));

  it('never breaks on any text', () =>
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...account.split(/(?<=[\n:])/), '\n\n', '  ', 'body-length: 3\n'), { maxLength: 40 }),
        (parts) => {
          try {
            parseAssertions(Buffer.from(parts.join('')));
          } catch (error) {
            expect(error).toBeInstanceOf(AssertionError);
          }
        },
      ),
      { numRuns: 500 },
    ));
});

describe('account keys and signatures', () => {
  const parsed = (text: string) => parseAssertion(Buffer.from(text), 'account-key');

  it('are read and checked', async () => {
    const found = await readAccountKey(parsed(keyText()));
    expect(found).toMatchObject({ id: key.id, accountId: 'root', untilMs: Date.UTC(2030, 0) });
    await checkSignature(parsed(keyText()), found);
  });

  it.each([
    ['another digest than its own', keyText({ 'public-key-sha3-384': other.id }), /says it is/],
    ['constraints', keyText({ constraints: '\n  - headers:\n      type: model' }), /has constraints/],
    [
      'a short key',
      ((small) => keyText({ 'public-key-sha3-384': small.id }, small.body))(createSnapKey(1024)),
      /2048 bits/,
    ],
    ['a time that is none', keyText({ since: 'yesterday' }), /expected a time as since/],
    ['no since', keyText({ since: undefined }), /has no since/],
    ['a body that is no base64', keyText({}, 'AAAA!'), /no base64/],
    ['a body of another version', keyText({}, 'AgAA'), /version 2/],
    ['a body that is no key', keyText({ 'public-key-sha3-384': undefined }, 'AQAA'), /has no public-key|no OpenPGP/],
  ])('refuse %s', async (_name, text, message) => {
    await expect(readAccountKey(parsed(text))).rejects.toThrow(AssertionError);
    await expect(readAccountKey(parsed(text))).rejects.toThrow(message);
  });

  it('refuse what another key signed, and what was changed', async () => {
    const found = await readAccountKey(parsed(keyText()));
    const forged = signAssertion({ type: 'account', headers: { 'authority-id': 'root', 'account-id': 'a' } }, other);
    await expect(checkSignature(parseAssertion(Buffer.from(forged), 'account'), found)).rejects.toThrow(/is not by/);
    const changed = parseAssertion(Buffer.from(account.replace('account-id: a', 'account-id: b')), 'account');
    await expect(checkSignature(changed, found)).rejects.toThrow(/is not by/);
  });

  it('never break on damaged keys and signatures', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(keyText().length - 2), fc.constantFrom(...'ABCxyz019+/'), async (at, character) => {
        const text = keyText();
        const bad = `${text.slice(0, at)}${character}${text.slice(at + 1)}`;
        try {
          const assertion = parseAssertion(Buffer.from(bad), 'account-key');
          await checkSignature(assertion, await readAccountKey(assertion));
          // What is not signed: how its own signature is written down, in bits that nobody reads.
          expect(assertion.content.toString()).toBe(parsed(text).content.toString());
        } catch (error) {
          expect(error).toBeInstanceOf(AssertionError);
        }
      }),
      { numRuns: 200 },
    ));
});

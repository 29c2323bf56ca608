import { describe, expect, it } from 'vitest';
import { answerQuery } from './dns-message.ts';

const suffix = '.hosts.example';

function query(name: string, type: number, more: Buffer = Buffer.alloc(0)): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  const head = Buffer.from([0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, more.length > 0 ? 1 : 0]);
  return Buffer.concat([head, ...labels, Buffer.of(0, 0, type, 0, 1), more]);
}

function parts(answer: Buffer | undefined) {
  if (!answer) return undefined;
  const [id, flags, questions, answers] = [0, 2, 4, 6].map((at) => answer.readUInt16BE(at));
  return { id, code: (flags as number) & 15, response: ((flags as number) & 0x8000) !== 0, questions, answers };
}

describe('answerQuery', () => {
  it('answers IPv4 of a name with the suffix with 127.0.0.1, and repeats the question', () => {
    const asked = query('n00000001.hosts.example', 1);
    const answer = answerQuery(asked, suffix) as Buffer;
    expect(parts(answer)).toEqual({ id: 0x1234, code: 0, response: true, questions: 1, answers: 1 });
    expect(answer.subarray(12, asked.length)).toEqual(asked.subarray(12));
    expect(answer.subarray(asked.length)).toEqual(Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1]));
  });

  it.each([
    ['no IPv6 address', query('n1.hosts.example', 28), { code: 0, answers: 0 }],
    ['whatever the case', query('N1.Hosts.EXAMPLE', 1), { code: 0, answers: 1 }],
    ['no other name', query('registry.example', 1), { code: 3, answers: 0 }],
    ['not the suffix alone', query('hosts.example', 1), { code: 3, answers: 0 }],
    ['without the record of EDNS', query('n1.hosts.example', 1, Buffer.alloc(11)), { code: 0, answers: 1 }],
  ])('%s', (_name, asked, expected) => {
    expect(parts(answerQuery(asked, suffix))).toMatchObject(expected);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a head alone', Buffer.alloc(12)],
    ['an answer', Buffer.concat([Buffer.from([0, 1, 0x81, 0x80]), query('n1.hosts.example', 1).subarray(4)])],
    ['a name that is cut off', query('n1.hosts.example', 1).subarray(0, 20)],
    ['a type that is cut off', query('n1.hosts.example', 1).subarray(0, -3)],
    ['a compressed name', Buffer.concat([query('', 1).subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)])],
  ])('says nothing to %s', (_name, message) => {
    expect(answerQuery(message, suffix)).toBeUndefined();
  });
});

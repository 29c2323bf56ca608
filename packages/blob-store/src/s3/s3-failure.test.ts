import { describe, expect, it } from 'vitest';
import { BlobStoreError } from '../errors.js';
import { S3Failure, s3Error, toFailure } from './s3-failure.js';

describe('S3Failure', () => {
  it.each([
    [0, 'ECONNREFUSED', true, false],
    [0, 'ENOTFOUND', false, false],
    [500, '', true, false],
    [503, 'SlowDown', true, false],
    [429, '', true, false],
    [400, 'RequestTimeout', true, false],
    [400, 'InvalidPart', true, false],
    [400, 'InvalidArgument', false, false],
    [403, 'AccessDenied', false, false],
    [404, '', false, true],
    [404, 'NoSuchKey', false, true],
    // Not the object is missing.
    [404, 'NoSuchBucket', false, false],
    [404, 'XAdminUserNotFound', false, false],
    [412, 'PreconditionFailed', false, false],
  ])('%i %s passes: %s, is of a missing object: %s', (status, code, isPassing, isMissing) => {
    const failure = new S3Failure('text', { status, code });
    expect([failure.isPassing, failure.isMissing]).toEqual([isPassing, isMissing]);
  });

  it('is made of what the SDK and the system throw', () => {
    const thrown = Object.assign(new Error('no'), { name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } });
    expect(toFailure(thrown)).toMatchObject({ status: 404, code: 'NoSuchKey', isMissing: true });
    expect(toFailure(Object.assign(new Error('no'), { code: 'ECONNRESET' }))).toMatchObject({
      status: 0,
      code: 'ECONNRESET',
    });
    expect(toFailure(new Error('x'.repeat(9_999))).message.length).toBe(300);
    expect(toFailure('text')).toMatchObject({ status: 0, code: '', message: 'text' });
  });
});

describe('s3Error', () => {
  it.each([
    [507, '', 'BLOB_STORAGE_FULL', /quota/],
    [400, 'ServiceQuotaExceeded', 'BLOB_STORAGE_FULL', /quota/],
    [403, '', 'BLOB_STORAGE_FAILED', /credentials/],
    [403, 'RequestTimeTooSkewed', 'BLOB_STORAGE_FAILED', /clock/],
    [400, 'AuthorizationHeaderMalformed', 'BLOB_STORAGE_FAILED', /region/],
    [0, 'SELF_SIGNED_CERT_IN_CHAIN', 'BLOB_STORAGE_FAILED', /NODE_EXTRA_CA_CERTS/],
    [0, 'EAI_AGAIN', 'BLOB_STORAGE_FAILED', /endpoint/],
    [500, 'InternalError', 'BLOB_STORAGE_FAILED', /tried again/],
  ])('%i %s', (status, code, expected, hint) => {
    const error = s3Error(new S3Failure('said so', { status, code }), 'store blob x in', 's3://bucket/');
    expect(error).toMatchObject({ code: expected, hint: expect.stringMatching(hint) });
    expect(error.message).toContain('store blob x in s3://bucket/');
    expect(error.message).toContain('said so');
  });

  it('leaves errors of the store as they are', () => {
    const error = new BlobStoreError('BLOB_CORRUPT', 'it is');
    expect(s3Error(error, 'read', 'there')).toBe(error);
  });
});

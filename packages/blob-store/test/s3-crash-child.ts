// Stores into S3 until it is killed. Says what is flushed.
import { createS3BlobStore } from '../src/index.js';
import { pattern } from '../src/pattern.js';

const [cacheDir = '', prefix = '', firstSeed = '0'] = process.argv.slice(2);
const { env } = process;
const store = await createS3BlobStore({
  endpoint: env.WAYBILL_TEST_S3_ENDPOINT ?? '',
  bucket: env.WAYBILL_TEST_S3_BUCKET ?? '',
  credentials: {
    accessKeyId: env.WAYBILL_TEST_S3_ACCESS_KEY ?? '',
    secretAccessKey: env.WAYBILL_TEST_S3_SECRET_KEY ?? '',
  },
  prefix,
  cacheDir,
  partBytes: 5 * 1024 * 1024,
});
for (let seed = Number(firstSeed); ; ) {
  const stored = await Promise.all(
    Array.from({ length: 8 }, async (_, at) => {
      const one = seed + at;
      const size = at === 0 ? 6 * 1024 * 1024 + one : 1_000 + at * 40_000;
      const writer = store.create();
      await writer.write(pattern(size, one));
      const { digests } = await writer.commit();
      return `stored ${digests.sha256} ${size} ${one}\n`;
    }),
  );
  seed += 8;
  await store.flush();
  process.stdout.write(stored.join(''));
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

/** A span as it came in; ids in hex, times in milliseconds. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly events: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  /** 2 = error. */
  readonly status: number;
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

/** A collector on loopback that speaks OTLP over http with protobuf. */
export interface OtlpCollector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  readonly requests: readonly { readonly path: string; readonly headers: Readonly<Record<string, unknown>> }[];
  close(): Promise<void>;
}

export async function startOtlpCollector(): Promise<OtlpCollector> {
  const spans: CollectedSpan[] = [];
  const requests: { path: string; headers: Record<string, unknown> }[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    requests.push({ path: request.url ?? '', headers: request.headers });
    spans.push(...readSpans(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Field numbers of opentelemetry/proto/trace/v1/trace.proto, common/v1/common.proto and resource/v1/resource.proto. */
function readSpans(bytes: Buffer): CollectedSpan[] {
  return messages(bytes, 1).flatMap((resourceSpans) => {
    const resource = attributes(messages(messages(resourceSpans, 1)[0] ?? Buffer.alloc(0), 1));
    return messages(resourceSpans, 2).flatMap((scopeSpans) =>
      messages(scopeSpans, 2).map((span) => readSpan(span, resource)),
    );
  });
}

function readSpan(span: Buffer, resource: CollectedSpan['resource']): CollectedSpan {
  const hex = (field: number) => messages(span, field)[0]?.toString('hex') ?? '';
  const time = (field: number) => Number(fields(span).find(([number]) => number === field)?.[1] ?? 0) / 1e6;
  const status = messages(span, 15)[0];
  return {
    traceId: hex(1),
    spanId: hex(2),
    parentSpanId: hex(4),
    name: messages(span, 5)[0]?.toString() ?? '',
    start: time(7),
    end: time(8),
    attributes: attributes(messages(span, 9)),
    events: messages(span, 11).map((event) => ({
      name: messages(event, 2)[0]?.toString() ?? '',
      attributes: attributes(messages(event, 3)),
    })),
    status: Number((status && fields(status).find(([number]) => number === 3)?.[1]) ?? 0),
    resource,
  };
}

function attributes(pairs: readonly Buffer[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    pairs.map((pair) => [messages(pair, 1)[0]?.toString() ?? '', anyValue(messages(pair, 2)[0] ?? Buffer.alloc(0))]),
  );
}

function anyValue(bytes: Buffer): string | number | boolean {
  const [field] = fields(bytes);
  if (!field) return '';
  const [number, value] = field;
  if (Buffer.isBuffer(value)) return value.toString();
  return number === 2 ? value === 1n : Number(value);
}

function messages(bytes: Buffer, wanted: number): Buffer[] {
  return fields(bytes).flatMap(([number, value]) => (number === wanted && Buffer.isBuffer(value) ? [value] : []));
}

/** The wire format of protocol buffers: varints, fixed words and lengths. */
function fields(bytes: Buffer): [number, Buffer | bigint][] {
  const found: [number, Buffer | bigint][] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >> 3;
    switch (tag & 7) {
      case 0:
        found.push([number, varint()]);
        break;
      case 1:
        found.push([number, bytes.readBigUInt64LE(at)]);
        at += 8;
        break;
      case 2: {
        const length = Number(varint());
        found.push([number, bytes.subarray(at, at + length)]);
        at += length;
        break;
      }
      case 5:
        found.push([number, BigInt(bytes.readUInt32LE(at))]);
        at += 4;
        break;
      default:
        throw new Error(`wire type ${tag & 7}`);
    }
  }
  return found;
}

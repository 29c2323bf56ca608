import type { SocketAnswer } from '../socket/control-socket.js';
import type { Channel } from './channel.js';
import { type OperationAnswer, topics } from './topics.js';

/** Who does not ask for the next piece for so long has gone away. */
const patienceMs = 60_000;
/** Pieces are gathered to this many characters, to ask less often. */
const gatheredCharacters = 64 * 1024;

/** In the process that carries an operation out: hands long answers over as they are asked for, in bounded memory. */
export function servePieces(channel: Channel): (answer: SocketAnswer) => OperationAnswer {
  const open = new Map<number, { readonly pieces: AsyncIterator<string>; readonly timer: NodeJS.Timeout }>();
  let lastId = 0;

  channel.on<number>(topics.nextPiece, async (id) => {
    const entry = open.get(id);
    if (!entry) throw new Error('the answer is not there any more');
    entry.timer.refresh();
    const piece = await gather(entry.pieces);
    if (piece === null) drop(id);
    return piece;
  });

  function drop(id: number): void {
    const entry = open.get(id);
    clearTimeout(entry?.timer);
    open.delete(id);
    void entry?.pieces.return?.();
  }

  return (answer) => {
    if (typeof answer === 'string') return { text: answer };
    const id = ++lastId;
    const timer = setTimeout(() => drop(id), patienceMs);
    timer.unref();
    open.set(id, { pieces: answer[Symbol.asyncIterator](), timer });
    return { pieces: id };
  };
}

/** In the process that wants it: the answer again. */
export function fetchPieces(channel: Channel, answer: OperationAnswer): SocketAnswer {
  if ('text' in answer) return answer.text;
  return (async function* () {
    for (;;) {
      const piece = await channel.ask<string | null>(topics.nextPiece, answer.pieces, patienceMs);
      if (piece === null) return;
      yield piece;
    }
  })();
}

/** null at the end. */
async function gather(pieces: AsyncIterator<string>): Promise<string | null> {
  let text = '';
  while (text.length < gatheredCharacters) {
    const { done, value } = await pieces.next();
    if (done) return text === '' ? null : text;
    text += value;
  }
  return text;
}

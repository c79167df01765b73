import { mapConcurrent } from '../../functions/lib/map-concurrent.ts';
import type { Conversation } from './conversation.ts';

/** How many are asked at once: as few as a Runpod key's quota of a minute bears beside its owner. */
const maxAtOnce = 8;

/** Tells in its turn what came of a question: prints what there was to say, and gives the answer or throws the failure. */
export type Answer<Result> = () => Result;

/**
 * Asks a question of several at once, while one line says what is asked of whom. Nothing is printed meanwhile: each answer is
 * told when it is taken, so that their order is that of the questions, however fast each came.
 *
 * @param what is being asked of whom, for as long as it takes
 * @param ask asks one: what it prints is kept, and what it shows is not
 */
export const askTogether = async <Item, Result>(
  what: string,
  items: readonly Item[],
  ask: (item: Item, conversation: Conversation) => Promise<Result>,
  conversation: Conversation,
): Promise<Map<Item, Answer<Result>>> => {
  const { terminal, print } = conversation;
  if (items.length === 0) return new Map();
  const askOne = async (item: Item): Promise<[Item, Answer<Result>]> => {
    const lines: string[] = [];
    const alone: Conversation = {
      ...conversation,
      print: (line) => lines.push(line),
      terminal: { ...terminal, during: (_what, work) => work },
    };
    const tell = (): void => lines.splice(0).forEach(print);
    try {
      const result = await ask(item, alone);
      return [
        item,
        () => {
          tell();
          return result;
        },
      ];
    } catch (error) {
      return [
        item,
        () => {
          tell();
          throw error;
        },
      ];
    }
  };
  return new Map(await terminal.during(what, mapConcurrent(items, maxAtOnce, askOne)));
};

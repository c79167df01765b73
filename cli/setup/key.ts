import { apiKeyPattern, createReadApiKey } from '../../functions/lib/aws/api-key.ts';
import { ConfigurationError, RunpodUnauthorizedError } from '../../functions/lib/errors.ts';
import { CommandError } from '../../stack/failure.ts';
import type { CommandInput } from '../context.ts';
import type { Conversation } from './conversation.ts';

const expected = 'expected 8 to 512 printable characters without spaces';

const isKey = (typed: string): boolean | string =>
  apiKeyPattern.test(typed.trim()) || `That is no API key: ${expected}.`;

const maxInputBytes = 4096;

const readPiped = async (stdin: CommandInput): Promise<string> => {
  if (stdin.isTTY === true) {
    throw new CommandError(
      '--key-stdin: expected a key on standard input, found a terminal. Pipe it in, or leave the option out.',
    );
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const piece of stdin) {
    const chunk = Buffer.from(piece);
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxInputBytes) break;
  }
  const key = Buffer.concat(chunks).toString('utf8').trim();
  if (!apiKeyPattern.test(key)) throw new CommandError(`--key-stdin: ${expected}, found something else.`);
  return key;
};

/** A key that Runpod takes, and whether it is the one that is stored. */
interface FoundKey {
  readonly key: string;
  readonly isStored: boolean;
}

const maxTries = 3;

/**
 * Finds a Runpod API key: piped in, or the stored one where it works, or the one that somebody types.
 *
 * @param source where the key is or will be: `ssm:…` or `secretsmanager:…`
 * @param check throws RunpodUnauthorizedError where Runpod does not take a key
 * @param spare another key to try before somebody is asked
 */
export const findKey = async (
  source: string,
  check: (key: string) => Promise<void>,
  { options, caller: { settings }, context: { stdin }, ask, terminal }: Conversation,
  spare: () => Promise<string | undefined> = async () => undefined,
): Promise<FoundKey> => {
  const stored = await createReadApiKey(settings)(source, true).catch((error: unknown) => {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  });
  if (options.keyStdin === true) {
    const key = await readPiped(stdin);
    await check(key);
    return { key, isStored: key === stored };
  }
  const candidates = options.rotateKey === true ? [] : [stored, stored === undefined ? undefined : await spare()];
  for (const [index, known] of candidates.entries()) {
    if (known === undefined) continue;
    try {
      await check(known);
      return { key: known, isStored: index === 0 };
    } catch (error) {
      if (!(error instanceof RunpodUnauthorizedError)) throw error;
      terminal.printError(`The ${index === 0 ? '' : 'earlier '}key in ${source} does not work: ${error.message}`);
    }
  }
  for (let count = 1; ; count += 1) {
    const again = options.undo === true ? '--undo --key-stdin --yes' : '--key-stdin --yes';
    const question = 'Runpod API key (console.runpod.io, Settings, API keys; not shown):';
    const key = (await ask.secret(question, again, isKey)).trim();
    try {
      await check(key);
      return { key, isStored: key === stored };
    } catch (error) {
      if (!(error instanceof RunpodUnauthorizedError) || count === maxTries) throw error;
      terminal.printError(error.message);
    }
  }
};

import { UsageError } from '../stack/failure.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const commands = ['refresh', 'rollout', 'doctor'] as const;
export type ActionCommand = (typeof commands)[number];

const switches = ['dry-run', 'wait'];
const values = ['stage', 'region', 'profile', 'patience', 'to', 'back', 'retry', 'hold', 'resume'];
const lists = ['target', 'endpoint'];

const inputOf = (name: string, environment: Environment): string =>
  (environment[`INPUT_${name.toUpperCase().replaceAll('-', '_')}`] ?? '').trim();

/** Words that a value cannot turn into another option: `--to=--wait`. */
const wordsOf = (name: string, input: string): string[] => {
  if (input === '') return [];
  if (values.includes(name)) return [`--${name}=${input}`];
  if (lists.includes(name)) return input.split(/\s+/).map((each) => `--${name}=${each}`);
  if (input === 'true') return [`--${name}`];
  if (input === 'false') return [];
  throw new UsageError(`${name}: expected true or false, found ${JSON.stringify(input)}.`);
};

/**
 * The command line that the inputs of a step stand for.
 *
 * @throws {UsageError} an input is not of its form
 */
export const readWords = (environment: Environment): readonly [ActionCommand, ...string[]] => {
  const given = inputOf('command', environment);
  const command = commands.find((each) => each === given);
  if (command === undefined) {
    throw new UsageError(`command: expected ${commands.join(', ')}, found ${JSON.stringify(given)}.`);
  }
  return [
    command,
    '--json',
    ...[...switches, ...values, ...lists].flatMap((name) => wordsOf(name, inputOf(name, environment))),
  ];
};

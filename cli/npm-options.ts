import type { Command, Option } from 'commander';
import { UsageError } from '../stack/failure.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** `npx -y` sets npm_config_yes, npm itself knows colours, and a command that prints its help does nothing. */
const foreign = new Set(['yes', 'color', 'help', 'version']);

/** npm's own words for `npm run` (`run-script` until npm 10) and `npm start`. */
const scriptCommands = new Set(['run', 'run-script', 'start']);

const takesValue = ({ required, optional }: Option): boolean => required || optional;

/** Where npm leaves what was given for an option that stands before `--`. */
const kept = (option: Option, environment: Environment): string | undefined => {
  const value = environment[`npm_config_${option.name().replaceAll('-', '_')}`];
  return value === undefined || value === '' || foreign.has(option.name()) ? undefined : value;
};

/** `--stage prod` is kept as `stage=true`, and `prod` reaches the script as a word of its own. */
const retype = (option: Option, value: string, words: string[]): string => {
  if (!takesValue(option)) return `--${option.name()}`;
  const given = value === 'true' ? (words.shift() ?? `<${option.name()}>`) : value;
  return `--${option.name()} ${given}`;
};

/**
 * Refuses options that npm has kept for itself: `npm run refresh --dry-run` would run without the option, and store.
 * npm hands options over after `--` only: https://docs.npmjs.com/cli/v11/commands/npm-run
 *
 * @param words what did reach the command
 * @throws {UsageError} with the line to type instead
 */
export const refuseOptionsOfNpm = (
  command: Command,
  environment: Environment,
  words: readonly string[],
  script = `npm run ${command.name()}`,
): void => {
  if (!scriptCommands.has(environment.npm_command ?? '')) return;
  const swallowed = command.options.flatMap((option) => {
    const value = kept(option, environment);
    return value === undefined ? [] : [{ option, value }];
  });
  if (swallowed.length === 0) return;
  const left = words.filter((word) => !word.startsWith('-'));
  const handed = words.filter((word) => word.startsWith('-'));
  const all = [...swallowed.map(({ option, value }) => retype(option, value, left)), ...handed, ...left];
  const names = swallowed.map(({ option }) => `--${option.name()}`).join(' and ');
  throw new UsageError(
    `npm kept ${names} for itself: options go after a "--" of its own. Nothing was done. Type:\n  ${script} -- ${all.join(' ')}`,
  );
};

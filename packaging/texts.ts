export const program = 'runpod-ecr-refresh';

const grown = program.length - 'npm run'.length;

/** Keeps examples' explanations below each other: what has grown less than others gets spaces for it. */
const align = (line: string, missing: number): string =>
  line.replace(/ {3,}(?=\S)/, (gap) => gap + ' '.repeat(missing));

/**
 * What a source says to type, as who has the npm package types it: `npm run status -- --watch` in a clone is
 * `runpod-ecr-refresh status --watch` there.
 */
export const textsForPackage = (source: string, commands: readonly string[]): string => {
  const typed = new RegExp(`npm run (?:-s )?(${commands.join('|')})\\b(?: --(?= ))?`, 'g');
  return source
    .replaceAll("new Command('npm run')", `new Command('${program}')`)
    .split('\n')
    .map((line) => {
      const changed = line.replaceAll(typed, `${program} $1`);
      if (changed !== line) return align(changed, Math.max(0, grown - (changed.length - line.length)));
      // An example's explanation that goes on.
      return line.replace(/^ {20,}(?=… )/, (gap) => gap + ' '.repeat(grown));
    })
    .join('\n');
};

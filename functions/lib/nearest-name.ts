/** How many letters to insert, remove or change until one word is the other (Levenshtein). */
const distance = (from: string, to: string): number => {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...from].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...to].entries()) {
      const changed = (previous[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(changed, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
};

/** The name that was meant by a misspelt one: at most a third of its letters differ. */
export const nearestName = (misspelt: string, names: readonly string[]): string | undefined => {
  if (misspelt.length > 64) return undefined;
  const [best] = names
    .map((name) => ({ name, letters: distance(misspelt.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, letters }) => letters <= Math.max(1, Math.floor(name.length / 3)))
    .sort((one, other) => one.letters - other.letters);
  return best?.name;
};

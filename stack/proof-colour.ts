type ProofColour = 'green' | 'yellow' | 'red';

const colours: ReadonlyMap<string, ProofColour> = new Map([
  ['observed', 'green'],
  ['tested', 'green'],
  ['degraded', 'yellow'],
  ['not-tried', 'yellow'],
  ['failed', 'red'],
]);

/**
 * The colour in which the commands and the console's page show a proof. Green: a worker can pull. Yellow: the token is
 * good, and something else is in the way. Red: a worker cannot pull, or this version does not know the word.
 */
export const colourOfProof = (proof: string): ProofColour => colours.get(proof) ?? 'red';

/** What became of a mutant. */
export interface TestedMutant {
  readonly fileName: string;
  readonly line: number;
  readonly mutatorName: string;
  readonly replacement: string;
  /** `Killed` and `Timeout` where the tests noticed; `Survived` and `NoCoverage` where not; else it could not run. */
  readonly status: string;
}

/** How many mutants the tests noticed, of those that could run. */
interface MutationScore {
  readonly noticed: number;
  readonly tested: number;
}

export const scoreOf = (mutants: readonly TestedMutant[]): MutationScore => {
  const noticed = mutants.filter(({ status }) => ['Killed', 'Timeout'].includes(status)).length;
  const missed = mutants.filter(isMissed).length;
  return { noticed, tested: noticed + missed };
};

export const isMissed = ({ status }: TestedMutant): boolean => ['Survived', 'NoCoverage'].includes(status);

/** 100 where nothing was tested. */
export const percentOf = ({ noticed, tested }: MutationScore): number =>
  tested === 0 ? 100 : (100 * noticed) / tested;

/** A line per file, the worst first. */
export const tableOf = (mutants: readonly TestedMutant[]): string[] => {
  const byFile = Map.groupBy(mutants, ({ fileName }) => fileName);
  return [...byFile]
    .map(([file, some]) => ({ file, score: scoreOf(some) }))
    .toSorted((a, b) => percentOf(a.score) - percentOf(b.score) || a.file.localeCompare(b.file))
    .map(
      ({ file, score }) =>
        `${percentOf(score).toFixed(0).padStart(4)} %  ${`${score.noticed}/${score.tested}`.padStart(9)}  ${file}`,
    );
};

import type { RunState } from '../view.ts';

/** A shape for what became of a state, on the path and in the picture of all states. */
export const marks: Record<RunState['phase'], string> = {
  idle: '·',
  active: '○',
  done: '●',
  retried: '↻',
  caught: '✕',
};

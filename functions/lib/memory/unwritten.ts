import type { TargetMemories, TargetMemory } from './target-memory.ts';

/** What a process knows of targets that the memory did not take from it. */
interface Unwritten {
  /** What is remembered, and instead of it what is newer and was not taken. */
  over(memories: TargetMemories): TargetMemories;
  keep(name: string, memory: TargetMemory): void;
}

/** While the memory fails, a process tells the same trouble once, however many runs meet it. */
export const createUnwritten = (): Unwritten => {
  const kept = new Map<string, TargetMemory>();
  const isNewer = ([name, { last }]: readonly [string, TargetMemory], memories: TargetMemories): boolean =>
    last !== undefined && last.at > (memories.get(name)?.last?.at ?? '');
  return {
    over: (memories) => new Map([...memories, ...[...kept].filter((each) => isNewer(each, memories))]),
    keep: (name, memory) => void kept.set(name, memory),
  };
};

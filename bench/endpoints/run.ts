import { measureCanaries } from './canaries.ts';
import { type MeasuredRun, measureRun } from './measure.ts';

/**
 * What one target costs by how many endpoints it has, each of an image of its own, that settle at once: calls of Runpod
 * at a quota of 60 a minute, time, transitions, and the largest state; and what a canary pod and a canary job take besides.
 * Run: npm run bench:endpoints
 */
const counts = [1, 3, 30, 100, 1000];

const misses = ({
  endpoints,
  calls,
  mostInAMinute,
  minutes,
  transitions,
  events,
  largestBytes,
  proofs,
}: MeasuredRun) => [
  ...(calls > 1.1 * endpoints + 8 ? ['calls'] : []),
  ...(mostInAMinute > 54 ? ['the owner’s tenth'] : []),
  ...(minutes > 22 ? ['minutes'] : []),
  ...(endpoints === 3 && transitions > 14 ? ['transitions'] : []),
  ...(events > 5000 ? ['events'] : []),
  ...(largestBytes > 200 * 1024 ? ['bytes'] : []),
  ...(proofs.tested === endpoints ? [] : ['proofs']),
];

process.stdout.write('endpoints   calls  most/min  minutes  transitions  largest state\n');
let isWithinTargets = true;
for (const count of counts) {
  const run = await measureRun(count);
  const missed = misses(run);
  isWithinTargets &&= missed.length === 0;
  process.stdout.write(
    `${String(count).padStart(9)} ${String(run.calls).padStart(7)} ${String(run.mostInAMinute).padStart(9)} ${run.minutes.toFixed(1).padStart(8)} ${String(run.transitions).padStart(12)} ${(run.largestBytes / 1024).toFixed(0).padStart(10)} KiB${missed.length === 0 ? '' : `  missed: ${missed.join(', ')}`}\n`,
  );
}
process.stdout.write(
  `Targets: at most 1.1 n + 8 calls, 54 in any minute, 22 minutes, 14 transitions for three endpoints, 200 KiB. ${isWithinTargets ? 'All are met.' : 'One is missed.'}\n`,
);

process.stdout.write('\none canary   calls  seconds    cents\n');
const canaries = await measureCanaries();
for (const { kind, calls, seconds, dollars } of canaries) {
  process.stdout.write(
    `${kind.padEnd(10)} ${String(calls).padStart(7)} ${seconds.toFixed(0).padStart(8)} ${(dollars * 100).toFixed(3).padStart(8)}\n`,
  );
}
const [pod, job] = canaries;
const isPodCheap =
  canaries.every(({ isSeen }) => isSeen) && pod.calls <= 8 && pod.seconds <= 30 && pod.dollars <= job.dollars;
isWithinTargets &&= isPodCheap;
process.stdout.write(
  `Targets: a pod takes at most 8 calls and 30 seconds, and costs no more than a job. ${isPodCheap ? 'All are met.' : 'One is missed.'}\n`,
);
process.exitCode = isWithinTargets ? 0 : 1;

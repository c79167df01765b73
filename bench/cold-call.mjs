import { readFileSync } from 'node:fs';

// Linux counts what the parent had at the fork into a child's maxrss; VmHWM is its own.
const peak = () => {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
};

// Loads one packaged handler in a fresh process, calls it once, and says how that ended and what it took.
const startedAt = performance.now();
const [, , bundle, event] = process.argv;
const { handler } = await import(bundle);
const error = await handler(JSON.parse(event), { functionName: 'cold', awsRequestId: 'cold' }).then(
  () => undefined,
  ({ name, message }) => ({ name, message }),
);
const milliseconds = performance.now() - startedAt;
process.stdout.write(`${JSON.stringify({ error, milliseconds, peakKilobytes: peak() })}\n`);
process.exit();

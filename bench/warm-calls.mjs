import { readFileSync } from 'node:fs';

// Loads one packaged handler, and calls it with each event that the parent process sends, as a warm function is called.
const [, , bundle] = process.argv;
const { handler } = await import(bundle);

const peak = () => {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  } catch {
    return process.resourceUsage().maxRSS;
  }
};

process.on('message', async (event) => {
  const error = await handler(event, { functionName: 'warm', awsRequestId: 'warm' }).then(
    () => undefined,
    ({ name, message }) => ({ name, message }),
  );
  process.send({ error, peakKilobytes: peak() });
});
process.send('ready');

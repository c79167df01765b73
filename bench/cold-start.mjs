// Loads one packaged handler in a fresh process, calls it once, and says how long that took and how much memory it had.
const startedAt = performance.now();
const [, , bundle, event] = process.argv;
const { handler } = await import(bundle);
await handler(JSON.parse(event), { functionName: 'bench', awsRequestId: 'bench' });
const milliseconds = performance.now() - startedAt;
process.stdout.write(`${JSON.stringify({ milliseconds, peakKilobytes: process.resourceUsage().maxRSS })}\n`);
process.exit();

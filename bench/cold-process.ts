import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { FunctionName } from '../runner/functions.ts';
import type { Packaged } from '../simulator/packaged.ts';
import type { World } from '../simulator/world.ts';

/** How a process ended that made one call, and what it took. */
export interface ColdCall {
  readonly error?: { readonly name: string; readonly message: string };
  /** Since the process began to load the bundle. */
  readonly milliseconds: number;
  readonly peakKilobytes: number;
}

/** The environment in which a deployed function's process meets the embedded world, in the function's own role. */
export const worldEnvironment = (world: World, name: FunctionName): Record<string, string> => ({
  ...world.processEnvironment(),
  ...world.environment,
  ...world.awsVariables(name),
  AWS_ENDPOINT_URL_ECR: world.aws.endpoint,
  POWERTOOLS_LOG_LEVEL: 'SILENT',
  POWERTOOLS_METRICS_DISABLED: 'true',
});

/** Runs a process to its end and reads the last line it prints; nothing where it fails. */
export const runCold = async (
  command: string,
  words: readonly string[],
  environment: Record<string, string | undefined>,
): Promise<ColdCall | undefined> => {
  const child = spawn(command, words, { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const [code] = (await once(child, 'close').catch(() => [1])) as [number];
  return code === 0 ? (JSON.parse(printed.trim().split('\n').at(-1) ?? '') as ColdCall) : undefined;
};

const caller = fileURLToPath(new URL('cold-call.mjs', import.meta.url));

/** Calls a packaged function once, in a process of its own. */
export const callCold = (
  packaged: Packaged,
  name: FunctionName,
  event: unknown,
  environment: Record<string, string | undefined>,
): Promise<ColdCall | undefined> => {
  const bundle = join(packaged.unpack(name), 'functions', `${name}.mjs`);
  return runCold(process.execPath, [caller, pathToFileURL(bundle).href, JSON.stringify(event)], environment);
};

/** A packaged function in a process of its own that stays, as Lambda keeps one for the next call. */
export interface WarmFunction {
  /** How a call ended, and the most memory that the process has had since it began; nothing where it died. */
  call(event: unknown): Promise<Omit<ColdCall, 'milliseconds'> | undefined>;
  end(): void;
}

export const startWarm = async (
  packaged: Packaged,
  name: FunctionName,
  environment: Record<string, string | undefined>,
): Promise<WarmFunction> => {
  const bundle = join(packaged.unpack(name), 'functions', `${name}.mjs`);
  const child = fork(fileURLToPath(new URL('warm-calls.mjs', import.meta.url)), [pathToFileURL(bundle).href], {
    env: environment,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const answer = async (): Promise<unknown> => {
    const [message] = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])]);
    return message;
  };
  await answer();
  return {
    call(event) {
      const answered = answer();
      child.send(event as object);
      return answered as ReturnType<WarmFunction['call']>;
    },
    end: () => child.kill(),
  };
};

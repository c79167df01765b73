import { styleText } from 'node:util';
import type { EngineEvent } from '../runner/engine.ts';
import type { Execution, StepFunctions } from './aws/step-functions.ts';
import type { World } from './world.ts';

/** Something that happened, for machines: one JSON line each. `at` is ISO 8601 by the world's clock. */
type ReportedEvent =
  | { readonly at: string; readonly kind: 'scenario'; readonly name: string; readonly title: string }
  | { readonly at: string; readonly kind: 'remark'; readonly text: string }
  | {
      readonly at: string;
      readonly kind: 'execution';
      readonly name: string;
      readonly status: string;
      readonly error?: string;
    }
  | {
      readonly at: string;
      readonly kind: 'state';
      readonly execution: string;
      readonly state: string;
      readonly what: string;
    }
  | { readonly at: string; readonly kind: 'worker'; readonly worker: string; readonly line: string }
  | { readonly at: string; readonly kind: 'alert'; readonly subject: string; readonly text: string }
  | { readonly at: string; readonly kind: 'promise'; readonly what: string; readonly happened: boolean };

/** Prints what happens in a world, for a person or for a machine. */
export interface Reporter {
  print(text: string): void;
  scenario(name: string, title: string): void;
  promise(what: string, happened: boolean): void;
}

const shortened = (text: string): string => {
  const short = text.replaceAll(/sha256:([0-9a-f]{12})[0-9a-f]{52}/g, 'sha256:$1…');
  return short.length > 150 ? `${short.slice(0, 149)}…` : short;
};

/** States that only route are left out of what a person sees. */
const isWorthShowing = (event: EngineEvent): boolean =>
  (event.type === 'StateEntered' && (event.state.type === 'Task' || event.state.type === 'Wait')) ||
  event.type === 'StateRetried' ||
  event.type === 'StateCaught';

/** Listens to a world, and writes each event as it happens. */
export const createReporter = (
  world: World,
  write: (line: string) => void,
  options: { json: boolean; colour: boolean },
): Reporter => {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    options.colour ? styleText(style, text, { validateStream: false }) : text;
  const now = (): string => new Date(world.clock.now()).toISOString();
  const time = (): string => paint('dim', now().slice(11, 19));
  const emit = (event: ReportedEvent, text: string | undefined): void => {
    if (options.json) write(JSON.stringify(event));
    else if (text !== undefined) write(text);
  };

  let retried = { state: '', count: 0 };
  const showRetries = (): void => {
    if (retried.count > 1)
      write(`  ${time()}  ${paint('yellow', `    … ${retried.state} retried ${retried.count} times in all`)}`);
    retried = { state: '', count: 0 };
  };

  const onEvent: StepFunctions['onEvent'] = (execution: Execution, event) => {
    if (event.type === 'ExecutionStarted') {
      emit(
        { at: now(), kind: 'execution', name: execution.name, status: 'RUNNING' },
        `  ${time()}  ${paint('bold', `▶ ${execution.name}`)}`,
      );
    } else if (event.type === 'ExecutionSucceeded' || event.type === 'ExecutionFailed') {
      const failed = event.type === 'ExecutionFailed' ? { error: event.Error } : {};
      const status = event.type === 'ExecutionSucceeded' ? 'SUCCEEDED' : 'FAILED';
      const mark = event.type === 'ExecutionSucceeded' ? paint('green', '✓') : paint('red', '✗');
      if (!options.json) showRetries();
      emit(
        { at: now(), kind: 'execution', name: execution.name, status, ...failed },
        `  ${time()}  ${mark} ${execution.name} ${status.toLowerCase()}`,
      );
    } else if ('state' in event && isWorthShowing(event)) {
      const what = event.type === 'StateEntered' ? 'entered' : event.type === 'StateRetried' ? 'retried' : 'caught';
      const isRepeated = what === 'retried' && retried.state === event.state.name;
      if (!options.json && !isRepeated && what !== 'caught') showRetries();
      if (what === 'retried') retried = { state: event.state.name, count: isRepeated ? retried.count + 1 : 1 };
      const line =
        what === 'entered'
          ? `  ${time()}    ${event.state.name}`
          : what === 'retried' && !isRepeated
            ? `  ${time()}    ${paint('yellow', `↻ ${event.state.name}`)}`
            : undefined;
      emit({ at: now(), kind: 'state', execution: execution.name, state: event.state.name, what }, line);
    }
  };
  world.stepFunctions.onEvent = onEvent;
  world.rollouts.onEvent = onEvent;

  let lastLine = '';
  world.runpod.onWorkerLine = (_endpoint, worker, { line }) => {
    const colour = line.startsWith('error') ? 'red' : 'cyan';
    const isNews = line !== lastLine;
    lastLine = line;
    const shown = isNews
      ? `  ${time()}  ${paint(colour, `worker ${worker.slice(0, 6)}  ${shortened(line)}`)}`
      : undefined;
    emit({ at: now(), kind: 'worker', worker, line }, shown);
  };
  world.sns.onMessage = ({ subject, text }) => {
    const body = text
      .trimEnd()
      .split('\n')
      .map((line) => `              ${line}`)
      .join('\n');
    emit({ at: now(), kind: 'alert', subject, text }, `  ${time()}  ${paint('magenta', `✉ ${subject}`)}\n${body}`);
  };

  return {
    print: (text) => emit({ at: now(), kind: 'remark', text }, `  ${time()}  ${paint('italic', text)}`),
    scenario: (name, title) => {
      lastLine = '';
      emit(
        { at: now(), kind: 'scenario', name, title },
        `\n${paint('bold', title)} ${paint('dim', `(--scenario ${name})`)}\n`,
      );
    },
    promise: (what, happened) =>
      emit(
        { at: now(), kind: 'promise', what, happened },
        `  ${happened ? paint('green', '✓') : paint('red', '✗ NOT SO:')} ${what}`,
      ),
  };
};

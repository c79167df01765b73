import { Command, CommanderError } from 'commander';
import { describeFailure, exitCodes, UsageError } from '../stack/failure.ts';
import { adviseOnProxy } from '../stack/proxy.ts';
import { ownVersion } from '../stack/stack.ts';
import type { CommandContext, CommonOptions } from './context.ts';
import { refuseOptionsOfNpm } from './npm-options.ts';
import { createTerminal, type Terminal, wrapLines } from './terminal.ts';

/** Runs a command. @returns its exit code */
type PerformCommand<Options> = (options: Options, context: CommandContext, terminal: Terminal) => Promise<number>;

const exitCodesText = `
Exit codes: 0 done, and all is well; 1 something is wrong, and what is printed says what; 2 the command line has a
mistake; 130 stopped by Ctrl-C.`;

const describe = (command: Command, summary: string, examples: string): Command =>
  command
    .description(summary)
    .addHelpText('after', `\nExamples:\n${examples}\n${exitCodesText}`)
    .option('--no-color', 'print no colours; so does NO_COLOR=1');

const describeWithStack = (command: Command, summary: string, examples: string): Command =>
  describe(command, summary, examples)
    .option('--stage <name>', 'the stage of the stack', 'dev')
    .option('--region <region>', 'its AWS region (default: AWS_REGION, else us-east-1)')
    .option('--profile <name>', 'the AWS profile to use (default: AWS_PROFILE)')
    .option('--json', 'print JSON, for machines');

const readPort = (port: string): number => {
  if (/^\d{1,5}$/.test(port) && Number(port) < 65_536) return Number(port);
  throw new UsageError(`--port: expected a number from 0 to 65535, found ${JSON.stringify(port)}.`);
};

/** Makes the program, which hands `end` the exit code of the command that was called. */
const createProgram = (context: CommandContext, end: (exitCode: number) => void): Command => {
  const { stdout, stderr } = context;
  /** A command's code is loaded when it is called. */
  const perform =
    <Options extends CommonOptions>(load: () => Promise<PerformCommand<Options>>) =>
    async (options: Options): Promise<void> => {
      const run = await load();
      const { json: isJson = false, color: mayColour = true } = options;
      end(await run(options, context, createTerminal(context, { isJson, mayColour })));
    };

  const program = new Command('npm run')
    .version(ownVersion)
    .description('Keeps the Amazon ECR token of Runpod serverless endpoints fresh.')
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) })
    .showSuggestionAfterError()
    .configureHelp({ helpWidth: 100 });

  describeWithStack(
    program.command('setup'),
    'From nothing to protected: the Runpod key, the credential, its endpoints, targets.yml. Says what it will change first.',
    `  npm run setup                                        asks, shows a plan, and goes on when you agree
  npm run setup -- --key-stdin --yes < key-file        asks nothing, and takes what is usual
  npm run setup -- --yes --credential new --name team  … but with a new credential
  npm run setup -- --canary-pod --target production    makes what a canary pod needs (docs/canary.md), if you agree to its price
  npm run setup -- --undo                              undoes what it did

The key is typed without being shown, or piped in; it is never an argument. What was changed is noted in .setup.json,
without secrets; run it again after an interruption to go on.`,
  )
    .option('--yes', 'ask nothing: take what is usual, and what the options say')
    .option('--undo', 'undo what setup has changed; with --canary-pod: what that has')
    .option('--even-deployed', 'with --undo: undo although a deployed stack lives on it')
    .option('--rotate-key', 'store another Runpod API key in the place of the one that is stored')
    .option('--kms-key <key>', 'the KMS key that encrypts the API key (default: the one that does, else AWS’s own)')
    .option(
      '--delegate',
      'register the repositories of a target’s endpoints at Runpod, to be pulled without a credential',
    )
    .option(
      '--canary-pod',
      'have a pod pull a small image with what Runpod holds, for a few cents a month; says its price first',
    )
    .option('--key-stdin', 'read the Runpod API key from standard input')
    .option('--target <name>', 'the same as --name, as other commands call it')
    .option('--name <target>', 'the one target that it is about (default: all that the key shows)')
    .option('--credential <ids...>', 'the Runpod credentials to keep fresh, or new (default: those that endpoints use)')
    .option('--endpoint <ids...>', 'endpoints to select the credential for (default: those without any)')
    .option('--image-registry <host>', 'the ECR registry of the images (default: all that endpoints use)')
    .option(
      '--repository <name>',
      'an ECR repository to create, where it is missing (with --canary-pod: runpod-canary)',
    )
    .option('--role-arn <arn>', 'the role that mints, for a registry of another account')
    .option('--external-id <id>', 'the external id that the role asks for')
    .action(perform(async () => (await import('./setup/setup.ts')).setup));

  describeWithStack(
    program.command('doctor'),
    'Checks everything that can be wrong, and says what to do about it. Changes nothing.',
    `  npm run doctor                                 the stage dev
  npm run doctor -- --stage prod --region eu-west-1
  npm run -s doctor -- --json | jq '.findings[] | select(.mark == "wrong")'`,
  ).action(perform(async () => (await import('./doctor/doctor.ts')).doctor));

  describeWithStack(
    program.command('refresh'),
    'Runs the very workflow that deploys, once, from here, with your own AWS credentials. Needs no deployed stack.',
    `  npm run refresh                                every target of targets.yml
  npm run refresh -- --dry-run                   all but the storing: what would be stored?
  npm run refresh -- --target production         one target
  npm run refresh -- --target production --endpoint 4m7x2k9q
                                                 … and watches one endpoint
  npm run -s refresh -- --json > report.json     the run's report (docs/report.md)`,
  )
    .option('--dry-run', 'stop before storing, and say what would have been stored')
    .option('--target <names...>', 'only these targets')
    .option('--endpoint <ids...>', 'watch only these endpoints of the one target')
    .option('--patience <minutes>', 'how long to go on trying while AWS or Runpod is down', '30')
    .action(perform(async () => (await import('./refresh/refresh.ts')).refresh));

  describeWithStack(
    program.command('status'),
    'Shows how the deployed stack fares: hours left per target, runs, proof per endpoint, alarms; and what to do.',
    `  npm run status -- --stage prod            once
  npm run status -- --stage prod --watch    again every ten seconds
  npm run status -- --full                  sentences whole, where they are longer than a line
  npm run -s status -- --json | jq .troubles     for machines`,
  )
    .option('--watch', 'show it again every ten seconds, until Ctrl-C')
    .option('--full', 'show sentences whole, on as many lines as they take')
    .action(perform(async () => (await import('./status/status.ts')).status));

  describeWithStack(
    program.command('rollout'),
    'Shows what endpoints run, want and have refused; and gives an endpoint an image, proven, or takes it back.',
    `  npm run rollout                                     what runs, what is wanted, what was refused and why
  npm run rollout -- --hold 4m7x2k9q                  gives it nothing any more, until --resume 4m7x2k9q
  npm run rollout -- --endpoint 4m7x2k9q --to v1.4.2  gives it this image, whatever it follows
  npm run rollout -- --back 4m7x2k9q                  gives it the image back that it had before
  npm run rollout -- --retry 4m7x2k9q                 tries again what was refused
  npm run rollout -- --endpoint 4m7x2k9q --to v1.4.2 --wait
                                                      … and says how it ended; works without a stack, too

With --wait it ends with 0 where the image is proven, 3 where no worker has shown it yet, and 1 where it came back.`,
  )
    .option('--hold <endpoint>', 'give the endpoint nothing any more by itself')
    .option('--resume <endpoint>', 'follow again what targets.yml says')
    .option('--back <endpoint>', 'give the endpoint the image back that it had before')
    .option('--retry <endpoint>', 'try again the image that the endpoint wants and has refused')
    .option('--endpoint <id>', 'the endpoint that --to is about')
    .option('--to <tag>', 'give the endpoint the image that this tag names now')
    .option('--wait', 'wait for how it ends')
    .action(perform(async () => (await import('./rollout/rollout.ts')).rollout));

  describeWithStack(
    program.command('console'),
    'A window onto the workflow, as a page on 127.0.0.1, until Ctrl-C.',
    `  npm run console                    over an embedded AWS and Runpod, with switches to break them
  npm run console -- --live          over the deployed stack, through your own AWS credentials; changes nothing
  npm run console -- --live --stage prod --region eu-west-1

The address that is printed opens the page once.`,
  )
    .option('--live', 'look at the deployed stack')
    .option('--port <number>', 'the port to serve on; 0 for one that is free', readPort, 0)
    .action(perform(async () => (await import('../console/serve.ts')).serve));

  describe(
    program.command('alert'),
    'Rehearses alerts: shows what people would get, or sends it to them as a test.',
    `  npm run alert                                       every alert, as a letter
  npm run alert -- --kind failed --to me@example.com  one kind, as that reader would get it
  npm run alert -- --kind failed --to +15555550100    … by SMS
  npm run alert -- --kind failed --to https://…       … as JSON
  npm run alert -- --html alerts.html                 a page with all of them side by side
  npm run alert -- --kind failed --to arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-prod-alerts
                                                      sends it to the deployed topic, marked as a rehearsal`,
  )
    .option('--kind <kind>', 'delayed, failed, degraded, recovered, left, rollout or digest')
    .option('--severity <severity>', 'critical, warning or info')
    .option('--to <reader>', "who would get it; an SNS topic's ARN really gets it", 'you@example.com')
    .option('--html <file>', 'the file to write the page to')
    .option('--runbook <url>', 'where links lead (default: none; alerts then say what docs/runbook.md says)')
    .option('--profile <name>', 'the AWS profile to use (default: AWS_PROFILE)')
    .action(perform(async () => (await import('./alert/alert.ts')).alert));

  return program;
};

/**
 * Runs a command as its command line says, and prints what stands in its way.
 *
 * @param words what stands after the program's name
 * @returns the exit code
 */
export const runCommand = async (words: readonly string[], context: CommandContext): Promise<number> => {
  let exitCode: number = exitCodes.well;
  const program = createProgram(context, (code) => {
    exitCode = code;
  });
  const [name, ...rest] = words;
  const command = program.commands.find((each) => each.name() === name);
  try {
    if (command !== undefined) refuseOptionsOfNpm(command, context.environment, rest);
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.well : exitCodes.usage;
    const { isTTY = false, columns = 80 } = context.stderr;
    const failure = describeFailure(error);
    const message = `${failure}${adviseOnProxy(failure, context.environment)}`;
    context.stderr.write(`${isTTY ? wrapLines(message, columns) : message}\n`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
  }
};

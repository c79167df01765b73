import { Command, CommanderError } from 'commander';
import { describeFailure, exitCodes, UsageError } from '../stack/failure.ts';
import { ownVersion } from '../stack/stack.ts';

/** Runs a command; `interrupted` ends when somebody presses Ctrl-C. @returns its exit code */
type Run<Options> = (options: Options, interrupted: AbortSignal) => Promise<number>;

const exitCodesText = `
Exit codes: 0 done, and all is well; 1 something is wrong, and what is printed says what; 2 the command line has a
mistake; 130 stopped by Ctrl-C.`;

const interruption = new AbortController();

/** Hands a command its options, and its exit code to the process. A command's code is loaded when it is called. */
const perform =
  <Options extends { readonly color?: boolean }>(load: () => Promise<Run<Options>>) =>
  async (options: Options): Promise<void> => {
    // Libraries that colour look there, when they are loaded.
    if (options.color === false) process.env.NO_COLOR = '1';
    const run = await load();
    process.exitCode = await run(options, interruption.signal);
  };

const describe = (command: Command, summary: string, examples: string): Command =>
  command
    .description(summary)
    .addHelpText('after', `\nExamples:\n${examples}\n${exitCodesText}`)
    .option('--stage <name>', 'the stage of the stack', 'dev')
    .option('--region <region>', 'its AWS region (default: AWS_REGION, else us-east-1)')
    .option('--profile <name>', 'the AWS profile to use (default: AWS_PROFILE)')
    .option('--json', 'print JSON, for machines')
    .option('--no-color', 'print no colours; so does NO_COLOR=1');

const program = new Command('npm run')
  .version(ownVersion)
  .description('Keeps the Amazon ECR login of Runpod serverless endpoints fresh.')
  .exitOverride()
  .showSuggestionAfterError()
  .configureHelp({ helpWidth: 100 });

describe(
  program.command('setup'),
  'From nothing to protected: the Runpod key, the credential, its endpoints, targets.yml. Says what it will change first.',
  `  npm run setup                                        asks, shows a plan, and goes on when you agree
  npm run setup -- --key-stdin --yes < key-file        asks nothing, and takes what is usual
  npm run setup -- --yes --credential new --name team  … but with a new credential
  npm run setup -- --undo                              undoes what it did

The key is typed without being shown, or piped in; it is never an argument. What was changed is noted in .setup.json,
without secrets; run it again after an interruption to go on.`,
)
  .option('--yes', 'ask nothing: take what is usual, and what the options say')
  .option('--undo', 'undo what setup has changed')
  .option('--key-stdin', 'read the Runpod API key from standard input')
  .option('--name <target>', 'what to call the target (default: the first of targets.yml, else production)')
  .option('--credential <id>', 'the Runpod credential to keep fresh, or new')
  .option('--endpoint <ids...>', 'endpoints to select the credential for (default: those without any)')
  .option('--image-registry <host>', 'the ECR registry of the images (default: the one that endpoints use)')
  .option('--repository <name>', 'an ECR repository to create, where it is missing')
  .option('--role-arn <arn>', 'the role that mints, for a registry of another account')
  .option('--external-id <id>', 'the external id that the role asks for')
  .action(perform(async () => (await import('./setup/setup.ts')).setup));

describe(
  program.command('doctor'),
  'Checks everything that can be wrong, and says what to do about it. Changes nothing.',
  `  npm run doctor                                 the stage dev
  npm run doctor -- --stage prod --region eu-west-1
  npm run -s doctor -- --json | jq '.findings[] | select(.mark == "wrong")'`,
).action(perform(async () => (await import('./doctor/doctor.ts')).doctor));

describe(
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

describe(
  program.command('status'),
  'Shows how the deployed stack fares: hours left per target, runs, proof per endpoint, alarms.',
  `  npm run status -- --stage prod            a look
  npm run status -- --stage prod --watch    keeps looking, every ten seconds
  npm run -s status -- --json | jq .troubles     for machines`,
)
  .option('--watch', 'keep looking, until Ctrl-C')
  .action(perform(async () => (await import('./status/status.ts')).status));

process.once('SIGINT', () => {
  interruption.abort();
  // Whoever presses it again does not want to wait for anything.
  process.once('SIGINT', () => process.exit(exitCodes.interrupted));
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.well : exitCodes.usage;
  } else {
    process.stderr.write(`${describeFailure(error)}\n`);
    process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
  }
}
// Kept connections would hold the process for seconds after it has said everything.
process.exit();

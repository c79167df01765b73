import { errorNames } from '../errors.ts';

/** What errors of one family mean: a sentence for where the error itself says nothing, and its section of the runbook. */
interface ErrorFamily {
  readonly section: string;
  readonly sentence: string;
  readonly names: readonly string[];
}

/**
 * The errors that Step Functions and Lambda name themselves. Their Cause may be empty: that of a time-out always is.
 *
 * - `States.…`: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
 * - `Lambda.…`: the errors of Invoke, https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html, and those of
 *   https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception
 * - `Runtime.…`, `Sandbox.…`, `Function.…`, `Extension.…`: https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
 *   and https://docs.aws.amazon.com/lambda/latest/dg/runtimes-logs-api.html
 */
export const errorFamilies: readonly ErrorFamily[] = [
  {
    section: 'StepTimedOut',
    sentence: 'A step did not end within its time.',
    names: [
      'States.Timeout',
      'States.HeartbeatTimeout',
      'States.Http.Socket',
      'Sandbox.Timedout',
      'Lambda.ClientExecutionTimeoutException',
    ],
  },
  {
    section: 'FunctionCrashed',
    sentence: 'A function ended without an answer: it crashed, ran out of memory or time, or could not be loaded.',
    names: [
      'Lambda.Unknown',
      'States.TaskFailed',
      'Runtime.ExitError',
      'Runtime.OutOfMemory',
      'Runtime.ImportModuleError',
      'Runtime.HandlerNotFound',
      'Runtime.MalformedHandlerName',
      'Runtime.UserCodeSyntaxError',
      'Runtime.UnhandledPromiseRejection',
      'Runtime.NodeJsExit',
      'Runtime.InvalidEntrypoint',
      'Runtime.InvalidWorkingDir',
      'Runtime.Unknown',
      'Extension.Crash',
    ],
  },
  {
    section: 'LambdaUnavailable',
    sentence: 'Lambda did not run a function, for reasons of its own.',
    names: [
      'Lambda.ServiceException',
      'Lambda.AWSLambdaException',
      'Lambda.SdkClientException',
      'Lambda.EC2ThrottledException',
      'Lambda.EC2UnexpectedException',
      'Lambda.ENINotReadyException',
      'Lambda.ResourceNotReadyException',
      'Lambda.SnapStartException',
      'Lambda.SnapStartNotReadyException',
      'Lambda.SnapStartRegenerationFailureException',
      'Lambda.SnapStartTimeoutException',
    ],
  },
  {
    section: 'LambdaThrottled',
    sentence: "Lambda took no more calls: the account's concurrency is used up.",
    names: [
      'Lambda.TooManyRequestsException',
      'Lambda.ENILimitReachedException',
      'Lambda.ServiceQuotaExceededException',
      'Lambda.SubnetIPAddressLimitReachedException',
    ],
  },
  {
    section: 'FunctionNotCallable',
    sentence: 'A function cannot be called as it is deployed: it is gone, forbidden, or its key or settings are.',
    names: [
      'States.Permissions',
      'Lambda.AccessDeniedException',
      'Lambda.CodeArtifactUserDeletedException',
      'Lambda.CodeArtifactUserFailedException',
      'Lambda.CodeArtifactUserPendingException',
      'Lambda.DurableExecutionAlreadyStartedException',
      'Lambda.EC2AccessDeniedException',
      'Lambda.EFSIOException',
      'Lambda.EFSMountConnectivityException',
      'Lambda.EFSMountFailureException',
      'Lambda.EFSMountTimeoutException',
      'Lambda.InvalidParameterValueException',
      'Lambda.InvalidRequestContentException',
      'Lambda.InvalidRuntimeException',
      'Lambda.InvalidSecurityGroupIDException',
      'Lambda.InvalidSubnetIDException',
      'Lambda.InvalidZipFileException',
      'Lambda.KMSAccessDeniedException',
      'Lambda.KMSDisabledException',
      'Lambda.KMSInvalidStateException',
      'Lambda.KMSNotFoundException',
      'Lambda.ModeNotSupportedException',
      'Lambda.NoPublishedVersionException',
      'Lambda.RecursiveInvocationException',
      'Lambda.ResourceConflictException',
      'Lambda.ResourceNotFoundException',
      'Lambda.S3FilesMountConnectivityException',
      'Lambda.S3FilesMountFailureException',
      'Lambda.S3FilesMountTimeoutException',
      'Lambda.UnsupportedMediaTypeException',
    ],
  },
  {
    section: 'PayloadTooLarge',
    sentence: 'What a step hands on is larger than Step Functions or Lambda take.',
    names: [
      'States.DataLimitExceeded',
      'Lambda.RequestTooLargeException',
      'Lambda.SerializedRequestEntityTooLargeException',
      'Function.ResponseSizeTooLarge',
    ],
  },
  {
    section: 'WorkflowBroken',
    sentence: 'The workflow itself met something that its definition does not provide for.',
    names: [
      'States.Runtime',
      'States.BranchFailed',
      'States.ExceedToleratedFailureThreshold',
      'States.IntrinsicFailure',
      'States.ItemReaderFailed',
      'States.NoChoiceMatched',
      'States.ParameterPathFailure',
      'States.QueryEvaluationError',
      'States.ResultPathMatchFailure',
      'States.ResultWriterFailed',
    ],
  },
];

const familyByName = new Map(errorFamilies.flatMap((family) => family.names.map((name) => [name, family] as const)));

/** Where AWS adds a name, its beginning still says whose it is. */
const sectionOfUnknown = (name: string): string => {
  if (name.startsWith('States.')) return 'WorkflowBroken';
  return name.startsWith('Lambda.') ? 'LambdaUnavailable' : 'FunctionCrashed';
};

/** Errors that a run ends with although nobody throws them. */
const verdictNames = ['EndpointNotPullingError', 'TargetLostError'];

/** The runbook's section for an error, whoever named it. A function's own exception is one that crashed. */
export const sectionOfError = (name: string): string =>
  errorNames.has(name) || verdictNames.includes(name)
    ? name
    : (familyByName.get(name)?.section ?? sectionOfUnknown(name));

/** What there is to say of an error that says nothing itself. */
export const explainError = (name: string): string => {
  const family = familyByName.get(name);
  const words = family?.sentence ?? 'A step ended without saying why.';
  return `${words.slice(0, -1)} (${name}). Look at the execution.`;
};

/** The message of an outcome's error. One that had no room for it, or that conclude-target did not sum up, has a bare name. */
export const messageOfError = ({ name, message }: { readonly name: string; readonly message: string }): string =>
  message.trim() || explainError(name);

/** How an AWS call failed, as far as we act on it. */
export type AwsFault = 'denied' | 'throttled' | 'missing' | 'invalid' | 'unavailable';

/**
 * The names that AWS gives its errors, by where they are written down, and what each comes to for us. A client's names are
 * the exceptions that its model gives the operations that we call; test/functions/lib/aws/fault-names.test.ts holds them
 * against the models that are installed.
 */
export const faultNames = {
  /**
   * "Common errors" of every API reference, for instance
   * https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html and
   * https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/common-errors.html
   */
  common: {
    AccessDeniedException: 'denied',
    ExpiredTokenException: 'denied',
    IncompleteSignature: 'denied',
    InvalidClientTokenId: 'denied',
    MissingAuthenticationToken: 'denied',
    NotAuthorized: 'denied',
    OptInRequired: 'denied',
    UnrecognizedClientException: 'denied',
    ThrottlingException: 'throttled',
    InvalidAction: 'invalid',
    InvalidParameterCombination: 'invalid',
    InvalidParameterValue: 'invalid',
    InvalidQueryParameter: 'invalid',
    MalformedHttpRequestException: 'invalid',
    MalformedQueryString: 'invalid',
    MissingAction: 'invalid',
    MissingParameter: 'invalid',
    RequestEntityTooLargeException: 'invalid',
    UnknownOperationException: 'invalid',
    ValidationError: 'invalid',
    InternalFailure: 'unavailable',
    RequestAbortedException: 'unavailable',
    /** The clocks differ. The SDK sets its own right by the answer's Date, and asks again. */
    RequestExpired: 'unavailable',
    RequestTimeoutException: 'unavailable',
    ServiceUnavailable: 'unavailable',
  },
  /** What the SDK's own retries take for throttling: THROTTLING_ERROR_CODES of `@smithy/core/retry`. */
  retry: {
    BandwidthLimitExceeded: 'throttled',
    EC2ThrottledException: 'throttled',
    LimitExceededException: 'throttled',
    PriorRequestNotComplete: 'throttled',
    ProvisionedThroughputExceededException: 'throttled',
    RequestLimitExceeded: 'throttled',
    RequestThrottled: 'throttled',
    RequestThrottledException: 'throttled',
    SlowDown: 'throttled',
    ThrottledException: 'throttled',
    Throttling: 'throttled',
    ThrottlingException: 'throttled',
    TooManyRequestsException: 'throttled',
    TransactionInProgressException: 'throttled',
  },
  /** Names that services answer although no model has them. */
  unmodelled: {
    /** https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html: what STS answers AssumeRole. */
    AccessDenied: 'denied',
    /** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html: as the Query protocol says them. */
    AuthFailure: 'denied',
    ExpiredToken: 'denied',
    /** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html */
    InvalidSignatureException: 'denied',
    SignatureDoesNotMatch: 'denied',
    /** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html: as JSON protocols say them. */
    IncompleteSignatureException: 'denied',
    MissingAuthenticationTokenException: 'denied',
  },
  'client-cloudwatch': { InvalidNextToken: 'invalid' },
  'client-ecr': {
    LimitExceededException: 'throttled',
    ImageNotFoundException: 'missing',
    RepositoryNotFoundException: 'missing',
    InvalidParameterException: 'invalid',
    InvalidTagParameterException: 'invalid',
    KmsException: 'invalid',
    RepositoryAlreadyExistsException: 'invalid',
    RepositoryNotEmptyException: 'invalid',
    TooManyTagsException: 'invalid',
    ServerException: 'unavailable',
  },
  'client-dynamodb': {
    ProvisionedThroughputExceededException: 'throttled',
    RequestLimitExceeded: 'throttled',
    ThrottlingException: 'throttled',
    ResourceNotFoundException: 'missing',
    ConditionalCheckFailedException: 'invalid',
    InvalidEndpointException: 'invalid',
    ItemCollectionSizeLimitExceededException: 'invalid',
    ReplicatedWriteConflictException: 'unavailable',
    TransactionConflictException: 'unavailable',
    InternalServerError: 'unavailable',
  },
  'client-eventbridge': { ResourceNotFoundException: 'missing', InternalException: 'unavailable' },
  'client-kms': {
    NotFoundException: 'missing',
    DisabledException: 'invalid',
    DryRunOperationException: 'invalid',
    IncorrectKeyException: 'invalid',
    InvalidCiphertextException: 'invalid',
    InvalidGrantTokenException: 'invalid',
    InvalidKeyUsageException: 'invalid',
    KMSInvalidStateException: 'invalid',
    DependencyTimeoutException: 'unavailable',
    KeyUnavailableException: 'unavailable',
    KMSInternalException: 'unavailable',
  },
  'client-scheduler': {
    ServiceQuotaExceededException: 'throttled',
    ThrottlingException: 'throttled',
    ResourceNotFoundException: 'missing',
    ValidationException: 'invalid',
    InternalServerException: 'unavailable',
  },
  'client-secrets-manager': {
    ResourceNotFoundException: 'missing',
    DecryptionFailure: 'invalid',
    InvalidParameterException: 'invalid',
    InvalidRequestException: 'invalid',
    InternalServiceError: 'unavailable',
  },
  'client-sfn': {
    KmsAccessDeniedException: 'denied',
    ExecutionLimitExceeded: 'throttled',
    KmsThrottlingException: 'throttled',
    ExecutionDoesNotExist: 'missing',
    ResourceNotFound: 'missing',
    StateMachineDeleting: 'missing',
    StateMachineDoesNotExist: 'missing',
    ExecutionAlreadyExists: 'invalid',
    InvalidArn: 'invalid',
    InvalidExecutionInput: 'invalid',
    InvalidName: 'invalid',
    InvalidToken: 'invalid',
    KmsInvalidStateException: 'invalid',
    StateMachineTypeNotSupported: 'invalid',
    ValidationException: 'invalid',
  },
  'client-sns': {
    AuthorizationErrorException: 'denied',
    InvalidSecurityException: 'denied',
    KMSAccessDeniedException: 'denied',
    KMSOptInRequired: 'denied',
    KMSThrottlingException: 'throttled',
    KMSNotFoundException: 'missing',
    NotFoundException: 'missing',
    EndpointDisabledException: 'invalid',
    InvalidParameterException: 'invalid',
    InvalidParameterValueException: 'invalid',
    KMSDisabledException: 'invalid',
    KMSInvalidStateException: 'invalid',
    PlatformApplicationDisabledException: 'invalid',
    ValidationException: 'invalid',
    InternalErrorException: 'unavailable',
  },
  'client-ssm': {
    TooManyUpdates: 'throttled',
    ParameterNotFound: 'missing',
    ParameterVersionNotFound: 'missing',
    HierarchyLevelLimitExceededException: 'invalid',
    HierarchyTypeMismatchException: 'invalid',
    IncompatiblePolicyException: 'invalid',
    InvalidAllowedPatternException: 'invalid',
    InvalidKeyId: 'invalid',
    InvalidNextToken: 'invalid',
    InvalidPolicyAttributeException: 'invalid',
    InvalidPolicyTypeException: 'invalid',
    ParameterAlreadyExists: 'invalid',
    ParameterLimitExceeded: 'invalid',
    ParameterMaxVersionLimitExceeded: 'invalid',
    ParameterPatternMismatchException: 'invalid',
    PoliciesLimitExceededException: 'invalid',
    UnsupportedParameterType: 'invalid',
    InternalServerError: 'unavailable',
  },
  'client-sts': {
    ExpiredTokenException: 'denied',
    RegionDisabledException: 'denied',
    InvalidContextAssertionException: 'invalid',
    MalformedPolicyDocumentException: 'invalid',
    PackedPolicyTooLargeException: 'invalid',
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, AwsFault>>>>;

/** What an error of this name comes to; `undefined` for a name that is written nowhere above. */
const faultByName: ReadonlyMap<string, AwsFault> = new Map(Object.values(faultNames).flatMap(Object.entries<AwsFault>));

export const faultOfName = (name: string): AwsFault | undefined => faultByName.get(name);

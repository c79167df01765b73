import type { WorldClock } from '../clock.ts';
import { type Faults, json, type Loopback, type LoopbackRequest, type Reply, serve } from '../loopback.ts';
import type { AwsInput } from './checks.ts';

/** Who calls, as the request's signature says. */
export interface AwsCaller {
  readonly accessKeyId: string;
  readonly region: string;
  /** The service by its endpoint's name: `monitoring` is CloudWatch's. */
  readonly service: string;
}

/** @throws {AwsError} who calls may not */
type Authorize = (action: string, input: AwsInput, caller: AwsCaller) => void;

/** A request to an AWS service in one of its JSON protocols. */
type JsonOperation = (input: Record<string, unknown>, caller: AwsCaller) => Promise<object> | object;

/** A request to an AWS service in its query protocol. The answer is the XML inside `<ActionResult>`. */
type QueryOperation = (input: URLSearchParams, caller: AwsCaller) => Promise<string> | string;

/** A request to an AWS service in its REST protocol. */
interface RestOperation {
  readonly operation: string;
  /** @param name the last segment of the path */
  readonly answer: (name: string, caller: AwsCaller) => object;
}

/** An error as AWS reports it. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** What an embedded service offers. */
export interface AwsService {
  readonly json?: Record<string, JsonOperation>;
  readonly query?: Record<string, QueryOperation>;
  /** By "METHOD /path/", to be followed by one more segment. */
  readonly rest?: Record<string, RestOperation>;
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const callerOf = ({ headers }: LoopbackRequest): AwsCaller => {
  const scope = /Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(headers.authorization ?? '');
  const [, accessKeyId, region, service] = scope ?? [];
  if (accessKeyId === undefined || region === undefined || service === undefined) {
    throw new AwsError('MissingAuthenticationToken', 'Missing Authentication Token', 403);
  }
  return { accessKeyId, region, service };
};

/** `cloudwatch:DescribeAlarms`: IAM's name of an operation, of which CloudWatch's endpoint alone is called otherwise. */
const actionOf = ({ service }: AwsCaller, operation: string): string =>
  `${service === 'monitoring' ? 'cloudwatch' : service}:${operation}`;

const xmlError = ({ code, message, status }: AwsError): Reply => ({
  status,
  headers: { 'content-type': 'text/xml' },
  body: `<ErrorResponse><Error><Type>${status >= 500 ? 'Receiver' : 'Sender'}</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error><RequestId>embedded</RequestId></ErrorResponse>`,
});

const jsonError = ({ code, message, status }: AwsError): Reply =>
  json(status, { __type: code, message }, 'application/x-amz-json-1.1');

const restError = ({ code, message, status }: AwsError): Reply => ({
  status,
  headers: { 'content-type': 'application/json', 'x-amzn-errortype': code },
  body: JSON.stringify({ Message: message }),
});

/**
 * Starts an embedded AWS: the given services on one address, as `AWS_ENDPOINT_URL` wants it.
 *
 * @param authorize asked before each operation
 */
export const startAws = (
  clock: WorldClock,
  faults: Faults,
  services: readonly AwsService[],
  authorize: Authorize,
): Promise<Loopback> => {
  const jsonOperations = new Map(services.flatMap((service) => Object.entries(service.json ?? {})));
  const queryOperations = new Map(services.flatMap((service) => Object.entries(service.query ?? {})));
  const restOperations = new Map(services.flatMap((service) => Object.entries(service.rest ?? {})));

  const answerJson = async (target: string, request: LoopbackRequest): Promise<Reply> => {
    const operation = jsonOperations.get(target);
    if (operation === undefined) throw new AwsError('UnknownOperationException', `The embedded AWS has no ${target}.`);
    const input = JSON.parse(request.body === '' ? '{}' : request.body) as Record<string, unknown>;
    const caller = callerOf(request);
    authorize(actionOf(caller, target.split('.').at(-1) ?? ''), input, caller);
    const output = await operation(input, caller);
    return json(200, output, 'application/x-amz-json-1.1');
  };

  const answerQuery = async (request: LoopbackRequest): Promise<Reply> => {
    const input = new URLSearchParams(request.body);
    const action = input.get('Action') ?? '';
    const operation = queryOperations.get(action);
    if (operation === undefined) throw new AwsError('InvalidAction', `The embedded AWS has no ${action}.`);
    const caller = callerOf(request);
    authorize(actionOf(caller, action), Object.fromEntries(input), caller);
    const result = await operation(input, caller);
    return {
      status: 200,
      headers: { 'content-type': 'text/xml' },
      body: `<${action}Response><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>embedded</RequestId></ResponseMetadata></${action}Response>`,
    };
  };

  const answerRest = async (request: LoopbackRequest): Promise<Reply> => {
    const [, folder = '', name = ''] = /^(\/.*\/|\/)([^/]*)$/.exec(request.url.pathname) ?? [];
    const found = restOperations.get(`${request.method} ${folder}`);
    if (found === undefined) throw new AwsError('UnknownOperationException', 'The embedded AWS has no such path.');
    const caller = callerOf(request);
    const path = decodeURIComponent(name);
    authorize(actionOf(caller, found.operation), { path }, caller);
    return json(200, found.answer(path, caller));
  };

  return serve(clock, faults, async (request) => {
    const target = request.headers['x-amz-target'];
    const [answer, refuse] =
      typeof target === 'string'
        ? [() => answerJson(target, request), jsonError]
        : request.url.pathname === '/'
          ? [() => answerQuery(request), xmlError]
          : [() => answerRest(request), restError];
    try {
      return await answer();
    } catch (error) {
      const failure =
        error instanceof AwsError
          ? error
          : new AwsError('InternalFailure', error instanceof Error ? error.message : 'unknown', 500);
      return refuse(failure);
    }
  });
};

/** Text as XML content. */
export const xml = escapeXml;

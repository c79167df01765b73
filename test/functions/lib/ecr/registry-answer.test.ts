import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AnswerOrigin,
  isAskedAgain,
  isEmptyRange,
  isPassing,
  type PullProblem,
  pullRemedies,
  readRefusal,
} from '../../../../functions/lib/ecr/registry-answer.ts';

const encode = (body: unknown): Uint8Array =>
  new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
const refusal = (origin: AnswerOrigin, status: number, body: unknown, secrets: readonly string[] = []) =>
  readRefusal({ status, body: encode(body) }, origin, secrets);
const denied = (message: string) => ({ errors: [{ code: 'DENIED', message }] });
const xml = (code: string, message = '') =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
const notAuthorized = (repository: string) =>
  `User: arn:aws:sts::210987654321:assumed-role/p/s is not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-west-1:210987654321:repository/${repository}`;

describe('a refusal of the registry', () => {
  it.each<readonly [PullProblem, number, unknown]>([
    ['token-refused', 401, 'Not Authorized'],
    ['token-refused', 401, ''],
    ['token-refused', 403, denied('The security token included in the request is invalid')],
    ['token-refused', 403, { code: 'DENIED', message: 'The security token included in the request is invalid' }],
    ['token-expired', 403, denied('The security token included in the request is expired')],
    ['token-expired', 403, denied('Your authorization token has expired. Reauthenticate and try again.')],
    ['repository-forbidden', 403, denied(notAuthorized('team/archive-worker'))],
    ['repository-forbidden', 403, denied(notAuthorized('team/is-archived'))],
    ['repository-forbidden', 403, denied(`${notAuthorized('kms')} because no identity-based policy allows it`)],
    ['repository-forbidden', 403, ''],
    [
      'image-missing',
      404,
      { errors: [{ code: 'NAME_UNKNOWN', message: "The repository with name 'is archived' does not exist" }] },
    ],
    ['image-missing', 404, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'Requested image not found' }] }],
    ['image-missing', 404, ''],
    ['archived', 404, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'The requested image is archived' }] }],
    ['archived', 400, { errors: [{ code: 'ImageArchivedException' }] }],
    ['key-lost', 403, denied('The ciphertext refers to a customer master key that does not exist')],
    ['key-lost', 400, { errors: [{ code: 'DENIED', message: 'KMS key is disabled' }] }],
    ['throttled', 429, ''],
    ['throttled', 400, { errors: [{ code: 'TOOMANYREQUESTS', message: 'Rate exceeded' }] }],
    ['throttled', 400, { errors: [{ code: 'ThrottlingException' }] }],
    ['unreachable', 500, ''],
    ['unreachable', 503, { errors: [] }],
    ['unreachable', 408, ''],
    ['unreachable', 400, xml('RequestTimeout')],
    ['malformed', 400, { errors: [{ code: 'UNSUPPORTED', message: 'Invalid parameter' }] }],
    ['malformed', 418, ''],
    [
      'token-refused',
      400,
      denied("Your Authorization Token is invalid. Please run 'aws ecr get-login' to fetch a new one."),
    ],
    ['token-refused', 403, { message: 'Missing Authentication Token' }],
    ['token-expired', 403, denied('Signature expired: 20261123T1 is now earlier than 20261123T2')],
    ['throttled', 400, { errors: [{ code: 'LIMIT_EXCEEDED', message: 'Limit exceeded' }] }],
    ['image-missing', 403, denied('LayerInaccessibleException: the layer is being restored')],
    ['unreachable', 400, denied('KMSInternalException: try again')],
    ['image-missing', 400, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] }],
    ['unreachable', 400, { errors: [{ code: 'InternalFailure' }] }],
    // aws/containers-roadmap#2354, and the errors of the ECR API.
    ['upstream', 403, denied('The authentication to the upstream registry failed. Verify that the credentials …')],
    ['upstream', 400, { errors: [{ code: 'UnableToGetUpstreamImageException' }] }],
    ['upstream', 400, { errors: [{ code: 'UnableToGetUpstreamLayerException' }] }],
    ['upstream', 400, { code: 'UnableToAccessSecretException', message: 'The secret is unable to be accessed.' }],
    ['upstream', 400, { errors: [{ code: 'UnableToDecryptSecretValueException', message: 'KMS' }] }],
    ['upstream', 400, denied('The secret is accessible but is unable to be decrypted. Verify the permissions')],
    ['upstream', 404, { errors: [{ code: 'SecretNotFoundException' }] }],
    ['upstream', 404, denied('The ARN of the secret specified in the pull through cache rule was not found.')],
    ['throttled', 429, denied('The upstream registry asks to slow down')],
    ['repository-forbidden', 403, denied(notAuthorized('upstream/registry').replace('Get', 'ImportUpstream'))],
    [
      'image-missing',
      404,
      { errors: [{ message: "The repository with name 'pull through cache rule' does not exist" }] },
    ],
    // A company's proxy.
    ['unreachable', 403, '<html><head><title>403 Forbidden</title></head><body>blocked by policy</body></html>'],
    ['unreachable', 407, ''],
    ['unreachable', 418, '<!DOCTYPE html>'],
  ])('is %s: %i %j', (problem, status, body) => {
    expect(refusal('registry', status, body).problem).toBe(problem);
  });

  it('is asked again where it may be one of many: 401 and 404 alone', () => {
    expect([400, 401, 403, 404, 429, 500].filter((status) => isAskedAgain({ status }))).toEqual([401, 404]);
  });
});

describe('a refusal of the blob store', () => {
  it.each<readonly [PullProblem, boolean, number, unknown]>([
    ['key-lost', false, 403, xml('AccessDenied', 'The ciphertext refers to a customer master key that does not exist')],
    ['key-lost', false, 400, xml('KMS.DisabledException', 'the key is disabled')],
    ['unreachable', true, 400, xml('RequestTimeout', 'Your socket connection was not read from')],
    ['unreachable', true, 403, xml('AccessDenied', 'Request has expired')],
    ['unreachable', true, 401, ''],
    ['unreachable', true, 500, xml('InternalError')],
    ['unreachable', true, 408, ''],
    ['throttled', true, 503, xml('SlowDown', 'Please reduce your request rate.')],
    ['throttled', true, 429, ''],
    ['throttled', true, 400, xml('KMS.ThrottlingException', 'Rate exceeded')],
    ['image-missing', false, 404, xml('NoSuchKey', 'The specified key does not exist.')],
    ['image-missing', false, 400, xml('NoSuchKey')],
    ['malformed', false, 400, xml('InvalidArgument')],
    ['unreachable', true, 400, xml('InvalidToken', 'The provided token is malformed or otherwise invalid.')],
    ['unreachable', true, 400, xml('KMS.InternalException')],
    ['unreachable', true, 400, xml('KMS.KeyUnavailableException')],
    ['unreachable', true, 400, '<html>blocked</html>'],
    ['archived', false, 403, xml('InvalidObjectState', "not valid for the object's storage class")],
  ])('is %s, passing: %s: %i %j', (problem, passes, status, body) => {
    expect(refusal('blob-store', status, body).problem).toBe(problem);
    expect(isPassing(problem)).toBe(passes);
  });

  it('is no refusal where a layer has no bytes', () => {
    expect([200, 206, 416, 404].filter((status) => isEmptyRange({ status }))).toEqual([416]);
  });
});

describe('what is repeated of a refusal', () => {
  it('is its code and message, in its own words', () => {
    expect(refusal('registry', 403, denied(notAuthorized('team/worker'))).said).toMatch(/^DENIED User: arn:aws:sts::/);
    expect(refusal('blob-store', 403, xml('AccessDenied', 'Access Denied')).said).toBe('AccessDenied Access Denied');
    expect(refusal('registry', 502, 'Bad\nGateway').said).toBe('Bad Gateway');
    expect(refusal('registry', 404, { errors: [{}] }).said).toBe('');
    expect(refusal('blob-store', 400, '<Code>half').said).toBe('<Code>half');
  });

  it('is bounded, plain, and never a secret', () => {
    const { said } = refusal('registry', 400, `\u001b[31m${'z'.repeat(200_000)}`);
    expect(said.length).toBeLessThanOrEqual(200);
    expect(said).not.toMatch(/\p{Cc}/u);
    const secret = 'eyJwYXlsb2FkIjoi0123456789';
    expect(
      refusal('registry', 400, { errors: [{ code: 'X', message: `you sent ${secret}` }] }, [secret]).said,
    ).not.toContain(secret);
  });

  it('has a remedy that is of its own cause', () => {
    const remedy = (...answer: Parameters<typeof refusal>) => pullRemedies[refusal(...answer).problem];
    expect(remedy('registry', 403, denied(notAuthorized('a')))).toContain('ecr:BatchGetImage');
    expect(remedy('registry', 401, '')).toContain('role that mints');
    expect(remedy('blob-store', 403, xml('KMS.NotFoundException'))).toContain('KMS key');
    expect(remedy('registry', 404, '')).toContain('Push the image');
    expect(remedy('registry', 403, denied('The upstream registry failed'))).toContain('pull through cache rule');
  });

  it('is told for whatever came', () => {
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 599 }), fc.oneof(fc.json(), fc.string()), (status, body) => {
        for (const origin of ['registry', 'blob-store'] as const) {
          expect(pullRemedies[refusal(origin, status, body).problem]).not.toBe('');
        }
      }),
    );
  });
});

import * as z from 'zod/mini';
import type { Answer } from '../exchange.ts';
import { parseJson } from '../json.ts';
import { listOf } from '../json-parts.ts';
import { quote } from '../quote.ts';

/** Why a registry, or the store where it keeps its blobs, did not give what it was asked for. */
type AnswerProblem =
  | 'token-refused'
  | 'token-expired'
  | 'repository-forbidden'
  | 'image-missing'
  | 'archived'
  | 'key-lost'
  | 'upstream'
  | 'throttled'
  | 'unreachable'
  | 'malformed';

/**
 * Why an image could not be pulled. The first three speak of the token and its rights, the rest of the image or the
 * moment.
 */
export type PullProblem = AnswerProblem | 'no-linux-amd64' | 'no-image' | 'bad-reference';

/** What a refusal says. */
interface AnswerReading {
  readonly problem: AnswerProblem;
  /** Its own words, plain and bounded, without our secrets; empty where it had none. */
  readonly said: string;
}

/** Who answered: ECR itself, or S3, where its redirects lead. */
export type AnswerOrigin = 'registry' | 'blob-store';

/** What to do about a problem, in a sentence without its period. */
export const pullRemedies: Readonly<Record<PullProblem, string>> = {
  'token-refused': 'Check that the role that mints still exists and may pull',
  'token-expired': 'Mint another token; where that ends as soon, check the clock of who mints',
  'repository-forbidden':
    'Allow ecr:BatchGetImage and ecr:GetDownloadUrlForLayer on the repository to the role that mints',
  'image-missing': "Push the image, or correct the endpoint's image",
  archived: 'Restore the image from the archive in Amazon ECR, or push it again',
  'key-lost': "Restore the repository's KMS key, or push the image to a repository whose key is there",
  upstream: 'Check the pull through cache rule in Amazon ECR, and its secret',
  throttled: 'It passes; where it lasts, ask AWS for a larger quota of ECR',
  unreachable: 'It passes; where it lasts, look at the status of Amazon ECR',
  malformed: 'Build and push the image again',
  'no-linux-amd64': 'Build and push it with --platform linux/amd64',
  'no-image': 'Give the endpoint the reference of a container image',
  'bad-reference': "Correct the endpoint's image",
};

/** Whether it may pass by itself within minutes. */
export const isPassing = (problem: PullProblem): boolean => problem === 'throttled' || problem === 'unreachable';

/**
 * Whether a registry's answer, once among others that work, may be gone when asked for again
 * (docker/build-push-action#719).
 */
export const isAskedAgain = ({ status }: Pick<Answer, 'status'>): boolean => status === 401 || status === 404;

/** A refusal's code and message, where it has such. */
interface Words {
  readonly code: string;
  readonly message: string;
}

const maxBodyBytes = 64 * 1024;
const maxWords = 2048;
const maxErrors = 1000;
const wordSchema = z.object({ code: z.optional(z.string()), message: z.optional(z.string()) });
const errorsSchema = z.object({ errors: listOf(wordSchema, maxErrors) });

/** The text between two tags. S3's errors are XML of no depth; entities in them are of no account here. */
const tagged = (xml: string, tag: string): string => {
  const start = xml.indexOf(`<${tag}>`);
  const end = start === -1 ? -1 : xml.indexOf(`</${tag}>`, start);
  return end === -1 ? '' : xml.slice(start + tag.length + 2, end);
};

/**
 * Reads the words of a refusal: the `errors` of the OCI distribution specification, one such error alone, S3's XML, or
 * plain text.
 */
const wordsOf = (body: Uint8Array): Words => {
  const bytes = body.subarray(0, maxBodyBytes);
  const text = new TextDecoder().decode(bytes);
  const json = parseJson(bytes);
  const errors = z.safeParse(errorsSchema, json);
  const single = z.safeParse(wordSchema, json);
  const found = errors.success ? errors.data.errors[0] : single.success ? single.data : undefined;
  if (found !== undefined) {
    const { code = '', message = '' } = found;
    return { code: code.slice(0, maxWords), message: message.slice(0, maxWords) };
  }
  const start = text.slice(0, maxWords);
  const code = tagged(start, 'Code');
  return code === '' ? { code, message: start.trim() } : { code, message: tagged(start, 'Message') };
};

/** A message without what people named themselves: a repository may be called `archive`. */
const proseOf = (message: string): string =>
  message
    .replace(/'[^']{0,300}'|"[^"]{0,300}"/g, '…')
    .split(/\s/)
    .map((word) => (/\/|arn:|sha256:/.test(word) ? '…' : word))
    .join(' ');

const keyPattern = /\bkms(?:\w{0,32}exception)?\b|customer master key|ciphertext refers to/i;
/** KMS's own troubles, which pass. Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, "Errors" */
const passingKeyPattern = /kms\.?internal|dependencytimeout|keyunavailable/i;
/**
 * What ECR says where it caches another registry's images and cannot get one. Whom it says so had a token that it took.
 *
 * Sources: the errors of https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html,
 * API_GetDownloadUrlForLayer.html and API_UpdatePullThroughCacheRule.html; aws/containers-roadmap#2354
 */
export const upstreamPattern =
  /\bupstream (?:registry|image|layer)|pull through cache rule|unableto(?:get|list)upstream|unableto(?:access|decrypt)secret|secretnotfound|unsupportedupstream|\bthe secret is (?:accessible but|unable)/i;
/** Neither ECR nor S3 answers in HTML: a proxy between does. */
const pagePattern = /^<(?:!doctype|html)/i;
const archivePattern = /\b(?:is|are|was|been) archived\b|\barchived image|imagearchived|\barchiv\w{1,4} storage/i;
/** Source: the OCI distribution specification, "Error codes" */
const missingCodes: readonly string[] = ['BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN'];
const passingCodes: readonly string[] = [
  'InternalFailure',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'InternalError',
  'ServiceUnavailable',
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'OperationAborted',
];
const throttlingPattern =
  /toomanyrequests|throttl|slowdown|limit.?exceeded|rate exceeded|too many requests|reduce your request rate/i;

const storeProblem = (status: number, { code, message }: Words): AnswerProblem => {
  if (status === 429 || throttlingPattern.test(code)) return 'throttled';
  if (passingKeyPattern.test(code) || pagePattern.test(message)) return 'unreachable';
  if (status < 500 && keyPattern.test(`${code.replaceAll('.', ' ')} ${message}`)) return 'key-lost';
  if (status >= 500 || status === 408 || passingCodes.includes(code)) return 'unreachable';
  if (status === 404 || code.startsWith('NoSuch')) return 'image-missing';
  if (code === 'InvalidObjectState') return 'archived';
  // A link that ended between ECR's answer and our asking: "Request has expired". S3 has no other right to refuse.
  return status === 401 || status === 403 ? 'unreachable' : 'malformed';
};

const registryProblem = (status: number, { code, message }: Words): AnswerProblem => {
  const prose = `${code} ${proseOf(message)}`;
  if (pagePattern.test(message)) return 'unreachable';
  if (status !== 429 && upstreamPattern.test(prose)) return 'upstream';
  if (/(?:token|signature) (?:has |is )?expired|included in the request is expired/i.test(prose))
    return 'token-expired';
  if (
    /token (?:included in the request )?is invalid|invalid token|missing authentication|unrecognizedclient/i.test(prose)
  )
    return 'token-refused';
  if (keyPattern.test(prose)) return passingKeyPattern.test(prose) ? 'unreachable' : 'key-lost';
  if (archivePattern.test(prose)) return 'archived';
  if (/layer ?inaccessible/i.test(prose)) return 'image-missing';
  if (status === 429 || throttlingPattern.test(prose)) return 'throttled';
  if (status === 401) return 'token-refused';
  if (status === 403) return 'repository-forbidden';
  if (status === 404 || missingCodes.includes(code)) return 'image-missing';
  if (status >= 500 || status === 407 || status === 408 || status === 425 || passingCodes.includes(code))
    return 'unreachable';
  return 'malformed';
};

/**
 * Tells from an answer that is no success what kind of refusal it is, and what to do about it.
 *
 * Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html and common-errors.html
 * (expired tokens, 403, 429); its page "Archiving an image" (404); the OCI distribution specification, "Error codes";
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; answers that people posted.
 *
 * @param secrets what must not be repeated, whoever repeats it
 */
export const readRefusal = (
  { status, body }: Pick<Answer, 'status' | 'body'>,
  origin: AnswerOrigin,
  secrets: readonly string[],
): AnswerReading => {
  const words = wordsOf(body);
  const problem = origin === 'registry' ? registryProblem(status, words) : storeProblem(status, words);
  return {
    problem,
    said: quote(`${words.code} ${words.message}`.trim(), secrets),
  };
};

/** Whether the store says that a layer has no bytes: asked for the first of none, it answers 416. */
export const isEmptyRange = ({ status }: Pick<Answer, 'status'>): boolean => status === 416;

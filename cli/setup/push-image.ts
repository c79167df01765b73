import type { RegistryToken } from '../../functions/lib/aws/seal.ts';
import type { ImageReference } from '../../functions/lib/ecr/image-reference.ts';
import { authorizationOf, registryOrigin } from '../../functions/lib/ecr/registry.ts';
import { readRefusal } from '../../functions/lib/ecr/registry-answer.ts';
import type { Settings } from '../../functions/lib/env.ts';
import { type Answer, ExchangeError, exchange } from '../../functions/lib/exchange.ts';
import type { Send } from '../../functions/lib/http.ts';
import { CommandError } from '../../stack/failure.ts';
import type { BuiltImage, Content } from './canary-image.ts';

const maxAnswerBytes = 64 * 1024;

/** What pushing needs: https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html */
const rights =
  'ecr:BatchCheckLayerAvailability, ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload and ecr:PutImage';

const remedies: Readonly<Record<string, string>> = {
  'repository-forbidden': `Allow ${rights} on the repository to whoever runs this`,
  'image-missing': 'Check that the repository is there, and run this again',
  'token-refused': 'Sign in to AWS again, and run this again',
  'token-expired': 'Set the clock of this machine, and run this again',
  throttled: 'Run this again in a minute',
  unreachable: 'Check the network, and run this again',
};

/** What is sent to the registry besides the token. */
interface PushRequest {
  readonly method: 'HEAD' | 'POST' | 'PUT';
  readonly body?: Uint8Array;
  readonly mediaType?: string;
}

/** Why a push ended: what the registry was asked for, what came back, and what to do. */
const failureOf = (what: string, answer: Answer, { password }: RegistryToken): CommandError => {
  const { problem, said } = readRefusal(answer, 'registry', [password]);
  const isTaken = said.startsWith('TAG_INVALID');
  const remedy = isTaken ? 'Take another repository, with --repository' : remedies[problem];
  return new CommandError(
    `${what} answered ${answer.status}${said === '' ? '' : ` "${said}"`}.${remedy === undefined ? '' : ` ${remedy}.`}`,
  );
};

/**
 * Pushes an image: each blob that is not there yet whole, by a POST that begins its upload and a PUT that brings and ends
 * it; then the manifest under its tag. containerd and BuildKit push to ECR in the same way (containerd,
 * core/remotes/docker/pusher.go). A push that was cut off is made again by the same calls.
 *
 * Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md, "Pushing Blobs", "POST then PUT"
 *
 * @throws {CommandError} the registry did not take it
 */
export const pushImage = async (
  {
    UPSTREAM_TIMEOUT_SECONDS,
    REGISTRY_ENDPOINT_URL,
  }: Pick<Settings, 'UPSTREAM_TIMEOUT_SECONDS' | 'REGISTRY_ENDPOINT_URL'>,
  send: Send,
  { registry, repository, tag }: ImageReference & { readonly tag: string },
  { blobs, manifest }: BuiltImage,
  token: RegistryToken,
): Promise<void> => {
  const base = `${registryOrigin(registry, REGISTRY_ENDPOINT_URL)}/v2/${repository}`;

  const ask = async (what: string, url: URL, { method, body, mediaType }: PushRequest): Promise<Answer> => {
    const type: Record<string, string> = mediaType === undefined ? {} : { 'content-type': mediaType };
    const headers = { ...authorizationOf(token), ...type };
    const timeoutMs = UPSTREAM_TIMEOUT_SECONDS * 1000;
    try {
      return await exchange(send, { url, method, headers, body, timeoutMs, maxBytes: maxAnswerBytes });
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error;
      throw new CommandError(`${what} gave no answer: ${error.message}. ${remedies.unreachable}.`, { cause: error });
    }
  };

  const pushBlob = async ({ digest, bytes }: Content): Promise<void> => {
    const about = `blob ${digest.slice(0, 19)} of ${repository}`;
    const there = await ask(`${registry}, asked for ${about},`, new URL(`${base}/blobs/${digest}`), { method: 'HEAD' });
    // ECR redirects to its store for what is there.
    if (there.status < 400) return;
    const begin = `${registry}, asked to take ${about},`;
    const begun = await ask(begin, new URL(`${base}/blobs/uploads/`), { method: 'POST' });
    if (begun.status !== 202) throw failureOf(begin, begun, token);
    const location = begun.headers.get('location') ?? '';
    const url = URL.canParse(location, base) ? new URL(location, base) : undefined;
    // Nobody but the registry itself gets the token.
    if (location === '' || url?.origin !== new URL(base).origin) {
      throw new CommandError(`${begin} named no place of its own for it. Run this again.`);
    }
    url.searchParams.set('digest', digest);
    const end = `${registry}, sent ${about},`;
    const ended = await ask(end, url, { method: 'PUT', body: bytes, mediaType: 'application/octet-stream' });
    if (ended.status !== 201) throw failureOf(end, ended, token);
  };

  for (const blob of blobs) await pushBlob(blob);
  const what = `${registry}, sent the manifest of ${repository}:${tag},`;
  const { bytes: body, mediaType } = manifest;
  const answer = await ask(what, new URL(`${base}/manifests/${tag}`), { method: 'PUT', body, mediaType });
  if (answer.status !== 201) throw failureOf(what, answer, token);
};

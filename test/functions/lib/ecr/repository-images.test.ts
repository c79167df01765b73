import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createListRepositoryImages } from '../../../../functions/lib/ecr/repository-images.ts';
import { WorldClock } from '../../../../simulator/clock.ts';
import { Faults, json, type Loopback, type Reply, serve } from '../../../../simulator/loopback.ts';

const registry = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const pushedAt = Date.parse('2026-11-23T12:00:00Z');
const digestOf = (index: number): string => `sha256:${String(index).padStart(64, '0')}`;

let server: Loopback;
let answer: (asked: Record<string, unknown>) => Reply;
let asked: Array<Record<string, unknown>>;
let signedFor: string[];
let time: number;

beforeAll(async () => {
  server = await serve(new WorldClock(), new Faults(), ({ body, headers }) => {
    const question: Record<string, unknown> = JSON.parse(body);
    asked.push(question);
    signedFor.push(String(headers.authorization));
    return answer(question);
  });
});
afterAll(() => server.close());
beforeEach(() => {
  asked = [];
  signedFor = [];
  time = pushedAt;
});

const list = (of = registry) => {
  const aws = { endpoint: server.origin, credentials: { accessKeyId: 'AKIA', secretAccessKey: 'secret' } };
  return createListRepositoryImages({ UPSTREAM_TIMEOUT_SECONDS: 5, aws }, () => time)(of, 'team/worker');
};

/** Pages of one image each, without end unless there are so many. */
const pages =
  (count = Number.POSITIVE_INFINITY) =>
  ({ nextToken = '0' }: Record<string, unknown>): Reply => {
    const index = Number(nextToken);
    const next = index + 1 < count ? { nextToken: String(index + 1) } : {};
    return json(200, { imageDetails: [{ imageDigest: digestOf(index) }], ...next });
  };

describe('the images of a repository', () => {
  it('are asked of the registry’s own account and region, as many at once as ECR gives', async () => {
    answer = () =>
      json(200, {
        imageDetails: [
          { imageDigest: digestOf(1), imageTags: ['v1', 'production'], imagePushedAt: pushedAt / 1000 },
          { imageTags: ['of no digest'] },
          { imageDigest: digestOf(2) },
        ],
      });
    expect(await list()).toEqual([
      { digest: digestOf(1), tags: ['v1', 'production'], pushedAt },
      { digest: digestOf(2), tags: [], pushedAt: 0 },
    ]);
    expect(asked).toEqual([{ registryId: '123456789012', repositoryName: 'team/worker', maxResults: 1000 }]);
    expect(signedFor).toEqual([expect.stringContaining('/eu-west-1/ecr/')]);
  });

  it('are of all pages', async () => {
    answer = pages(3);
    expect((await list()).map(({ digest }) => digest)).toEqual([digestOf(0), digestOf(1), digestOf(2)]);
    expect(asked.map(({ nextToken }) => nextToken)).toEqual([undefined, '1', '2']);
  });

  it('are none where the repository has none, or is none', async () => {
    answer = () => json(200, {});
    expect(await list()).toEqual([]);
    answer = () => json(400, { __type: 'RepositoryNotFoundException', message: 'No such repository.' });
    expect(await list()).toEqual([]);
  });

  it('are not asked of what is no registry of ECR’s', async () => {
    await expect(list('docker.io')).rejects.toMatchObject({
      name: 'EcrUnavailableError',
      message: 'ECR, asked for the images of team/worker, cannot be: docker.io is none of its registries.',
    });
    expect(asked).toEqual([]);
  });

  it('are those of 110 pages, more than a repository holds, and of a minute', async () => {
    answer = pages(110);
    expect(await list()).toHaveLength(110);
    answer = pages();
    const endless = {
      name: 'EcrUnavailableError',
      message: 'ECR, asked for the images of team/worker, had no last page.',
    };
    await expect(list()).rejects.toMatchObject(endless);
    expect(asked).toHaveLength(220);
    answer = (question) => {
      time += 20_000;
      return pages()(question);
    };
    await expect(list()).rejects.toMatchObject(endless);
    expect(asked).toHaveLength(223);
  });

  it.each([
    ['ThrottlingException', 400, 'EcrThrottledError', /^ECR, asked .* asked us to slow down \(400 ThrottlingException/],
    ['ServerException', 500, 'EcrUnavailableError', /^ECR, asked .* did not answer \(500 ServerException/],
    [
      'AccessDeniedException',
      400,
      'EcrAccessDeniedError',
      /^ECR, asked .* refused \(400 AccessDeniedException .*\)\. Allow ecr:DescribeImages on the repository\.$/,
    ],
  ])('are not known where ECR says %s', async (type, status, name, message) => {
    answer = () => json(status, { __type: type, message: 'No.' });
    const error: unknown = await list().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ name, message: expect.stringMatching(message), cause: { name: type } });
  });
});

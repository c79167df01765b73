import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BuiltImage, buildCanaryImage } from '../../cli/setup/canary-image.ts';
import { pushImage } from '../../cli/setup/push-image.ts';
import { send } from '../../functions/lib/http.ts';
import { account, region, registryHost, World } from '../../simulator/world.ts';

let world: World;
const image = buildCanaryImage();

beforeAll(async () => {
  world = await World.begin();
  for (const [name, isImmutable] of [
    ['immutable', true],
    ['mutable', false],
  ] as const) {
    world.ecr.createdRepositories.set(`${account}/${region}/${name}`, { isImmutable, tags: [] });
  }
});
afterAll(() => world.end());

const push = (
  repository: string,
  pushed: BuiltImage = image,
  minter = world.identities.of({ accessKeyId: world.awsVariables().AWS_ACCESS_KEY_ID ?? '' }),
) => {
  const { password } = world.ecr.mint(minter, region);
  const reference = { registry: registryHost, repository, tag: 'v1' };
  return pushImage(world.platform().settings, send, reference, pushed, { username: 'AWS', password });
};
const ends = (pushing: Promise<void>): Promise<string> =>
  pushing.then(
    () => 'taken',
    (error: unknown) => String(error),
  );

/** The image with another manifest, whose layers are as they were. */
const other = {
  ...image,
  manifest: { ...image.manifest, bytes: Buffer.concat([image.manifest.bytes, Buffer.from('\n')]) },
};

it.each<readonly [string, () => Promise<void>, RegExp]>([
  ['takes an image', () => push('mutable'), /^taken$/],
  ['takes another for the same tag', () => push('mutable', other), /^taken$/],
  ['takes one where tags are immutable', () => push('immutable'), /^taken$/],
  [
    'takes no other for that tag',
    () => push('immutable', other),
    /answered 400 "TAG_INVALID The image tag 'v1' already exists in the 'immutable' repository and cannot be overwritten/,
  ],
  [
    'takes nothing into a repository that there is not',
    () => push('nowhere'),
    /answered 404 "NAME_UNKNOWN The repository with name 'nowhere' does not exist/,
  ],
  [
    'takes no layer of another digest',
    () =>
      push('mutable', {
        ...image,
        blobs: image.blobs.map((each) => ({ ...each, digest: `sha256:${'0'.repeat(64)}` })),
      }),
    /answered 400 "DIGEST_INVALID/,
  ],
  [
    'takes no layer of no bytes',
    () =>
      push('mutable', {
        ...image,
        blobs: [{ mediaType: 'x', digest: `sha256:${'1'.repeat(64)}`, bytes: Buffer.alloc(0) }],
      }),
    /answered 400 "BLOB_UPLOAD_INVALID/,
  ],
  [
    'takes no manifest without its layers',
    async () => {
      world.ecr.createdRepositories.set(`${account}/${region}/fresh`, { isImmutable: true, tags: [] });
      await push('fresh', { ...image, blobs: [] });
    },
    /answered 404 "MANIFEST_BLOB_UNKNOWN/,
  ],
  [
    'takes nothing from a role that may only pull',
    () => push('mutable', other, world.principal),
    /answered 403 "DENIED User: \S+ is not authorized to perform: ecr:InitiateLayerUpload/,
  ],
])('the embedded ECR %s', async (_what, pushing, said) => {
  expect(await ends(pushing())).toMatch(said);
});

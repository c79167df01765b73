import * as z from 'zod/mini';
import { boundedText } from '../bounded-text.ts';
import type { Settings } from '../env.ts';
import { RunpodUnavailableError } from '../errors.ts';
import { listOf } from '../json-parts.ts';
import { maxImageBytes, maxNameBytes } from './bounds.ts';
import { type RunpodClient, under } from './client.ts';
import { endpointSchema, unlessOdd } from './management.ts';

const releaseSchema = z.object({
  /** Runpod may not number it. */
  version: unlessOdd(z.number()),
  /** ISO 8601. */
  createdAt: unlessOdd(boundedText(64)),
  diff: z.nullish(listOf(z.object({ field: boundedText(maxNameBytes), old: z.unknown(), new: z.unknown() }), 1000)),
});

/** An endpoint that never had any may have none to list. */
const releasesSchema = z.object({ releases: z.nullish(listOf(releaseSchema, 1000)) });

/** A release that changed an endpoint's image. */
export interface ImageRelease {
  readonly version: number | undefined;
  /** Epoch milliseconds. */
  readonly createdAt: number | undefined;
  readonly old: string | undefined;
  readonly new: string;
}

/** What Runpod calls an endpoint's image in a release. */
const imageField = 'template.imageName';
/** Releases are listed newest first; those of a rollout are among the newest. */
const releasesRead = 50;

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= maxImageBytes ? value : undefined;

/** The changes of an endpoint's image, newest first. */
export type ListImageReleases = (endpointId: string) => Promise<readonly ImageRelease[]>;

/** Reads `GET /v2/serverless/{id}/releases`, whose `diff` says what a release changed. */
export const createListImageReleases =
  (client: RunpodClient, { RUNPOD_API_URL: api }: Pick<Settings, 'RUNPOD_API_URL'>): ListImageReleases =>
  async (endpointId) => {
    const url = under(api, 'serverless', endpointId, 'releases');
    url.searchParams.set('limit', String(releasesRead));
    const call = {
      what: `list the releases of endpoint ${endpointId}`,
      url,
      scope: 'for reading serverless endpoints',
    };
    const { releases } = await client.ask(call, releasesSchema);
    const changes = (releases ?? []).flatMap(({ version, createdAt, diff }): ImageRelease[] => {
      const change = diff?.find(({ field }) => field === imageField);
      const image = textOf(change?.new);
      const created = Date.parse(createdAt ?? '');
      if (image === undefined) return [];
      return [
        {
          version: version ?? undefined,
          createdAt: Number.isNaN(created) ? undefined : created,
          old: textOf(change?.old),
          new: image,
        },
      ];
    });
    return changes.toSorted((one, other) => (other.createdAt ?? 0) - (one.createdAt ?? 0));
  };

/** Gives an endpoint an image, and changes nothing else of it. */
export type ChangeImage = (endpointId: string, image: string) => Promise<void>;

/**
 * Makes a changer by `PATCH /v2/serverless/{id}`, of which only the fields that are sent change. `env` is never sent: it
 * would replace what is there.
 *
 * @throws (the changer) what the client throws
 */
export const createChangeImage =
  (client: RunpodClient, { RUNPOD_API_URL: api }: Pick<Settings, 'RUNPOD_API_URL'>): ChangeImage =>
  async (endpointId, image) => {
    const call = {
      what: `give endpoint ${endpointId} the image ${image}`,
      method: 'PATCH' as const,
      url: under(api, 'serverless', endpointId),
      body: { image },
      scope: 'for changing serverless endpoints',
    };
    const answered = await client.ask(call, endpointSchema);
    if (answered.id !== endpointId) {
      throw new RunpodUnavailableError(`Runpod, asked to ${call.what}, answered with another endpoint.`);
    }
  };

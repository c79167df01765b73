import type { FaultEffect } from '../simulator/loopback.ts';

/** The speeds that can be chosen, in simulated seconds a second. */
export const speeds = ['0', '1', '60', '600', '3600', '21600'];

const refusal = (status: number, headers: Record<string, string> = {}): FaultEffect => ({
  answer: {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ title: 'switched', status, detail: `switched to ${status} in the console` }),
  },
});

/** What Runpod and ECR can be switched to. */
export const switchFaults: Readonly<
  Record<string, Readonly<Record<string, { readonly on: RegExp; readonly does: FaultEffect } | undefined>>>
> = {
  runpod: {
    well: undefined,
    '405': { on: /^PATCH \/v2\/registries/, does: refusal(405) },
    '429': {
      on: /^\w+ \/(?:v1|v2\/(?:registries|serverless|templates|pods)|graphql)\b/,
      does: refusal(429, { 'retry-after': '12' }),
    },
    '503': { on: /^\w+ \/(?:v1|v2\/(?:registries|serverless|templates|pods)|graphql)\b/, does: refusal(503) },
    hangs: { on: /^\w+ \/(?:v1|v2\/(?:registries|serverless|templates|pods)|graphql)\b/, does: { hang: true } },
  },
  ecr: {
    well: undefined,
    refuses: {
      on: /GetAuthorizationToken/,
      does: {
        answer: {
          status: 400,
          headers: { 'content-type': 'application/x-amz-json-1.1' },
          body: '{"__type":"AccessDeniedException","message":"switched off in the console"}',
        },
      },
    },
    '503': { on: /GetAuthorizationToken|\/(?:manifests|blobs)\//, does: refusal(503) },
  },
};

export const outageText: Readonly<Record<string, string>> = {
  'runpod 405': 'Runpod has no update in v2 (405)',
  'runpod 429': 'Runpod asks to slow down (429)',
  'runpod 503': 'Runpod is down (503)',
  'runpod hangs': 'Runpod hangs',
  'ecr refuses': 'ECR refuses to mint',
  'ecr 503': 'ECR is down (503)',
};

import { describe, expect, it } from 'vitest';
import { classifyPullLine } from '../../../../functions/lib/runpod/pull-log.ts';

const image = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker';

describe('a line of a worker’s system log', () => {
  it.each([
    // As recorded.
    ['v1.4.2 Pulling from team/worker', 'pulled'],
    ['Digest: sha256:0f5a1c6f6d0f0c9a3a4e7b1b7a5a2f3f0d7c3b2a1908f7e6d5c4b3a291807f6e', 'pulled'],
    [`Status: Downloaded newer image for ${image}:v1.4.2`, 'pulled'],
    [`Status: Image is up to date for ${image}:v1.4.2`, 'pulled'],
    [
      `error pulling image: Error response from daemon: Head "https://${image}/manifests/latest": no basic auth credentials`,
      'refused',
    ],
    [
      "error pulling image: Error response from daemon: pull access denied for team/worker, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
      'refused',
    ],
    ['error pulling image: Error response from daemon: unauthorized: authentication required', 'refused'],
    ['error creating container: Error response from daemon: unauthorized: authentication required', 'refused'],
    [
      'error pulling image: Error response from daemon: denied: Your authorization token has expired. Reauthenticate and try again.',
      'refused',
    ],
    [
      `error creating container: container: create: container create: Error response from daemon: No such image: ${image}:latest`,
      'missing',
    ],
    ['create container justinrunpod/vo:v1', 'other'],
    ['start container for justinrunpod/vo:v1: begin', 'other'],
    ['model ready', 'other'],
    ['stop container a6a111ed', 'other'],
    ['remove container', 'other'],
    // As Docker and containerd word the rest.
    [`error pulling image: manifest for ${image}:v9 not found: manifest unknown: Requested image not found`, 'missing'],
    ['error pulling image: toomanyrequests: Rate exceeded', 'throttled'],
    [
      'error pulling image: failed to register layer: write /usr/lib/libcudnn.so: no space left on device',
      'out-of-disk',
    ],
    ['error pulling image: no matching manifest for linux/amd64 in the manifest list entries', 'wrong-architecture'],
    ['exec /usr/bin/python: exec format error', 'wrong-architecture'],
    ['', 'other'],
    [`${'x'.repeat(5000)} unauthorized: authentication required`, 'other'],
  ])('%j says %s', (line, kind) => {
    expect(classifyPullLine(line)).toBe(kind);
  });
});

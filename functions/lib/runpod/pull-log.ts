/** What a line of a worker's system log says about pulling the image. */
export type PullLine = 'pulled' | 'refused' | 'missing' | 'throttled' | 'out-of-disk' | 'wrong-architecture' | 'other';

/**
 * How container daemons word it, first match wins. The wording was recorded from Runpod's workers and from containerd
 * and moby, whose errors Runpod's hosts pass on.
 */
const wordings: ReadonlyArray<readonly [RegExp, PullLine]> = [
  // "Error response from daemon: denied: Your authorization token has expired. Reauthenticate and try again."
  [/authorization token has expired/i, 'refused'],
  // "Head "https://…/manifests/latest": no basic auth credentials"
  [/no basic auth credentials/i, 'refused'],
  // "toomanyrequests: Rate exceeded", "429 Too Many Requests"
  [/toomanyrequests|too many requests|rate exceeded/i, 'throttled'],
  // "failed to register layer: write /…: no space left on device"
  [/no space left on device|disk quota exceeded/i, 'out-of-disk'],
  // "no matching manifest for linux/amd64 in the manifest list entries", "exec format error"
  [
    /no matching manifest for|exec format error|does not match the (?:detected|specified) (?:host )?platform/i,
    'wrong-architecture',
  ],
  // "pull access denied for team/worker, repository does not exist or may require 'docker login': denied: …"
  [/pull access denied|requested access to the resource is denied|\bdenied:/i, 'refused'],
  // "unauthorized: authentication required"
  [/\bunauthorized\b|authentication required|403 Forbidden|401 Unauthorized/i, 'refused'],
  // "manifest for …:latest not found: manifest unknown", "No such image: …"
  [/manifest unknown|manifest for .* not found|no such image|name unknown|repository .* not found/i, 'missing'],
  // "v1.4.2 Pulling from team/worker": the registry took the login and handed out the manifest
  [/^\S+:? Pulling from \S/, 'pulled'],
  // "Digest: sha256:0f5a…"
  [/^Digest: sha256:[0-9a-f]{64}\b/, 'pulled'],
  // "Status: Downloaded newer image for …", "Status: Image is up to date for …"
  [/^Status: (?:Downloaded newer image|Image is up to date) for \S/, 'pulled'],
];

/** Classifies one line of a worker's system log. */
export const classifyPullLine = (line: string): PullLine =>
  wordings.find(([pattern]) => pattern.test(line.slice(0, 4096).trim()))?.[1] ?? 'other';

import { World } from './world.ts';

/** A world of many targets, each with a Runpod key of its own and three endpoints on one image. */
export const beginWithTargets = async (count: number): Promise<World> => {
  const names = Array.from({ length: count }, (_, index) =>
    `target-with-a-rather-long-name-${String(index).padStart(1, '0')}`.slice(-32).replace(/^-+/, ''),
  );
  const targets = names.map(
    (name, index) =>
      `  - { name: ${name}, ecr: { region: us-east-1 }, runpod: { apiKey: "ssm:/runpod-ecr-refresh/dev/${index}", registry: r${index} } }`,
  );
  const begun = await World.begin({
    targets: `targets:\n${targets.join('\n')}\n`,
    environment: { UPSTREAM_TIMEOUT_SECONDS: '30' },
  });
  const image = begun.push('team/worker', 'v1', { layers: 1 });
  names.forEach((_, index) => {
    const owner = `rpa_key_of_account_${index}`;
    begun.secrets.parameters.set(`/runpod-ecr-refresh/dev/${index}`, owner);
    begun.runpod.keys.set(owner, new Set(['*']));
    begun.runpod.addCredential(`r${index}`, 'ecr', { username: 'AWS', password: 'none' });
    for (const letter of ['a', 'b', 'c']) {
      begun.runpod.addEndpoint({
        id: `endpoint-${index}-${letter}`,
        name: letter,
        image,
        registry: `r${index}`,
        owner,
      });
    }
  });
  return begun;
};

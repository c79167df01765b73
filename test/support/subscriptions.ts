import type { World } from '../../simulator/world.ts';

/** Has somebody listen to alerts and alarms by mail. */
export const subscribeAll = (world: World): void => {
  for (const topic of ['alerts', 'alarms']) {
    const topicArn = `arn:aws:sns:us-east-1:123456789012:runpod-ecr-refresh-dev-${topic}`;
    world.deployment.subscriptions.push({
      topicArn,
      protocol: 'email',
      endpoint: 'you@example.com',
      isConfirmed: true,
    });
  }
};

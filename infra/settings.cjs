/** What serverless.yml needs to know of targets.yml. Node strips the types of what it imports (Node 22.18 and later). */
module.exports = async ({ resolveVariable }) => {
  const { readStackSettings } = await import('./settings.ts');
  const scheduleHours = await resolveVariable("param:scheduleHours, '5'");
  const alertEmail = await resolveVariable("param:alertEmail, ''");
  const pagerUrl = await resolveVariable("param:pagerUrl, ''");
  const digestHour = await resolveVariable("param:digestHour, ''");
  const runbookUrl = await resolveVariable("param:runbookUrl, ''");
  const stage = await resolveVariable('sls:stage');
  const region = await resolveVariable("opt:region, env:AWS_REGION, 'us-east-1'");
  const isDeploy = process.argv.slice(2).some((word) => word === 'deploy');
  return readStackSettings({
    folder: `${__dirname}/..`,
    scheduleHours,
    isDeploy,
    alertEmail,
    pagerUrl,
    digestHour,
    runbookUrl,
    place: { stage, region },
  });
};

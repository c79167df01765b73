import { beforeAll, describe, expect, it } from 'vitest';
import { costOf, limits, type MonthlyCost, sumOf } from '../../bench/cost.ts';
import { metricUnits } from '../../functions/lib/platform.ts';
import { maxPackagingMs, packagedTemplate } from '../../simulator/packaged.ts';

let cost: MonthlyCost;
beforeAll(async () => {
  cost = await costOf(3);
}, maxPackagingMs);

describe('what a stack costs a month', () => {
  it('stays below the limits, fixed and for each target of three endpoints', () => {
    expect(cost.fixed['KMS keys']).toBeGreaterThanOrEqual(1);
    expect(sumOf(cost.fixed)).toBeLessThanOrEqual(limits.fixed);
    expect(cost.running.transitions).toBeGreaterThan(0.1);
    expect(sumOf(cost.running) / cost.targets).toBeLessThanOrEqual(limits.perTarget);
  });

  it('has alarms of a target’s own apart, and a metric of its own for each of them alone', () => {
    expect(cost.ownAlarms / cost.targets).toBeCloseTo(0.2, 2);
    expect(cost.fixed.metrics).toBeLessThan(Object.keys(metricUnits).length * 0.3);
  });

  it('has no metric that neither an alarm nor the dashboard shows', () => {
    const { Resources } = packagedTemplate();
    const shown = Object.values(Resources).filter(({ Type }) => /^AWS::CloudWatch::(Alarm|Dashboard)$/.test(Type));
    const text = JSON.stringify(shown);
    const own = ['TargetTokenSecondsLeft']; // of alarms that one target alone does not have: infra/alarms.ts
    expect(Object.keys(metricUnits).filter((name) => !own.includes(name) && !text.includes(name))).toEqual([]);
  });
});

import {
  DescribeExecutionCommand,
  type ExecutionListItem,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  SFNClient,
} from '@aws-sdk/client-sfn';
import * as z from 'zod/mini';
import type { Settings } from '../env.ts';
import { parseJson } from '../json.ts';
import { type Report, reportSchema } from '../report/report.ts';
import { awsClientDefaults } from './client.ts';

/**
 * Reads the reports of the runs before an execution, newest first. Step Functions' own history is the only record we
 * keep: a run that succeeded has its report as output, one that failed has it as the output of its Report state.
 *
 * @param execution the ARN of the execution, or of the state machine for the reports of all
 * @throws whatever the AWS SDK throws; a run whose report cannot be read is left out
 */
export type ReadEarlierReports = (execution: string) => Promise<Report[]>;

/** Half a day of five-hourly runs and of pushes in between. */
const executionsRead = 20;
/** The Report state is among the last events of a run that failed. */
const eventsRead = 40;
/** Each event may hold a state's 256 KiB; the last of a run of a thousand targets do. */
const maxHistoryBytes = 4 * 1024 * 1024;

const withReport = z.object({ report: reportSchema });

export const createReadEarlierReports = (settings: Settings): ReadEarlierReports => {
  const sfn = new SFNClient(awsClientDefaults(settings, maxHistoryBytes));

  const reportOfSuccess = async (executionArn: string): Promise<Report | undefined> => {
    const { output } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    return z.safeParse(reportSchema, parseJson(output)).data;
  };

  const reportOfFailure = async (executionArn: string): Promise<Report | undefined> => {
    const { events = [] } = await sfn.send(
      new GetExecutionHistoryCommand({
        executionArn,
        reverseOrder: true,
        maxResults: eventsRead,
        includeExecutionData: true,
      }),
    );
    const exited = events.find(({ stateExitedEventDetails }) => stateExitedEventDetails?.name === 'Report');
    return z.safeParse(withReport, parseJson(exited?.stateExitedEventDetails?.output)).data?.report;
  };

  return async (execution) => {
    const stateMachineArn = execution.replace(/:execution:([^:]+):.*$/, ':stateMachine:$1');
    const { executions = [] } = await sfn.send(
      new ListExecutionsCommand({ stateMachineArn, maxResults: executionsRead }),
    );
    const reports: Report[] = [];
    // By Step Functions' clock: those of the functions may differ.
    const stoppedAt = ({ stopDate }: ExecutionListItem): number => stopDate?.getTime() ?? 0;
    for (const { executionArn, status } of executions.sort((a, b) => stoppedAt(b) - stoppedAt(a))) {
      if (executionArn === undefined || executionArn === execution) continue;
      const report =
        status === 'SUCCEEDED'
          ? await reportOfSuccess(executionArn)
          : status === 'FAILED'
            ? await reportOfFailure(executionArn)
            : undefined;
      if (report !== undefined) reports.push(report);
    }
    return reports;
  };
};

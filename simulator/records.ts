import type { Log, Meter, MetricName } from '../functions/lib/platform.ts';

/** One line that a function logged. */
export interface LogEntry {
  readonly level: 'info' | 'error';
  readonly message: string;
  readonly fields: unknown;
}

/** One measurement that a function emitted. */
export interface Measurement {
  readonly name: MetricName;
  readonly value: number;
  readonly dimensions: Record<string, string>;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** A log that keeps its lines. */
export const logTo = (entries: LogEntry[]): Log => ({
  info: (message) => void entries.push({ level: 'info', message, fields: {} }),
  error: (message, error) => {
    const { name, message: text, stack } = error instanceof Error ? error : new Error(String(error));
    entries.push({ level: 'error', message, fields: { name, message: text, stack } });
  },
});

/** A meter that keeps what it is given. */
export const meterTo = (measurements: Measurement[], now: () => number): Meter => ({
  add: (name, value, dimensions = {}, at = now()) => void measurements.push({ name, value, dimensions, at }),
});

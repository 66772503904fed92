/** Prometheus' text format, 0.0.4. Pure. */

export type MetricKind = 'gauge' | 'counter';
export type Labels = Readonly<Record<string, string>>;

export interface Metric {
  /** By the conventions: base units in the name, `_total` at the end of a counter. */
  readonly name: string;
  readonly kind: MetricKind;
  /** What people are told. */
  readonly help: string;
  readonly values: ReadonlyArray<{ readonly labels?: Labels; readonly value: number }>;
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A metric without values is left out: what is not known is absent. */
export function exposition(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ values }) => values.length > 0)
    .map(({ name, kind, help, values }) =>
      [
        `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
        `# TYPE ${name} ${kind}`,
        ...values.map(({ labels, value }) => `${name}${labelText(labels)} ${value}`),
        '',
      ].join('\n'),
    )
    .join('');
}

function labelText(labels: Labels = {}): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escaped(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

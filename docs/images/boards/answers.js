// What Grafana's Prometheus data source does: variables, macros, and from answers to frames.
import { FieldType, rangeUtil, toDataFrame } from '@grafana/data';

const SCRAPE = 15; // seconds: `timeInterval` in grafana/provisioning

async function ask(path, parameters) {
  const reply = await fetch(`/api/v1/${path}`, { method: 'POST', body: new URLSearchParams(parameters) });
  const { status, data, error } = await reply.json();
  if (status !== 'success') throw new Error(`${error}: ${parameters.query}`);
  return data;
}

// The text of each variable at the top, and what stands for it in queries; `chosen` are values by name.
export async function resolveVariables(list, range, chosen) {
  const texts = {}, values = {};
  const set = (name, text, value) => ([texts[name], values[name]] = [text, value]);
  for (const variable of list) {
    const { name, type, current } = variable;
    if (chosen[name]) set(name, chosen[name], chosen[name]);
    else if (type === 'datasource') set(name, 'Prometheus', 'prometheus');
    else if (type === 'textbox') set(name, variable.query, variable.query);
    else if ([].concat(current?.value ?? []).includes('$__all')) set(name, 'All', variable.allValue ?? '.*');
    else {
      const [, query, label] = /^label_values\((.+), *(\w+)\)$/s.exec(variable.query.query ?? variable.query);
      const series = await ask('series', { 'match[]': fill(query, values, range), start: range.from / 1000 });
      const sorted = [...new Set(series.map((labels) => labels[label]))].sort();
      const first = (variable.sort === 2 ? sorted.at(-1) : sorted[0]) ?? '';
      set(name, first, first);
    }
  }
  return { texts, values };
}

export function fill(text, values, range, step = SCRAPE) {
  const seconds = Math.round((range.to - range.from) / 1000);
  const macros = {
    __range: `${seconds}s`,
    __interval: `${step}s`,
    __rate_interval: `${Math.max(step + SCRAPE, 4 * SCRAPE)}s`,
  };
  return text.replace(/\$(?:\{(\w+)(?::\w+)?\}|(\w+))/g, (whole, braced, bare) => ({ ...values, ...macros })[braced ?? bare] ?? whole);
}

// The frames of a panel that is so many pixels wide.
export async function askPanel(panel, values, range, width) {
  const { intervalMs } = rangeUtil.calculateInterval(range, Math.round(width), panel.interval || `${SCRAPE}s`);
  const step = intervalMs / 1000;
  const several = panel.targets.filter(({ format }) => format === 'table').length > 1;
  const frames = await Promise.all(panel.targets.map(async (target) => {
    const query = fill(target.expr, values, range, step);
    const end = range.to / 1000;
    const start = end - Math.floor((end - range.from / 1000) / step) * step; // so that what has no past is there, at the end
    const time = target.instant ? { time: end } : { start, end, step };
    const { result } = await ask(target.instant ? 'query' : 'query_range', { query, ...time });
    if (target.format === 'table') return result.length ? [rows(target, result, several)] : [];
    const steps = target.instant
      ? [result[0]?.value[0]]
      : Array.from({ length: (end - start) / step + 1 }, (_, number) => start + number * step);
    return result.map((series) => line(target, series, steps, intervalMs));
  }));
  return frames.flat();
}

// Steps without a sample are null, so that a line has gaps.
function line({ refId, legendFormat }, { metric, values, value }, steps, interval) {
  const samples = new Map(values ?? [value]);
  const legend = legendFormat.replace(/\{\{ *(\w+) *\}\}/g, (_, label) => metric[label] ?? '');
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: steps.map((at) => at * 1000), config: { interval } },
      {
        name: 'Value',
        type: FieldType.number,
        labels: metric,
        values: steps.map((at) => (samples.has(at) ? Number(samples.get(at)) : null)),
        config: { displayNameFromDS: legend },
      },
    ],
  });
}

function rows({ refId }, result, several) {
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: result.map(({ value }) => value[0] * 1000), config: {} },
      ...labels.map((name) => ({ name, type: FieldType.string, values: result.map(({ metric }) => metric[name] ?? ''), config: {} })),
      { name: several ? `Value #${refId}` : 'Value', type: FieldType.number, values: result.map(({ value }) => Number(value[1])), config: {} },
    ],
  });
}

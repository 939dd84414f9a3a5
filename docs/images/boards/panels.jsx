// What Grafana's panel plugins do, which npm does not have: from a panel and its frames to components of @grafana/ui.
import {
  applyFieldOverrides, cacheFieldDisplayNames, formattedValueToString, getDisplayValueAlignmentFactors, getFieldDisplayName,
  getFieldDisplayValues, standardTransformers, standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizLegend, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import React from 'react';
import { lastValueFrom } from 'rxjs';

const { filterByValueTransformer, mergeTransformer, organizeFieldsTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() =>
  [filterByValueTransformer, mergeTransformer, organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id, name: transformation.name, transformation, editor: () => null,
  })));

// Overrides may set any property; defaults stand in each field's own configuration before.
const properties = {
  list: () => [],
  getIfExists: (id) => {
    const isCustom = id.startsWith('custom.');
    return { id, isCustom, path: isCustom ? id.slice('custom.'.length) : id, process: (value) => value };
  },
};

// Grafana says null for -Infinity, the value of the first threshold.
const restored = (json) => JSON.parse(JSON.stringify(json), (key, value) =>
  key === 'steps' ? value.map((step) => ({ ...step, value: step.value ?? -Infinity })) : value);

// A function from width and height to what is drawn.
export async function panelOf(panel, answered, context) {
  const { theme, fillIn, range } = context;
  const { defaults, overrides } = restored(panel.fieldConfig);
  const frames = await lastValueFrom(transformDataFrame(panel.transformations ?? [], answered));
  for (const { fields } of frames) {
    for (const field of fields) field.config = { ...structuredClone(defaults), ...field.config };
  }
  const data = applyFieldOverrides({
    data: frames, fieldConfig: { defaults: {}, overrides }, fieldConfigRegistry: properties,
    theme, timeZone: 'utc', replaceVariables: fillIn,
  });
  cacheFieldDisplayNames(data); // tables read no other names
  const isEmpty = !data.some(({ length }) => length);
  if (isEmpty && panel.type !== 'stat') return () => <Centre>{defaults.noValue ?? 'No data'}</Centre>;
  return kinds[panel.type]({ data, options: panel.options, fieldConfig: { defaults, overrides }, theme, range, fillIn });
}

const Centre = ({ children }) => (
  <div style={{ height: '100%', display: 'flex', alignItems: 'center', justifyContent: 'center', textAlign: 'center' }}>{children}</div>
);

// One component for each number.
const repeat = ({ data, options, fieldConfig, theme, fillIn }, draw, more) => (width, height) => (
  <VizRepeater
    source={data}
    getValues={() => getFieldDisplayValues({
      data, fieldConfig, reduceOptions: options.reduceOptions, replaceVariables: fillIn, theme, timeZone: 'utc',
    })}
    getAlignmentFactors={getDisplayValueAlignmentFactors}
    renderValue={draw}
    renderCounter={0}
    orientation={options.orientation}
    width={width}
    height={height}
    {...more}
  />
);

const kinds = {
  stat: (panel) => repeat(
    panel,
    ({ value, ...place }) => <BigValue {...panel.options} {...place} value={value.display} theme={panel.theme} />,
    { autoGrid: true, itemSpacing: 3 },
  ),
  bargauge: (panel) => repeat(
    panel,
    ({ value, ...place }) => (
      <BarGauge
        {...panel.options}
        {...place}
        value={value.display}
        field={value.field}
        display={value.view?.getFieldDisplayProcessor(value.colIndex)}
        valueDisplayMode={panel.options.valueMode}
        theme={panel.theme}
        itemSpacing={10}
      />
    ),
    { itemSpacing: 10, minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 },
  ),
  timeseries: ({ data, options, range }) => (width, height) => (
    <TimeSeries frames={data} legend={options.legend} options={options} timeRange={range} timeZone="utc" structureRev={1} width={width} height={height} />
  ),
  table: ({ data, options }) => (width, height) => (
    <TableNG data={data[0]} cellHeight={options.cellHeight} initialSortBy={options.sortBy} structureRev={1} width={width} height={height} />
  ),
  'state-timeline': (panel) => (width, height) => <Timeline {...panel} width={width} height={height} />,
};

const LEGEND = 30, AXIS = 20, LETTER = 6.5; // pixels

// @grafana/ui has no state timeline: a band for each series, with a piece for each run of one state.
function Timeline({ data, options, range, width, height }) {
  const bands = data.map((frame) => {
    const [times, values] = frame.fields;
    const pieces = [];
    times.values.forEach((at, number) => {
      if (values.values[number] === null) return;
      const state = values.display(values.values[number]);
      const last = pieces.at(-1);
      const end = at + times.config.interval;
      const follows = last && at <= last.end;
      if (follows) last.end = at;
      if (follows && last.state.color === state.color) last.end = end;
      else pieces.push({ start: at, end, state });
    });
    return { name: getFieldDisplayName(values, frame, data), pieces };
  });
  const states = new Map(bands.flatMap(({ pieces }) => pieces).map(({ state }) => [formattedValueToString(state), state.color]));
  const left = Math.min(0.35 * width, LETTER * Math.max(...bands.map(({ name }) => name.length)) + 12);
  const x = (at) => left + ((Math.max(at, range.from) - range.from) / (range.to - range.from)) * (width - left);
  const tall = (height - AXIS - LEGEND) / bands.length;
  return (
    <>
      <svg width={width} height={height - LEGEND} fontSize={12} fill="currentColor">
        {bands.map(({ name, pieces }, row) => (
          <g key={name} transform={`translate(0 ${row * tall})`}>
            <text x={left - 8} y={tall / 2} textAnchor="end" dominantBaseline="central">{name}</text>
            {pieces.map(({ start, end, state }) => (
              <rect key={start} x={x(start)} width={x(end) - x(start)} y={(tall * (1 - options.rowHeight)) / 2} height={tall * options.rowHeight} fill={state.color} opacity={0.8} />
            ))}
          </g>
        ))}
        {[0.1, 0.3, 0.5, 0.7, 0.9].map((part) => (
          <text key={part} x={left + part * (width - left)} y={height - LEGEND - 4} textAnchor="middle">
            {new Date(+range.from + part * (range.to - range.from)).toISOString().slice(11, 16)}
          </text>
        ))}
      </svg>
      <VizLegend displayMode="list" placement="bottom" items={[...states].map(([label, color]) => ({ label, color, yAxis: 1 }))} />
    </>
  );
}

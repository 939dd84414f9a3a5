// Draws a dashboard with Grafana's components: boards.py calls `draw` in a page of its own.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import { createTheme, dateMath, dateTime, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import React, { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { MemoryRouter } from 'react-router-dom';

import { askPanel, fill, resolveVariables } from './answers.js';
import { panelOf } from './panels.jsx';

const COLUMNS = 24, CELL = 30, GAP = 8, MARGIN = 16; // Grafana's grid

// Resolves when all panels are drawn: the errors, by the titles of panels.
window.draw = async ({ dashboard, mode, from, chosen }) => {
  const now = dateTime().startOf('minute');
  const ranged = (start) => ({ from: dateMath.toDateTime(start, { now }), to: now, raw: { from: start, to: 'now' } });
  const range = ranged(from);
  const theme = createTheme({ colors: { mode } });
  const variables = await resolveVariables(dashboard.templating.list, range, chosen);
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`))); // texts are measured
  const count = dashboard.panels.filter(({ type }) => type !== 'row').length;
  return new Promise((resolve) => {
    const errors = {};
    let drawn = 0;
    const report = (title, error) => {
      if (error) errors[title] = String(error);
      if (++drawn === count) resolve(errors);
    };
    const context = { theme, values: variables.values, range, ranged, report };
    createRoot(document.getElementById('root')).render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <MemoryRouter>
          <Board dashboard={dashboard} texts={variables.texts} context={context} />
        </MemoryRouter>
      </ThemeContext.Provider>,
    );
  });
};

// The height of a picture: that of the page, or less, cut where a row begins.
window.heightWithin = (tallest) => {
  const rows = [...document.querySelectorAll('[data-row]')].map((row) => Math.floor(row.getBoundingClientRect().top));
  return Math.max(...[document.documentElement.scrollHeight, ...rows].filter((height) => height <= tallest));
};

function Board({ dashboard, texts, context }) {
  const { theme, range } = context;
  const width = document.documentElement.clientWidth - 2 * MARGIN;
  const column = (width + GAP) / COLUMNS;
  const place = ({ x, y, w, h }) => ({ left: x * column, top: y * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP });
  const bottom = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h));
  const box = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, padding: '5px 8px', fontSize: 12 };
  const named = dashboard.templating.list.filter(({ hide }) => hide !== 2);
  return (
    <div style={{ padding: MARGIN }}>
      <div style={{ display: 'flex', justifyContent: 'space-between', marginBottom: GAP, fontSize: 16, fontWeight: 500 }}>
        <span>{dashboard.title}</span>
        <span style={box}>{range.raw.from.replace('now-', 'Last ')}</span>
      </div>
      <div style={{ display: 'flex', flexWrap: 'wrap', gap: GAP, marginBottom: MARGIN }}>
        {named.map(({ name, label }) => (
          <span key={name} style={{ ...box, background: theme.colors.background.secondary }}>
            <b>{label ?? name}</b>&ensp;{texts[name]}
          </span>
        ))}
        <span style={{ flexGrow: 1 }} />
        {dashboard.links.map(({ title }) => <span key={title} style={{ ...box, color: theme.colors.text.link }}>{title}</span>)}
      </div>
      <div id="grid" style={{ position: 'relative', height: bottom * (CELL + GAP) }}>
        {dashboard.panels.map((panel) => (
          <div key={panel.id} style={{ position: 'absolute', ...place(panel.gridPos) }}>
            {panel.type === 'row' ? <Row panel={panel} /> : <Panel panel={panel} {...place(panel.gridPos)} context={context} />}
          </div>
        ))}
      </div>
    </div>
  );
}

const Row = ({ panel }) => (
  <div data-row style={{ fontSize: 16, fontWeight: 500, lineHeight: `${CELL}px` }}>
    {panel.collapsed ? `▸ ${panel.title} (${panel.panels.length} panels)` : `▾ ${panel.title}`}
  </div>
);

function Panel({ panel, width, height, context }) {
  const { theme, values, ranged, report } = context;
  const range = panel.timeFrom ? ranged(`now-${panel.timeFrom}`) : context.range;
  const fillIn = (text) => fill(text, values, range);
  const [content, setContent] = useState(() => () => null);
  useEffect(() => {
    askPanel(panel, values, range, width)
      .then((frames) => panelOf(panel, frames, { theme, range, fillIn }))
      .then((draw) => (setContent(() => draw), report(panel.title)))
      .catch((error) => report(panel.title, error));
  }, []);
  const title = panel.timeFrom ? `${panel.title} · last ${panel.timeFrom}` : panel.title;
  return (
    <PanelChrome title={title} width={width} height={height} padding={panel.type === 'table' ? 'none' : 'md'}>
      {content}
    </PanelChrome>
  );
}

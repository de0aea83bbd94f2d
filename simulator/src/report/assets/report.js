// Draws the charts with plotly.js, in the colours of the page, and again when they change between light and dark.
'use strict';

(() => {
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const narrow = () => window.innerWidth < 480;
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: 'reset' };

  /** The same with every `$name` replaced by the colour of that name. */
  function painted(value, style) {
    if (typeof value === 'string') return value.startsWith('$') ? style.getPropertyValue(`--${value.slice(1)}`).trim() : value;
    if (value === null || typeof value !== 'object') return value;
    if (!Array.isArray(value)) return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, painted(of, style)]));
    // Rows of numbers are long, and have no colours.
    return value.some((of) => typeof of === 'string' || Array.isArray(of) || (of !== null && typeof of === 'object'))
      ? value.map((of) => painted(of, style)) : value;
  }

  /** What a narrow screen has room for. */
  function narrowed(layout) {
    for (const name of ['legend', 'legend2']) if (layout[name]) layout[name].font.size = 10.5;
    if (layout.xaxis?.type === 'date') {
      layout.xaxis.nticks = 4;
      if (layout.xaxis.dtick) layout.xaxis.dtick *= 2;
    }
    // A finger that scrolls does not zoom.
    layout.dragmode = false;
    return layout;
  }

  /** The same of traces that have labels or a scale of their own. */
  function smaller(data) {
    for (const trace of data) {
      if (trace.type === 'sankey') trace.textfont.size = 10.5;
      if (trace.colorbar) Object.assign(trace.colorbar, { len: 1, nticks: 4 });
    }
    return data;
  }

  async function draw() {
    const main = document.getElementById('main');
    main.setAttribute('aria-busy', 'true');
    const style = getComputedStyle(document.documentElement);
    for (const { id, data, layout } of charts) {
      const [traces, look] = [painted(data, style), painted(layout, style)];
      const fitting = narrow() ? [smaller(traces), narrowed(look)] : [traces, look];
      await Plotly.react(document.getElementById(id), ...fitting, CONFIG);
    }
    main.setAttribute('aria-busy', 'false');
  }

  let was = narrow();
  addEventListener('resize', () => { if (was !== narrow()) { was = narrow(); draw(); } });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  draw();
})();

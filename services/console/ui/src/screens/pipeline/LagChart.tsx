import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "react";
import uPlot from "uplot";

export type Sample = { at: number; lags: readonly (number | null)[] };

const COLOURS = ["#3b82f6", "#d97706", "#10b981", "#c026d3"];

/** Records waiting before each stage, over the time that this page has been open. */
export default function LagChart({ stages, samples }: { stages: readonly string[]; samples: readonly Sample[] }) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const names = stages.join(",");
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const text = getComputedStyle(element).color;
    const axis = { stroke: text, grid: { stroke: "rgb(128 128 128 / 25%)", width: 1 } };
    const series = names
      .split(",")
      .map((label, i) => ({ label, stroke: COLOURS[i % COLOURS.length] ?? text, width: 2 }));
    const size = () => ({ width: Math.max(280, element.clientWidth), height: 180 });
    const made = new uPlot(
      { ...size(), series: [{}, ...series], axes: [axis, axis], scales: { y: { range: [0, null] } } },
      [[]],
      element,
    );
    chart.current = made;
    const watch = new ResizeObserver(() => made.setSize(size()));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [names]);
  useEffect(() => {
    const columns = stages.map((_, stage) => samples.map(({ lags }) => lags[stage] ?? null));
    chart.current?.setData([samples.map(({ at }) => at / 1_000), ...columns]);
  }, [samples, stages]);
  return <div ref={box} role="img" aria-label="Records waiting before each stage, over time" />;
}

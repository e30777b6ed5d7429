//! A plot over time, as SVG that stands in a page: lines, an axis with round numbers, marks for what happened when.

use std::fmt::{self, Write};

use crate::outcome::Mark;

/// The drawing's size, and what its axes and legend take of it, in pixels.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 26.0;
/// Ticks of an axis, about.
const TICKS: f64 = 5.0;
/// More lines than this are hard to tell apart; the colours begin anew.
const COLOURS: usize = 8;

/// How values lie on the vertical axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From 0.
    Linear,
    /// By powers of ten: for latencies, whose tails are what one looks for.
    Log,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Seconds and values, in order; a gap in time is a gap in the line where there is no point for 1.5 steps.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot<'a> {
    /// What is shown, with its unit.
    pub title: &'a str,
    /// The lines.
    pub lines: Vec<Line>,
    /// What happened meanwhile.
    pub marks: &'a [Mark],
    /// The axis.
    pub scale: Scale,
    /// The end of the time axis, in seconds.
    pub until: f64,
    /// The largest value that has to fit: the same in plots that are compared.
    pub most: f64,
}

impl Plot<'_> {
    /// The plot, with its title and legend.
    ///
    /// # Errors
    /// None: writing to a string does not fail.
    pub fn html(&self, out: &mut String) -> fmt::Result {
        let axis = Axis::new(self.scale, self.most, self.least());
        writeln!(out, "<figure><figcaption>{}</figcaption>", escape(self.title))?;
        writeln!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escape(self.title)
        )?;
        for tick in &axis.ticks {
            let y = axis.y(*tick);
            writeln!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            )?;
            let (x, y, text) = (LEFT - 6.0, y + 4.0, short(*tick));
            writeln!(
                out,
                "<text class=\"tick\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>"
            )?;
        }
        self.time_axis(out)?;
        self.draw_marks(out)?;
        for (number, line) in self.lines.iter().enumerate() {
            self.draw(out, number, line, &axis)?;
        }
        writeln!(out, "</svg>\n<div class=\"legend\">")?;
        for (number, line) in self.lines.iter().enumerate() {
            let colour = number % COLOURS;
            writeln!(out, "<span><i class=\"c{colour}\"></i>{}</span>", escape(&line.name))?;
        }
        writeln!(out, "</div></figure>")
    }

    /// The least value above zero: where a logarithmic axis begins.
    fn least(&self) -> f64 {
        let values = self.lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
        values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min)
    }

    fn x(&self, at: f64) -> f64 {
        LEFT + at / self.until.max(1e-9) * (WIDTH - LEFT - RIGHT)
    }

    fn time_axis(&self, out: &mut String) -> fmt::Result {
        let step = round_step(self.until / TICKS);
        let mut at = 0.0;
        while at <= self.until {
            let (x, y) = (self.x(at), HEIGHT - BOTTOM + 16.0);
            writeln!(
                out,
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{} s</text>",
                short(at)
            )?;
            at += step;
        }
        Ok(())
    }

    fn draw_marks(&self, out: &mut String) -> fmt::Result {
        let bottom = HEIGHT - BOTTOM;
        for mark in self.marks {
            let (x, text) = (self.x(mark.at), escape(&mark.text));
            if let Some(until) = mark.until {
                let (width, height) = ((self.x(until) - x).max(1.0), bottom - TOP);
                writeln!(
                    out,
                    "<rect class=\"fault\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{text}</title></rect>"
                )?;
            } else {
                writeln!(
                    out,
                    "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
                )?;
                writeln!(
                    out,
                    "<text class=\"mark\" x=\"{:.1}\" y=\"{}\">{text}</text>",
                    x + 3.0,
                    TOP - 3.0
                )?;
            }
        }
        Ok(())
    }

    fn draw(&self, out: &mut String, number: usize, line: &Line, axis: &Axis) -> fmt::Result {
        const GAP: f64 = 1.5;
        let mut path = String::new();
        let mut before = f64::NEG_INFINITY;
        for (at, value) in &line.points {
            let command = if at - before > GAP { 'M' } else { 'L' };
            write!(path, "{command}{:.1} {:.1}", self.x(*at), axis.y(*value))?;
            before = *at;
        }
        // A point between two gaps is a line of no length: its round ends show it.
        let colour = number % COLOURS;
        writeln!(
            out,
            "<path class=\"line c{colour}\" d=\"{path}\"><title>{}</title></path>",
            escape(&line.name)
        )
    }
}

/// The vertical axis.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn new(scale: Scale, most: f64, least: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let (low, high, ticks) = match scale {
            Scale::Linear => {
                let step = round_step(most / TICKS);
                let count = (most / step).ceil().max(1.0);
                (0.0, count * step, ticks(count, |place| place * step))
            }
            Scale::Log => {
                let low = least.min(most).log10().floor();
                let high = most.log10().ceil().max(low + 1.0);
                (low, high, ticks(high - low, |place| 10_f64.powf(low + place)))
            }
        };
        Self {
            scale,
            low,
            high,
            ticks,
        }
    }

    fn y(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(1e-12).log10(),
        };
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)
    }
}

fn ticks(count: f64, value: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut all = Vec::new();
    let mut place = 0.0;
    while place <= count {
        all.push(value(place));
        place += 1.0;
    }
    all
}

/// The least of 1, 2, 5 times a power of ten that is no less.
fn round_step(step: f64) -> f64 {
    let step = step.max(1e-9);
    let power = 10_f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|times| times * power >= step * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

/// A number for an axis.
fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        1e9.. => (value / 1e9, "G"),
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A text as HTML holds it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{Axis, Line, Plot, Scale, escape, round_step, short};
    use crate::outcome::Mark;

    #[test]
    fn axes_have_round_numbers() {
        for (step, expected) in [
            (0.7, 1.0),
            (1.0, 1.0),
            (1.2, 2.0),
            (3.0, 5.0),
            (70.0, 100.0),
            (0.03, 0.05),
        ] {
            assert!((round_step(step) - expected).abs() < 1e-9, "{step}");
        }
        assert_eq!(
            [0.0, 0.25, 5.0, 20_000.0, 3e6].map(short),
            ["0", "0.25", "5", "20k", "3M"]
        );
        assert_eq!(
            Axis::new(Scale::Linear, 9_000.0, 0.0).ticks,
            [0.0, 2e3, 4e3, 6e3, 8e3, 1e4]
        );
        let log = Axis::new(Scale::Log, 250.0, 1.3);
        assert_eq!(log.ticks, [1.0, 10.0, 100.0, 1_000.0]);
        assert!(log.y(1.0) > log.y(10.0) && log.y(0.0) <= log.y(1.0));
    }

    #[test]
    fn a_plot_is_drawn_with_gaps_and_marks() {
        let mark = |until| Mark {
            at: 1.0,
            until,
            text: "kill <1>".to_owned(),
        };
        let marks = [mark(None), mark(Some(2.0))];
        let plot = Plot {
            title: "a & b",
            lines: vec![Line {
                name: "p50".to_owned(),
                points: vec![(0.0, 1.0), (1.0, 2.0), (9.0, 3.0)],
            }],
            marks: &marks,
            scale: Scale::Linear,
            until: 10.0,
            most: 3.0,
        };
        let mut html = String::new();
        plot.html(&mut html).unwrap();
        assert!(html.contains("a &amp; b") && html.contains("kill &lt;1&gt;"), "{html}");
        let path = html.split("d=\"").nth(1).unwrap();
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert_eq!(escape("\"<&>"), "&quot;&lt;&amp;&gt;");
    }
}

//! A picture of percentiles: a row for each part, on one logarithmic axis of time.

use std::fmt::Write as _;

use super::samples::{Samples, us};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 86.0;
const ROW: f64 = 74.0;
const COLOURS: [&str; 4] = ["#1b4f72", "#2e86c1", "#e67e22", "#c0392b"];

/// The SVG text. `title` is escaped here.
pub(super) fn svg(title: &str, parts: &[Samples]) -> String {
    let all = || parts.iter().flat_map(|p| p.marks().map(|(_, d)| us(d).max(0.1)));
    let low = all().fold(f64::INFINITY, f64::min).min(1e9).log10().floor();
    let high = all().fold(0.1, f64::max).log10().ceil().max(low + 1.0);
    let x = |us: f64| LEFT + (us.max(0.1).log10() - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let rows: f64 = parts.iter().map(|_| ROW).sum();
    let bottom = TOP + rows;
    let mut s = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        s,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{h}\" viewBox=\"0 0 {WIDTH} {h}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
        h = bottom + 52.0
    );
    let _ =
        writeln!(s, "<text x=\"16\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>", escape(title));
    legend(&mut s);
    let mut decade = low;
    while decade <= high {
        let at = x(10f64.powf(decade));
        let _ = writeln!(
            s,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#d5d8dc\"/>\
             <text x=\"{at:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#566573\">{}</text>",
            time(10f64.powf(decade)),
            y = bottom + 20.0
        );
        decade += 1.0;
    }
    let _ = writeln!(
        s,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#566573\">time, logarithmic</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        bottom + 42.0
    );
    let mut y = TOP + ROW / 2.0;
    for p in parts {
        row(&mut s, p, y, &x);
        y += ROW;
    }
    s.push_str("</svg>\n");
    s
}

fn legend(s: &mut String) {
    let mut x = 20.0;
    for (name, colour) in ["p50", "p90", "p99", "max"].iter().zip(COLOURS) {
        let _ = writeln!(
            s,
            "<circle cx=\"{x}\" cy=\"52\" r=\"6\" fill=\"{colour}\"/><text x=\"{}\" y=\"57\">{name}</text>",
            x + 12.0
        );
        x += 66.0;
    }
}

fn row(s: &mut String, p: &Samples, y: f64, x: &dyn Fn(f64) -> f64) {
    let marks = p.marks();
    let (from, to) = (x(us(marks[0].1)), x(us(marks[3].1)));
    let _ = writeln!(
        s,
        "<text x=\"16\" y=\"{ty:.1}\" font-weight=\"bold\">{}</text>\
         <text x=\"16\" y=\"{ny:.1}\" fill=\"#566573\" font-size=\"11\">{} samples</text>\
         <line x1=\"{from:.1}\" y1=\"{y:.1}\" x2=\"{to:.1}\" y2=\"{y:.1}\" stroke=\"#85929e\" stroke-width=\"4\"/>",
        escape(p.name),
        p.count(),
        ty = y + 1.0,
        ny = y + 16.0
    );
    // Labels alternate above and below, so that marks close to each other stay legible.
    for (i, ((_, d), colour)) in marks.iter().zip(COLOURS).enumerate() {
        let at = x(us(*d));
        let label = if i % 2 == 0 { y - 13.0 } else { y + 24.0 };
        // Marks at one place have their labels on both sides of it; none runs over the edge.
        let (anchor, text_at) = match i {
            2 | 3 if at < WIDTH - RIGHT - 50.0 => ("start", at + 2.0),
            _ => ("end", at - 2.0),
        };
        let _ = writeln!(
            s,
            "<circle cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"6\" fill=\"{colour}\"/>\
             <text x=\"{text_at:.1}\" y=\"{label:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{}</text>",
            time(us(*d))
        );
    }
}

/// A time in the unit that suits it.
fn time(us: f64) -> String {
    match us {
        v if v >= 1e6 => format!("{} s", short(v / 1e6)),
        v if v >= 1e3 => format!("{} ms", short(v / 1e3)),
        v => format!("{} µs", short(v)),
    }
}

fn short(v: f64) -> String {
    if v >= 100.0 || (v - v.round()).abs() < 1e-9 { format!("{v:.0}") } else { format!("{v:.1}") }
}

fn escape(s: &str) -> String {
    s.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_picture_has_a_row_for_each_part_and_stays_inside() {
        let part = |name, us: u64| {
            Samples::new(name, "w", (1..=50).map(|n| Duration::from_micros(n * us)).collect()).unwrap()
        };
        let s = svg("a <b> & c", &[part("READ KEYS", 3), part("fence", 4000)]);
        assert!(s.contains("a &lt;b&gt; &amp; c") && s.contains("READ KEYS") && s.contains("fence"));
        assert_eq!(s.matches("<circle").count(), 4 + 2 * 4);
        for at in s.split("cx=\"").skip(1) {
            let x: f64 = at.split('"').next().unwrap().parse().unwrap();
            assert!((0.0..=WIDTH).contains(&x), "{x}");
        }
        assert_eq!(s.matches("<svg").count(), s.matches("</svg>").count());
    }

    #[test]
    fn times_have_units() {
        assert_eq!([time(0.5), time(12.0), time(1500.0), time(2e6)], ["0.5 µs", "12 µs", "1.5 ms", "2 s"]);
    }
}

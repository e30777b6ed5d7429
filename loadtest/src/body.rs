//! Request bodies, built before a run: a send only copies one and writes the times into their places.

use alert::Timestamp;

use crate::population::Population;

/// Stands where a time will: as long as [`Timestamp`] prints one.
const BLANK: &str = "0000-00-00T00:00:00.000Z";

/// Whether it fires, as a canonical event says it; of one length, so that either fits into its place.
const KINDS: [&str; 2] = ["\"alert\"  ", "\"resolve\""];

/// Stands where a kind will.
const KIND_BLANK: &str = "         ";

/// What an alert is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// As API v2 takes it: what is over has an end that is past.
    #[default]
    V2,
    /// A canonical event, which says whether it fires.
    Event,
}

/// What is said of one alert of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// `startsAt`.
    pub starts: Timestamp,
    /// `endsAt`.
    pub ends: Timestamp,
    /// Whether it fires.
    pub firing: bool,
}

/// A list of alerts, with blanks for the times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Which alerts, by their numbers, in order.
    pub alerts: Vec<u32>,
    text: Vec<u8>,
    /// Where `startsAt` and `endsAt` of each stand, and an event's kind.
    places: Vec<(usize, usize, Option<usize>)>,
}

impl Body {
    /// The body of these alerts.
    pub fn new(population: &Population, form: Form, alerts: Vec<u32>) -> Self {
        let (mut text, mut places) = (String::from("["), Vec::with_capacity(alerts.len()));
        for (place, alert) in alerts.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(&population.open_object(*alert));
            text.push_str(",\"startsAt\":\"");
            let starts = text.len();
            text.push_str(BLANK);
            text.push_str("\",\"endsAt\":\"");
            let ends = text.len();
            text.push_str(BLANK);
            text.push('"');
            let kind = (form == Form::Event).then(|| {
                text.push_str(",\"kind\":");
                let kind = text.len();
                text.push_str(KIND_BLANK);
                kind
            });
            text.push('}');
            places.push((starts, ends, kind));
        }
        text.push(']');
        Self {
            alerts,
            text: text.into_bytes(),
            places,
        }
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it has none: never, a list has its brackets.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends it to `out`, with what is said of each alert by its place in the body.
    pub fn write(&self, out: &mut Vec<u8>, mut say: impl FnMut(usize) -> Said) {
        let front = out.len();
        out.extend_from_slice(&self.text);
        // Most alerts of a body share their times, and printing one costs more than copying it.
        let mut printed: [(Timestamp, String); 2] = std::array::from_fn(|_| (Timestamp::MAX, String::new()));
        for (place, (starts, ends, kind)) in self.places.iter().enumerate() {
            let said = say(place);
            if let Some(kind) = kind {
                let [alert, resolve] = KINDS;
                fill(out, front + kind, if said.firing { alert } else { resolve });
            }
            for (known, at, time) in [(0, starts, said.starts), (1, ends, said.ends)] {
                let Some(known) = printed.get_mut(known) else { continue };
                if known.0 != time || known.1.is_empty() {
                    *known = (time, time.to_string());
                }
                fill(out, front + at, &known.1);
            }
        }
    }
}

/// Writes a text over what is there.
fn fill(out: &mut [u8], at: usize, text: &str) {
    if let Some(blank) = out.get_mut(at..at + text.len()) {
        blank.copy_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Form, Said};
    use crate::population::{Made, Population};
    use alert::Timestamp;

    #[test]
    fn times_are_written_into_their_places() {
        let population = Population::Made(Made {
            run: "r".to_owned(),
            seed: 1,
            alerts: 9,
            per_group: 1,
            giant: 0,
        });
        let body = Body::new(&population, Form::Event, vec![3, 8, 4]);
        let time = |seconds: usize| Timestamp::from_secs(i64::try_from(seconds).unwrap());
        for _ in 0..2 {
            let mut out = b"head".to_vec();
            body.write(&mut out, |place| Said {
                starts: time(place),
                ends: time(100 + place),
                firing: place != 1,
            });
            assert_eq!(out.len(), 4 + body.len());
            let list: serde_json::Value = serde_json::from_slice(&out[4..]).unwrap();
            for (place, number) in [3, 8, 4].into_iter().enumerate() {
                let alert = &list[place];
                assert_eq!(alert["startsAt"], time(place).to_string());
                assert_eq!(alert["endsAt"], time(100 + place).to_string());
                assert_eq!(alert["kind"], if place == 1 { "resolve" } else { "alert" });
                assert_eq!(alert["labels"]["pod"], population.labels(number).value("pod"));
            }
        }
    }
}

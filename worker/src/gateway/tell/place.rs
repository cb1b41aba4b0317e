//! How far a run's output has been told: the cursor of its stream.
//!
//! Units count in the order of their ids, which is the order they were opened in; attempts that are
//! made later come behind the others. Written as `RUN.TOLD.BEYOND.OPEN`: all units before `TOLD`
//! have been told, to their end; of those from there on, `BEYOND` has a bit each, six to a
//! character, for the same; and `OPEN` the places in those that were told in part. So the cursor of
//! a run on 1,000 nodes takes a few hundred bytes at most, and mostly a few dozen. What exceeds
//! the limits below is left out, and told again to who comes back with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::str::FromStr;

/// Characters of `BEYOND`.
const BEYOND: usize = 2000;
/// Places of `OPEN`: those with most before them.
const OPEN: usize = 100;

/// In the order of their values.
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub run: u64,
    /// All before this one have been told.
    told: usize,
    /// Others that have.
    beyond: BTreeSet<usize>,
    /// Positions behind what has been told of those that have in part.
    open: BTreeMap<usize, u64>,
}

impl Place {
    /// Nothing has been told.
    pub fn new(run: u64) -> Place {
        Place { run, ..Place::default() }
    }

    pub fn is_told(&self, unit: usize) -> bool {
        unit < self.told || self.beyond.contains(&unit)
    }

    /// Where to go on in a unit.
    pub fn at(&self, unit: usize) -> u64 {
        self.open.get(&unit).copied().unwrap_or(0)
    }

    /// The unit has been told up to here.
    pub fn reach(&mut self, unit: usize, at: u64) {
        if at > 0 {
            self.open.insert(unit, at);
        }
    }

    /// The unit has been told to its end.
    pub fn finish(&mut self, unit: usize) {
        self.open.remove(&unit);
        if unit >= self.told {
            self.beyond.insert(unit);
        }
        while self.beyond.remove(&self.told) {
            self.told += 1;
        }
    }

    /// What comes before the place in this unit, in all cursors that differ in it alone.
    pub fn before(&self, unit: usize) -> String {
        let mut written = format!("{}.{}.", self.run, self.told);
        self.write_beyond(&mut written);
        written.push('.');
        for (other, at) in self.first_open(Some(unit)) {
            let _ = write!(written, "{other}:{at}_");
        }
        let _ = write!(written, "{unit}:");
        written
    }

    fn write_beyond(&self, to: &mut String) {
        let digits = self.beyond.last().map_or(0, |last| (last - self.told) / 6 + 1);
        let mut bits = vec![0_u8; digits.min(BEYOND)];
        for unit in &self.beyond {
            let at = unit - self.told;
            if let Some(six) = bits.get_mut(at / 6) {
                *six |= 1 << (at % 6);
            }
        }
        to.extend(bits.into_iter().map(|six| char::from(DIGITS[usize::from(six)])));
    }

    /// Those that there is room for, in order, without this one, which has its place in any case.
    fn first_open(&self, without: Option<usize>) -> Vec<(usize, u64)> {
        let all = self.open.iter().map(|(unit, at)| (*unit, *at));
        let mut open: Vec<(usize, u64)> = all.filter(|(unit, _)| Some(*unit) != without).collect();
        let room = OPEN - usize::from(without.is_some());
        if open.len() > room {
            open.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
            open.truncate(room);
            open.sort_unstable();
        }
        open
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut beyond = String::new();
        self.write_beyond(&mut beyond);
        write!(f, "{}.{}.{beyond}.", self.run, self.told)?;
        for (i, (unit, at)) in self.first_open(None).into_iter().enumerate() {
            let between = if i == 0 { "" } else { "_" };
            write!(f, "{between}{unit}:{at}")?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(());
        let (run, told, beyond, open) = (part()?, part()?, part()?, part()?);
        if part().is_ok() || beyond.len() > BEYOND {
            return Err(());
        }
        let mut place = Place::new(number(run)?);
        // No run has more units.
        place.told = number(told)?.try_into().ok().filter(|told| *told <= 1 << 32).ok_or(())?;
        for (i, digit) in beyond.bytes().enumerate() {
            let six = DIGITS.iter().position(|known| *known == digit).ok_or(())?;
            let first = place.told + 6 * i;
            place.beyond.extend((0..6).filter(|bit| six & 1 << bit != 0).map(|bit| first + bit));
        }
        let open: Vec<&str> = open.split('_').filter(|_| !open.is_empty()).collect();
        if open.len() > OPEN {
            return Err(());
        }
        for unit in open {
            let (unit, at) = unit.split_once(':').ok_or(())?;
            let unit = number(unit)?.try_into().map_err(|_| ())?;
            if !place.is_told(unit) {
                place.reach(unit, number(at)?);
            }
        }
        Ok(place)
    }
}

fn number(text: &str) -> Result<u64, ()> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_run_that_goes_well_has_a_short_place() {
        let mut place = Place::new(17);
        assert_eq!(place.to_string(), "17.0..");
        (0..1000).filter(|unit| unit % 2 == 1).for_each(|unit| place.finish(unit));
        (0..20).for_each(|unit| place.reach(2 * unit, 100_000));
        assert!(place.to_string().len() < 400, "{place}");
        (0..1000).for_each(|unit| place.finish(unit));
        assert_eq!(place.to_string(), "17.1000..");
        place.reach(1001, 5);
        place.finish(1003);
        assert_eq!(place.to_string(), "17.1000.8.1001:5");
        assert_eq!(format!("{}9", place.before(1001)), "17.1000.8.1001:9");
        assert_eq!(format!("{}9", place.before(1000)), "17.1000.8.1001:5_1000:9");
    }

    #[test]
    fn whatever_happens_a_place_stays_short_enough_for_a_header() {
        let mut place = Place::new(u64::MAX);
        (0..100_000).filter(|unit| unit % 3 == 1).for_each(|unit| place.finish(unit));
        (0..10_000).for_each(|unit| place.reach(3 * unit, u64::MAX - unit as u64));
        assert!(place.to_string().len() < 6000, "{}", place.to_string().len());
        assert!(place.before(3).len() < 6000);
        let back: Place = place.to_string().parse().unwrap();
        assert!(back.is_told(1) && back.is_told(10_000) && !back.is_told(2));
        assert!((0..OPEN).all(|unit| back.at(3 * unit) == place.at(3 * unit)));
    }

    #[test]
    fn what_was_never_written_is_no_place() {
        for odd in [
            "",
            "1",
            "1.0",
            "1.0.",
            "1.0...",
            "x.0..",
            "+1.0..",
            "1.-1..",
            "1.0.!.",
            "1.0..1",
            "1.0..1:",
            "1.0..1:1_",
            "1.0..:1",
            "1.99999999999..",
            "1.0.Ä.",
        ] {
            assert_eq!(odd.parse::<Place>(), Err(()), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn a_place_is_read_as_it_was_written(
            told in proptest::collection::vec(any::<bool>(), 0..300),
            open in proptest::collection::btree_map(0..320_usize, 1..u64::MAX, 0..OPEN),
            unit in 0..320_usize,
        ) {
            let mut place = Place::new(7);
            for (unit, at) in open {
                place.reach(unit, at);
            }
            for (unit, _) in told.iter().enumerate().filter(|(_, told)| **told) {
                place.finish(unit);
            }
            prop_assert_eq!(place.to_string().parse(), Ok(place.clone()));
            if !place.is_told(unit) && place.open.len() < OPEN {
                let written = format!("{}4711", place.before(unit));
                place.reach(unit, 4711);
                prop_assert_eq!(written.parse(), Ok(place));
            }
        }

        #[test]
        fn nothing_is_too_odd_to_be_read(text in "[0-9A-z:._-]{0,40}") {
            if let Ok(place) = text.parse::<Place>() {
                prop_assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
    }
}

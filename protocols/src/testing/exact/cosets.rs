//! Views of one party where tapes are too many: as cosets of vector spaces.
//!
//! With what the party knows in place, and a few of the words that it does not know (those that are
//! *listed*), what it is told is affine in all others, over the integers modulo the prime base. As these are
//! uniform, so is it on a coset, and its distribution is a mixture of such. All assignments of the listed words
//! are gone through, and a few of what the party knows: given that, views are to be independent of secrets, or
//! they would not be at all. Where too many words are listed, the party is taken to know most of them: what
//! tells it nothing then tells it nothing as it is.
//!
//! Whether it is affine is tried at random points, when a word is taken as linear and once more for each coset.

use std::collections::{BTreeMap, BTreeSet};

use mpc_runtime::Party;
use mpc_runtime::tape::Places;

use super::{
    Digits, Distribution, INPUTS, Primitive, Scheme, all_digits, any, digit, draw_digits, run, set,
    tapes, telling, with,
};

/// Draws of what the party knows; in the first it is 0.
const DRAWS: u64 = 2;
/// Points at which a word is tried.
const POINTS: usize = 16;
/// Orders in which words are tried, at most.
const ORDERS: u64 = 4;
/// Runs at a time.
const BATCH: usize = 256;
/// Most points of a coset, modulo what all of them have in common.
const MOST: usize = 1 << 14;
/// Most assignments of the listed words that are gone through.
const ASSIGNMENTS: u128 = 1 << 10;

/// Digits of a result, behind what is told.
const RESULT: usize = 2;

/// What a party sees in all runs.
pub(super) struct Views {
    me: Party,
    primitive: &'static Primitive,
    base: u8,
    linear: Vec<usize>,
    listed: Vec<usize>,
    cells: Vec<Cell>,
}

/// The runs of one draw, with some inputs and one assignment of the listed words.
struct Cell {
    draw: u64,
    inputs: [i128; 2],
    listed: Digits,
    /// Results that were met.
    values: BTreeSet<i128>,
    /// With 0 for all that is linear.
    offset: Vec<u8>,
    /// By linear word, what is added with it.
    directions: Vec<Vec<u8>>,
}

/// What a party is told in a run, and the result.
type Run = (Vec<u8>, i128);

/// Runs as one party sees them.
struct Runs<'a> {
    scheme: Scheme,
    primitive: &'static Primitive,
    places: &'a Places,
    base: u8,
    me: Party,
}

impl Runs<'_> {
    /// What the party is told with each tape, with the result behind if it has to do with views; and the
    /// results.
    fn see(&self, inputs: [i128; 2], tapes: &[Digits]) -> Vec<Run> {
        let base = i128::from(self.base);
        let mut all = Vec::with_capacity(tapes.len());
        for tapes in tapes.chunks(BATCH) {
            let ran = run(self.scheme, self.primitive, inputs, self.places, (self.base, tapes));
            let of_party = ran.into_iter().nth(self.me).expect("one for each party");
            all.extend(of_party.into_iter().map(|ran| {
                let mut told: Vec<u8> = ran.told.iter().map(|digit| digit % self.base).collect();
                if self.primitive.opened || self.primitive.random {
                    told.extend([ran.value % base, ran.value / base].map(|digit| digit as u8));
                }
                (told, ran.value)
            }));
        }
        all
    }

    /// Words among those hidden that are taken as linear, and those that are listed; others change nothing.
    fn sorted(&self, known: &[usize], hidden: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let (mut linear, mut listed) = (vec![], vec![]);
        let all = [known, hidden].concat();
        for &word in hidden {
            let mut matters = false;
            let affine = (0..POINTS).zip(INPUTS.iter().cycle()).all(|(point, inputs)| {
                let draw = 2 * point as u64 + 1;
                let here = draw_digits(self.base, &all, draw);
                let there = sum(self.base, &here, &draw_digits(self.base, &linear, draw + 1));
                // Modulo 2 a word has no more than one step.
                let steps = usize::from(self.base - 1).min(2);
                let mut tapes = vec![];
                for mut tape in [here, there] {
                    for _ in 0..=steps {
                        tapes.push(tape.clone());
                        let next = (digit(&tape, word) + 1) % self.base;
                        set(&mut tape, word, next);
                    }
                }
                let seen = self.see(*inputs, &tapes);
                let change = |pair: &[Run]| difference(self.base, &pair[1].0, &pair[0].0);
                let once = change(&seen[..2]);
                matters |= once.iter().any(|&digit| digit != 0);
                seen.chunks(1 + steps)
                    .flat_map(|side| side.windows(2))
                    .all(|pair| change(pair) == once)
            });
            match (affine, matters) {
                (true, false) => {}
                (true, true) => linear.push(word),
                (false, _) => listed.push(word),
            }
        }
        (linear, listed)
    }

    /// Of the listed words, some that seem to hide what the others do not: at a few points what inputs change
    /// is a sum of what they and the linear words change, and is not without one of them. None if even all of
    /// them do not hide it. They are left out in this order.
    fn kept(
        &self,
        known: &[usize],
        linear: &[usize],
        listed: &[usize],
        order: u64,
    ) -> Option<Vec<usize>> {
        struct Group {
            linear: Space,
            listed: Vec<Vec<u8>>,
            /// What is to be hidden.
            changes: Vec<Vec<u8>>,
        }
        let base = self.base;
        let mut groups = vec![];
        for draw in 1..=POINTS as u64 {
            let start = draw_digits(base, &[known, listed].concat(), draw);
            let mut tapes = vec![start.clone()];
            let changed = |&word| with(&start, word, (digit(&start, word) + 1) % base);
            tapes.extend(linear.iter().chain(listed).map(changed));
            let mut alike: BTreeMap<_, Vec<Vec<Run>>> = BTreeMap::new();
            for inputs in INPUTS {
                let seen = self.see(inputs, &tapes);
                let values: BTreeSet<i128> = seen.iter().map(|(_, value)| *value).collect();
                let given = (inputs.get(self.me).copied(), self.primitive.opened.then_some(values));
                alike.entry(given).or_default().push(seen);
            }
            for of_inputs in alike.into_values() {
                let (first, _) = &of_inputs[0][0];
                let steps = |words: &[Run]| -> Vec<_> {
                    words.iter().map(|(told, _)| difference(base, told, first)).collect()
                };
                let (by_linear, by_listed) = of_inputs[0][1..].split_at(linear.len());
                let mut changes: Vec<_> =
                    of_inputs[1..].iter().map(|seen| difference(base, &seen[0].0, first)).collect();
                if self.primitive.random {
                    let mut flip = vec![0; first.len()];
                    flip[first.len() - RESULT] = 1;
                    changes.push(flip);
                }
                let linear = Space::of(base, steps(by_linear).iter());
                groups.push(Group { linear, listed: steps(by_listed), changes });
            }
        }
        let hide = |kept: &[usize]| {
            groups.iter().all(|Group { linear, listed, changes }| {
                let mut space = linear.clone();
                kept.iter().for_each(|&i| space.extend(listed[i].clone()));
                changes.iter().all(|change| {
                    let mut rest = change.clone();
                    space.reduce(&mut rest);
                    rest.iter().all(|&digit| digit == 0)
                })
            })
        };
        let mut kept: Vec<usize> = (0..listed.len()).collect();
        if !hide(&kept) {
            return None;
        }
        let mut words = kept.clone();
        words.sort_by_cached_key(|&i| any(order, i));
        for word in words {
            let without: Vec<usize> = kept.iter().copied().filter(|&i| i != word).collect();
            if hide(&without) {
                kept = without;
            }
        }
        Some(kept.into_iter().map(|i| listed[i]).collect())
    }

    /// The runs with one assignment of all that is not linear, and one point of the rest to see that it is.
    ///
    /// # Errors
    /// The place, among those that are linear, of a word that is not.
    fn cell(
        &self,
        inputs: [i128; 2],
        start: &Digits,
        linear: &[usize],
        draw: u64,
    ) -> Result<Cell, usize> {
        let base = self.base;
        let point = draw_digits(base, linear, draw);
        let to_point = |words: &[usize]| {
            let mut tape = start.clone();
            words.iter().for_each(|&word| set(&mut tape, word, digit(&point, word)));
            tape
        };
        let mut tapes = vec![start.clone()];
        tapes.extend(linear.iter().map(|&word| with(start, word, 1)));
        tapes.push(to_point(linear));
        let mut seen = self.see(inputs, &tapes);
        let values = seen.iter().map(|(_, value)| *value).collect();
        let (at_point, _) = seen.pop().expect("the last");
        let (offset, _) = seen.remove(0);
        let directions: Vec<_> =
            seen.iter().map(|(told, _)| difference(base, told, &offset)).collect();
        let mut due = vec![offset.clone()];
        for (word, direction) in linear.iter().zip(&directions) {
            let mut next = due[due.len() - 1].clone();
            add(base, &mut next, digit(&point, *word), direction);
            due.push(next);
        }
        if due[linear.len()] != at_point {
            // The first word on the way to the point with which it is elsewhere.
            let way: Vec<_> = (1..=linear.len()).map(|n| to_point(&linear[..n])).collect();
            let seen = self.see(inputs, &way);
            let apart = |(seen, due): (&Run, &Vec<u8>)| seen.0 != *due;
            return Err(seen.iter().zip(&due[1..]).position(apart).expect("at the end at least"));
        }
        Ok(Cell { draw: 0, inputs, listed: vec![], values, offset, directions })
    }
}

fn sum(base: u8, x: &[u8], y: &[u8]) -> Digits {
    (0..x.len().max(y.len())).map(|i| (digit(x, i) + digit(y, i)) % base).collect()
}

fn difference(base: u8, x: &[u8], y: &[u8]) -> Vec<u8> {
    assert_eq!(x.len(), y.len(), "what is told has one length");
    x.iter().zip(y).map(|(x, y)| (x + base - y) % base).collect()
}

/// `x += factor · y`.
fn add(base: u8, x: &mut [u8], factor: u8, y: &[u8]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = (*x + factor * y) % base);
}

/// A subspace, by its reduced basis: rows with the places of their first digits, which are 1.
#[derive(Clone)]
struct Space {
    base: u8,
    rows: Vec<(usize, Vec<u8>)>,
}

impl Space {
    fn of<'a>(base: u8, rows: impl Iterator<Item = &'a Vec<u8>>) -> Space {
        let mut space = Space { base, rows: vec![] };
        rows.for_each(|row| space.extend(row.clone()));
        space
    }

    fn extend(&mut self, mut row: Vec<u8>) {
        let base = self.base;
        self.reduce(&mut row);
        let Some(first) = row.iter().position(|&digit| digit != 0) else { return };
        let inverse = (1..base).find(|x| x * row[first] % base == 1).expect("a prime");
        row.iter_mut().for_each(|digit| *digit = *digit * inverse % base);
        for (_, other) in &mut self.rows {
            let factor = base - other[first];
            add(base, other, factor, &row);
        }
        self.rows.push((first, row));
    }

    /// Takes `x` to that element of its coset that stands for it.
    fn reduce(&self, x: &mut [u8]) {
        for (first, row) in &self.rows {
            let factor = self.base - x[*first];
            add(self.base, x, factor, row);
        }
    }

    /// What is in both (by the algorithm of Zassenhaus).
    fn intersection(&self, other: &Space) -> Space {
        let Some((_, row)) = self.rows.first() else { return self.clone() };
        let width = row.len();
        let twice = self.rows.iter().map(|(_, row)| [&row[..], row].concat());
        let once = other.rows.iter().map(|(_, row)| [&row[..], &vec![0; width]].concat());
        let both: Vec<_> = twice.chain(once).collect();
        let both = Space::of(self.base, both.iter());
        let common = both.rows.into_iter().filter(|(first, _)| *first >= width);
        let rows: Vec<_> = common.map(|(_, row)| row[width..].to_vec()).collect();
        Space::of(self.base, rows.iter())
    }
}

/// A coset of a space.
struct Coset {
    space: Space,
    offset: Vec<u8>,
}

/// The mixture of these, each as likely as another, by classes modulo `common`, which is in the spaces of all; a coset
/// weighs `weight`.
fn mixture(cosets: &[Coset], common: &Space, weight: u64) -> Distribution<Vec<u8>> {
    let base = common.base;
    let mut mixture = Distribution::new();
    for Coset { space, offset } in cosets {
        let mut modulo = Space { base, rows: vec![] };
        for (_, row) in &space.rows {
            let mut row = row.clone();
            common.reduce(&mut row);
            modulo.extend(row);
        }
        let mut points = vec![offset.clone()];
        common.reduce(&mut points[0]);
        for (_, row) in &modulo.rows {
            let along = |point: &Vec<u8>| {
                let mut point = point.clone();
                (0..base).map(move |_| {
                    add(base, &mut point, 1, row);
                    point.clone()
                })
            };
            points = points.iter().flat_map(along).collect();
            assert!(points.len() <= MOST, "cosets have too little in common");
        }
        let each = weight / points.len() as u64;
        for mut point in points {
            common.reduce(&mut point);
            *mixture.entry(point).or_default() += each;
        }
    }
    mixture
}

impl Views {
    pub(super) fn new(
        scheme: Scheme,
        primitive: &'static Primitive,
        tolerance: f64,
        (places, base): (&Places, u8),
        me: Party,
        (known, hidden): (&[usize], &[usize]),
    ) -> Views {
        let runs = Runs { scheme, primitive, places, base, me };
        let (mut linear, mut listed) = runs.sorted(known, hidden);
        for order in 1..ORDERS {
            if listed.is_empty() {
                break;
            }
            // A word that many others are multiplied with is better listed than all of these.
            let mut words = [&listed[..], &linear].concat();
            if order > 1 {
                words.sort_by_cached_key(|&word| any(order, word));
            }
            let other = runs.sorted(known, &words);
            if other.1.len() < listed.len() {
                (linear, listed) = other;
            }
        }
        loop {
            match Views::gone_through(&runs, tolerance, known, &linear, &listed) {
                Ok(views) => return views,
                Err(i) => listed.push(linear.remove(i)),
            }
        }
    }

    /// The runs. Where too many words are listed, most of them are given to the party, as though it knew them: if
    /// that tells it nothing, it learns nothing without them.
    ///
    /// # Errors
    /// Those of [`Runs::cell`].
    fn gone_through(
        runs: &Runs<'_>,
        tolerance: f64,
        known: &[usize],
        linear: &[usize],
        listed: &[usize],
    ) -> Result<Views, usize> {
        let few = |words: &[usize]| tapes(runs.base, words.len()) <= ASSIGNMENTS;
        if few(listed) {
            return Views::of(runs, known, linear, listed);
        }
        for order in 0..ORDERS {
            let Some(kept) = runs.kept(known, linear, listed, order) else { break };
            if !few(&kept) {
                continue;
            }
            let given = listed.iter().filter(|word| !kept.contains(word));
            let known: Vec<usize> = known.iter().chain(given).copied().collect();
            let views = Views::of(runs, &known, linear, &kept)?;
            if views.leak(tolerance, None).is_none() {
                println!("party {}: knows {} words more", runs.me, listed.len() - kept.len());
                return Ok(views);
            }
        }
        let (what, me, words) = (runs.primitive.name, runs.me, listed.len());
        panic!(
            "{what}: party {me} learns something, or {words} words that are not linear are too many"
        );
    }

    fn of(
        runs: &Runs<'_>,
        known: &[usize],
        linear: &[usize],
        listed: &[usize],
    ) -> Result<Views, usize> {
        let mut cells = Views::cells(runs, known, linear, listed)?;
        // What is the same in all runs tells nothing; the result stays where it is.
        let width = cells[0].offset.len();
        let varies = |i: &usize| {
            i + RESULT >= width
                || cells.iter().any(|cell| {
                    cell.offset[*i] != cells[0].offset[*i]
                        || cell.directions.iter().any(|direction| direction[*i] != 0)
                })
        };
        let kept: Vec<usize> = (0..width).filter(varies).collect();
        for cell in &mut cells {
            for row in cell.directions.iter_mut().chain([&mut cell.offset]) {
                *row = kept.iter().map(|&i| row[i]).collect();
            }
        }
        Ok(Views {
            me: runs.me,
            primitive: runs.primitive,
            base: runs.base,
            linear: linear.to_vec(),
            listed: listed.to_vec(),
            cells,
        })
    }

    fn cells(
        runs: &Runs<'_>,
        known: &[usize],
        linear: &[usize],
        listed: &[usize],
    ) -> Result<Vec<Cell>, usize> {
        let mut cells = vec![];
        for draw in 0..DRAWS {
            let known = draw_digits(runs.base, known, draw);
            for listed in all_digits(runs.base, listed) {
                let start = sum(runs.base, &known, &listed);
                for inputs in INPUTS {
                    let cell = runs.cell(inputs, &start, linear, 1 + cells.len() as u64)?;
                    cells.push(Cell { draw, listed: listed.clone(), ..cell });
                }
            }
        }
        Ok(cells)
    }

    /// Words that change something.
    pub(super) fn words(&self) -> impl Iterator<Item = usize> {
        self.linear.iter().chain(&self.listed).copied()
    }

    /// What the party learns, if it does, with a word that is 0 in all runs.
    pub(super) fn leak(&self, tolerance: f64, stuck: Option<usize>) -> Option<String> {
        let mut values: BTreeMap<_, BTreeSet<i128>> = BTreeMap::new();
        for cell in &self.cells {
            values.entry((cell.draw, cell.inputs)).or_default().extend(&cell.values);
        }
        // What the party knows anyhow: its own input, and the results that there may be if one is opened.
        let mut known: BTreeMap<_, BTreeMap<_, Vec<&Cell>>> = BTreeMap::new();
        let counted = |cell: &&Cell| stuck.is_none_or(|word| digit(&cell.listed, word) == 0);
        for cell in self.cells.iter().filter(counted) {
            let results = self.primitive.opened.then(|| &values[&(cell.draw, cell.inputs)]);
            let given = (cell.draw, cell.inputs.get(self.me).copied(), results);
            known.entry(given).or_default().entry(cell.inputs).or_default().push(cell);
        }
        known.iter().find_map(|(given, by_inputs)| {
            let sides: &[bool] = if self.primitive.random { &[false, true] } else { &[false] };
            let cosets: Vec<Vec<Coset>> = by_inputs
                .values()
                .flat_map(|cells| {
                    let of =
                        |&flipped| cells.iter().map(|c| self.coset(c, stuck, flipped)).collect();
                    sides.iter().map(of).collect::<Vec<_>>()
                })
                .collect();
            let spaces = || cosets.iter().flatten().map(|coset| &coset.space);
            let first = spaces().next().expect("there are runs").clone();
            let common = spaces().fold(first, |common, space| common.intersection(space));
            let most = spaces().map(|space| space.rows.len() - common.rows.len()).max();
            let weight = u64::from(self.base).pow(most.expect("there are runs") as u32);
            let mixtures: Vec<_> = cosets.iter().map(|all| mixture(all, &common, weight)).collect();
            telling(&mixtures, tolerance).then(|| format!("given {given:?}, views differ"))
        })
    }

    /// The coset of a cell; with the other result where it is a random bit, if `flipped`.
    fn coset(&self, cell: &Cell, stuck: Option<usize>, flipped: bool) -> Coset {
        let base = self.base;
        let of = self.linear.iter().zip(&cell.directions);
        let free = of.filter(|(word, _)| Some(**word) != stuck);
        let mut rows: Vec<Vec<u8>> = free.map(|(_, direction)| direction.clone()).collect();
        let mut offset = cell.offset.clone();
        if flipped {
            let result = offset.len() - RESULT;
            offset[result] = (base + 1 - offset[result]) % base;
            rows.iter_mut().for_each(|row| row[result] = (base - row[result]) % base);
        }
        let space = Space::of(base, rows.iter());
        space.reduce(&mut offset);
        Coset { space, offset }
    }
}

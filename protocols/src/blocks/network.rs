//! Permutation networks of any size: which pairs of places are switched, layer by layer, and how the
//! switches are set for a given permutation.
//!
//! Source: Waksman 1968; sizes that are no powers of two: Beauquier, Darrot 2002.

/// A layer: pairs of places whose contents are exchanged or not, all disjoint.
pub type Layer = Vec<(usize, usize)>;

/// The layers for `n` elements: `2·ceil(log2(n)) - 1` of them, about `n·log2(n)` switches in all.
pub fn layers(n: usize) -> Vec<Layer> {
    let mut layers = vec![vec![]; depth(n)];
    if n > 1 {
        place(&(0..n).collect::<Vec<_>>(), 0, &mut layers);
    }
    layers
}

/// Number of layers for `n` elements.
fn depth(n: usize) -> usize {
    (2 * n.next_power_of_two().ilog2() as usize).saturating_sub(1)
}

/// Adds the switches among `places`; the first layer they use is `first`.
fn place(places: &[usize], first: usize, layers: &mut [Layer]) {
    let (n, last) = (places.len(), layers.len() - 1 - first);
    if n == 2 {
        layers[first].push((places[0], places[1]));
    }
    if n <= 2 {
        return;
    }
    let pair = |i: usize| (places[2 * i], places[2 * i + 1]);
    layers[first].extend((0..n / 2).map(pair));
    let (upper, lower) = halves(places);
    place(&upper, first + 1, layers);
    place(&lower, first + 1, layers);
    layers[last].extend((0..(n - 1) / 2).map(pair));
}

/// The two inner networks: even and odd places; of an odd number, the last belongs to the second.
fn halves(places: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let n = places.len();
    let upper = (0..n / 2).map(|i| places[2 * i]).collect();
    let mut lower: Vec<usize> = (0..n / 2).map(|i| places[2 * i + 1]).collect();
    if !n.is_multiple_of(2) {
        lower.push(places[n - 1]);
    }
    (upper, lower)
}

/// Settings of the switches, in the order of [`layers`], so that element `i` ends at `perm[i]`.
pub fn route(perm: &[usize]) -> Vec<Vec<bool>> {
    let mut settings = vec![vec![]; depth(perm.len())];
    if perm.len() > 1 {
        set(perm, 0, &mut settings);
    }
    settings
}

fn set(perm: &[usize], first: usize, settings: &mut [Vec<bool>]) {
    let (n, last) = (perm.len(), settings.len() - 1 - first);
    if n == 2 {
        settings[first].push(perm[0] == 1);
    }
    if n <= 2 {
        return;
    }
    let mut from = vec![0; n];
    perm.iter().enumerate().for_each(|(i, &to)| from[to] = i);
    let lower = sides(perm, &from);
    settings[first].extend((0..n / 2).map(|i| lower[2 * i]));
    // Element i enters an inner network at i/2 and leaves it at perm[i]/2.
    let mut inner = [vec![0; n / 2], vec![0; n - n / 2]];
    (0..n).for_each(|i| inner[usize::from(lower[i])][i / 2] = perm[i] / 2);
    set(&inner[0], first + 1, settings);
    set(&inner[1], first + 1, settings);
    settings[last].extend((0..(n - 1) / 2).map(|j| lower[from[2 * j]]));
}

/// Which elements go through the second inner network: one of each pair of inputs, one of each pair
/// of outputs, and the one at the last output.
fn sides(perm: &[usize], from: &[usize]) -> Vec<bool> {
    let n = perm.len();
    let paired = |i: usize| i ^ 1 < n;
    let mut side: Vec<Option<bool>> = vec![None; n];
    // Follows the chain: the element at the input beside takes the other side, then the element at the
    // output beside that one's takes the first side again, until the chain closes or ends.
    let mut follow = |start: usize, lower: bool| {
        let mut at = start;
        while side[at].is_none() {
            side[at] = Some(lower);
            if !paired(at) {
                break;
            }
            let beside = at ^ 1;
            side[beside] = Some(!lower);
            if !paired(perm[beside]) {
                break;
            }
            at = from[perm[beside] ^ 1];
        }
    };
    // Of an odd number, this chain ends at the last input, on the same side.
    follow(from[n - 1], true);
    (0..n).for_each(|i| follow(i, false));
    side.into_iter().map(|s| s.expect("every element is on a chain")).collect()
}

/// Layers of comparisons that sort `n` elements: of each pair the smaller goes to the first place
/// (Knuth, TAOCP 3, Algorithm 5.2.2M).
pub fn sorting(n: usize) -> Vec<Layer> {
    let top = n.next_power_of_two() / 2;
    let mut layers = vec![];
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            layers.push((0..n - d).filter(|i| i & p == r).map(|i| (i, i + d)).collect());
            if q == p {
                break;
            }
            (d, r) = (q - p, p);
            q /= 2;
        }
        p /= 2;
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(perm: &[usize]) -> Vec<usize> {
        let mut contents: Vec<usize> = (0..perm.len()).collect();
        for (layer, settings) in layers(perm.len()).iter().zip(route(perm)) {
            assert_eq!(layer.len(), settings.len());
            for (&(a, b), crossed) in layer.iter().zip(settings) {
                if crossed {
                    contents.swap(a, b);
                }
            }
        }
        contents
    }

    fn is_routed(perm: &[usize]) -> bool {
        apply(perm).iter().enumerate().all(|(to, &i)| perm[i] == to)
    }

    #[test]
    fn all_permutations_of_up_to_six_are_routed() {
        fn each(perm: &mut Vec<usize>, k: usize) {
            if k == perm.len() {
                assert!(is_routed(perm), "{perm:?}");
            }
            for i in k..perm.len() {
                perm.swap(k, i);
                each(perm, k + 1);
                perm.swap(k, i);
            }
        }
        (0..=6).for_each(|n| each(&mut (0..n).collect(), 0));
    }

    #[test]
    fn sorting_networks_sort_all_zeros_and_ones() {
        for n in 0..=12 {
            let layers = sorting(n);
            let depth = n.next_power_of_two().ilog2() as usize;
            assert_eq!(layers.len(), depth * (depth + 1) / 2);
            for bits in 0..1_u32 << n {
                let mut x: Vec<u32> = (0..n).map(|i| bits >> i & 1).collect();
                for &(a, b) in layers.iter().flatten() {
                    if x[b] < x[a] {
                        x.swap(a, b);
                    }
                }
                assert!(x.is_sorted(), "{n} {bits:b}");
            }
        }
    }

    #[test]
    fn large_networks_are_routed_and_shallow() {
        for n in [7, 13, 64, 100, 1001] {
            let mut perm: Vec<usize> = (0..n).collect();
            perm.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7);
            assert!(is_routed(&perm), "{n}");
            assert_eq!(layers(n).len(), 2 * n.next_power_of_two().ilog2() as usize - 1);
        }
    }
}

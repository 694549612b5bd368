//! Speed of the kernels on one core: `cargo bench -p mpc-protocols`, with a part of a name to choose.
//!
//! An element is a product of two numbers in matrices, a number or a word of bits elsewhere. Vectors
//! of 2^13 elements stay in the cache, those of 2^20 do not.

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use mpc_protocols::algebra::ring::{Bits, Ring};
use mpc_protocols::algebra::{bits, matrix, simd};
use zeroize::Zeroizing;

fn numbers<R: Ring>(n: usize, seed: u64) -> Vec<R> {
    let mut numbers = vec![R::zeroed(); n];
    let words: &mut [u64] = bytemuck::cast_slice_mut(&mut numbers);
    for (i, word) in words.iter_mut().enumerate() {
        *word = (i as u64 + seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
    }
    numbers
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(500));
    group
}

fn products<R: Ring>(c: &mut Criterion, ring: &str, sizes: &[(usize, usize, usize)]) {
    let mut group = group(c, &format!("matrix/{ring}"));
    for &(m, k, n) in sizes {
        let (a, b) = (numbers::<R>(m * k, 1), numbers::<R>(k * n, 2));
        let mut sum = numbers::<R>(m * n, 3);
        group.throughput(Throughput::Elements((m * k * n) as u64));
        group.bench_function(format!("{m}x{k}x{n}"), |bench| {
            bench.iter(|| matrix::multiply_add(None, &mut sum, &a, &b, (m, k, n)));
        });
        if m == n {
            let (a2, b2) = (numbers::<R>(m * k, 4), numbers::<R>(k * n, 5));
            group.throughput(Throughput::Elements(2 * (m * k * n) as u64));
            group.bench_function(format!("cross {m}x{k}x{n}"), |bench| {
                let (x, y) = ([&a[..], &a2[..]], [&b[..], &b2[..]]);
                bench.iter(|| matrix::cross(None, &mut sum, x, y, (m, k, n)));
            });
        }
    }
}

fn matrices(c: &mut Criterion) {
    let squares = [64, 128, 256, 512, 1024].map(|n| (n, n, n));
    products::<u64>(c, "64", &squares);
    let thin = [
        (1, 1000, 1000),
        (4, 1000, 1000),
        (16, 1000, 1000),
        (1000, 1000, 1),
        (1000, 1000, 10),
        (1000, 1, 1000),
        (1000, 10, 1000),
        (64, 30, 1),
        (8, 8, 8),
        (20, 25, 576),
    ];
    products::<u64>(c, "64", &thin);
    products::<u128>(c, "128", &squares[..4]);
    products::<u128>(c, "128", &[(1, 1000, 1000), (1000, 1000, 1)]);
}

fn vectors<R: Ring>(c: &mut Criterion, ring: &str) {
    let mut group = group(c, &format!("vector/{ring}"));
    for n in [1 << 13, 1 << 20] {
        let v: Vec<Vec<R>> = (0..8).map(|i| numbers(n, i)).collect();
        let pair = |i: usize| [&v[2 * i][..], &v[2 * i + 1][..]];
        let (mut z, factor) = (numbers::<R>(n, 9), v[0][5]);
        group.throughput(Throughput::Elements(n as u64));
        let mut run = |name: &str, kernel: &dyn Fn(&mut [R])| {
            group.bench_function(BenchmarkId::new(name, n), |bench| bench.iter(|| kernel(&mut z)));
        };
        run("cross", &|z| simd::cross(z, &v[4], pair(0), pair(1)));
        run("product_part", &|z| simd::product_part(z, pair(0), pair(1), 1, 1));
        run("multiply_add", &|z| simd::multiply_add(z, &v[0], &v[1]));
        run("scale_add", &|z| simd::scale_add(z, &v[0], factor));
        run("dot", &|z| simd::dot(&mut z[0], &v[0], &v[1]));
    }
}

fn elements(c: &mut Criterion) {
    vectors::<u64>(c, "64");
    vectors::<u128>(c, "128");
    vectors::<Bits>(c, "bits");
}

fn transpositions(c: &mut Criterion) {
    let mut group = group(c, "bits");
    let mut strip = [[0x0123_4567_89ab_cdef; simd::SQUARES]; 64];
    group.throughput(Throughput::Bytes(size_of_val(&strip) as u64));
    group.bench_function("transpose_strip", |bench| {
        bench.iter(|| simd::transpose_strip(black_box(&mut strip), 64));
    });
    for n in [1 << 13, 1_000_000] {
        let (x, y) = (numbers::<u64>(n, 1), numbers::<u128>(n, 2));
        let stride = bits::stride(n);
        group.throughput(Throughput::Elements(n as u64));
        for k in [32, 63] {
            let mut rows = vec![0; k * stride];
            group.bench_function(format!("to_rows 64 {k}/{n}"), |bench| {
                bench.iter(|| bits::to_rows(n, k, &mut rows, |i| x[i]));
            });
            let mut back = vec![0; (n * k).div_ceil(64)];
            group.bench_function(format!("from_rows {k}/{n}"), |bench| {
                bench.iter(|| bits::from_rows(n, k, &mut back, |j| &rows[j * stride..][..stride]));
            });
        }
        let mut rows = vec![0; 128 * stride];
        group.bench_function(format!("to_rows 128 128/{n}"), |bench| {
            bench.iter(|| bits::to_rows(n, 128, &mut rows, |i| y[i]));
        });
        let wire = bits::Wire { rows: 63, bits: n + 17 };
        let rows = numbers::<u64>(63 * bits::stride(n + 17), 3);
        let (mut payload, mut back) = (vec![0; wire.bytes()], rows.clone());
        group.throughput(Throughput::Bytes(wire.bytes() as u64));
        group.bench_function(format!("pack/{n}"), |bench| {
            bench.iter(|| wire.pack_into(&rows, &mut payload));
        });
        group.bench_function(format!("unpack/{n}"), |bench| {
            bench.iter(|| wire.unpack(&payload, &mut back));
        });
    }
}

/// Sums of streams over trees; an element is a block of a stream.
fn streams(c: &mut Criterion) {
    const LEN: usize = 64;
    let mut group = group(c, "streams");
    for k in [1, 2, 4, 8] {
        let keys = vec![Zeroizing::new(numbers::<u128>(1 << k, 1)); 128 / k];
        let streams = simd::Streams::new(k, &keys);
        group.throughput(Throughput::Elements(((128 / k * LEN) << k) as u64));
        group.bench_function(BenchmarkId::from_parameter(k), |bench| {
            bench.iter(|| streams.sums(1, LEN, |_, sums, _| _ = black_box(sums)));
        });
    }
}

criterion_group!(kernels, matrices, elements, transpositions, streams);
criterion_main!(kernels);
